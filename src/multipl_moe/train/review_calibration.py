"""Setting the segment thresholds after stage 2, so that languages to keep stay out of the segment experts."""

from collections.abc import Iterable

import torch

from multipl_moe.model.calibration import observe_inputs
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold


@torch.no_grad()
def calibrate_after_review(
    model: MultiplMoeForCausalLM,
    learn: Iterable[dict[str, torch.Tensor]],
    keep: Iterable[dict[str, torch.Tensor]],
    *,
    keep_load: float,
    passes: int = 2,
) -> None:
    """Store thresholds from the text of both roles, each for what it has to say.

    Quantiles over all languages, as after stage 1, would give segments to keep their share by capacity alone. Here an
    expert takes capacity / E_s of the segments to *learn*; where more than `keep_load` of the segments to keep would
    reach that threshold, it rises to where that share does, and the expert takes less of the languages to learn. Equal
    gates, as of all first segments, are taken or left together (`quantile_threshold`).

    All passes route as in evaluation, with the thresholds that the last one stored.

    Args:
        model: with threshold selection; others are left as they are.
        learn, keep: inputs of the model, of languages to learn and to keep.
        keep_load: share of the segments to keep that an expert may take, above 0; 1 sets no bound.
        passes: how often.
    """
    moe = model.config.moe_config
    if not moe.has_thresholds:
        return
    texts = {"learn": list(learn), "keep": list(keep)}
    for _ in range(passes):
        seen = {role: observe_inputs(model.model, batches, as_in_training=False) for role, batches in texts.items()}
        for index, layer in model.hybrid_layers.items():
            wanted = quantile_threshold(seen["learn"][index].gates, moe.segment_capacity)
            bound = quantile_threshold(seen["keep"][index].gates, keep_load * moe.num_segment_experts)
            layer.segment_threshold.copy_(torch.maximum(wanted, bound))
            layer.forget_noted()
