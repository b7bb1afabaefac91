"""Setting the segment thresholds that evaluation uses to the exact quantiles of the gates on training text."""

from collections.abc import Iterable

import torch

from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import observe_routing


@torch.no_grad()
def calibrate_thresholds(
    model: MultiplMoeForCausalLM, batches: Iterable[dict[str, torch.Tensor]], passes: int = 1
) -> None:
    """Store in each hybrid layer the thresholds at which every segment expert takes capacity / E_s of the segments.

    The first pass routes as in training (thresholds from the other rows of a batch), so that deep layers see the inputs
    that they were trained on; further ones route with the thresholds just stored, which change what deeper layers see a
    little. More text serves better than more passes: neighbouring segments are alike, so a quantile is uncertain.

    Args:
        model: with threshold selection; others are left as they are.
        batches: inputs of the model, many rows each; read once a pass.
        passes: how often.
    """
    if not model.config.moe_config.has_thresholds:
        return
    batches = [{key: value.to(model.device) for key, value in batch.items()} for batch in batches]
    was_training = model.training
    for number in range(passes):
        model.train(number == 0)
        with observe_routing(model) as statistics:
            for batch in batches:
                model.model(**batch)
        for index, layer in model.hybrid_layers.items():
            layer.segment_threshold.copy_(statistics[index].quantile_threshold())
            layer.discard_batch_threshold()
    model.train(was_training)
