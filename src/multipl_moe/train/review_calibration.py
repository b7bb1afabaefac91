"""Setting the segment thresholds after stage 2, so that languages to keep stay out of the segment experts."""

from collections.abc import Iterable

import torch

from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import LayerStatistics, observe_routing

Batches = list[dict[str, torch.Tensor]]


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
    was_training = model.training
    model.eval()
    for _ in range(passes):
        gates = {role: _gates(model, batches) for role, batches in texts.items()}
        for index, layer in model.hybrid_layers.items():
            wanted = quantile_threshold(gates["learn"][index], moe.segment_capacity)
            bound = quantile_threshold(gates["keep"][index], keep_load * moe.num_segment_experts)
            layer.segment_threshold.copy_(torch.maximum(wanted, bound))
            layer.discard_batch_threshold()
    model.train(was_training)


def _gates(model: MultiplMoeForCausalLM, batches: Batches) -> dict[int, torch.Tensor]:
    statistics: dict[int, LayerStatistics]
    with observe_routing(model) as statistics:
        for batch in batches:
            model.model(**{key: value.to(model.device) for key, value in batch.items()})
    return {index: torch.cat(layer.gates) for index, layer in statistics.items()}
