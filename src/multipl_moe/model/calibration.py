"""Setting what routers choose by to what a text asks for: segment thresholds and the biases of token routers."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from multipl_moe.errors import ConfigError
from multipl_moe.model.decoder import require_hybrid
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.routing_pass import LayerRouting
from multipl_moe.model.segment_moe import quantile_threshold
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.statistics import observe_batches
from multipl_moe.model.token_moe import balancing_bias


@torch.no_grad()
def calibrate_routing(model: nn.Module, batches: Iterable[Mapping[str, Tensor]]) -> None:
    """Store the thresholds and biases at which every expert gets its fair share of a text.

    It routes as in training (thresholds from the other rows of a batch), so that deep layers see the inputs that they
    were trained on. All else is as in evaluation, dropout left out.

    Args:
        model: hybrid; one whose routers store nothing (preset `paper`) is left as it is.
        batches: inputs of the model, many rows each, text of all languages that it is for.

    Raises:
        ConfigError: the model is dense, or there are no batches or no tokens in them.
    """
    decoder = require_hybrid(model)
    if not decoder.config.moe_config.stores_routing:
        return
    batches = list(batches)
    if not batches:
        raise ConfigError("batches: there is none; give inputs of the model, text of all languages that it is for")
    seen = {index: _RouterInputs() for index in decoder.hybrid_layers}
    observe_batches(decoder, seen, batches, as_in_training=True)
    for index, inputs in seen.items():
        if not inputs.num_tokens:
            raise ConfigError("batches: they hold padding alone; give text of all languages that the model is for")
        layer = decoder.hybrid_layers[index]
        if layer.moe.has_thresholds:
            layer.segment_threshold.copy_(quantile_threshold(torch.cat(inputs.gates), layer.moe.segment_capacity))
        if layer.token_bias is not None:
            layer.token_bias.copy_(balancing_bias(torch.cat(inputs.logits), layer.token_bias, layer.moe))
        layer.forget_noted()


class _RouterInputs:
    """A `RoutingObserver` that keeps the token logits and the segment gates of one layer."""

    def __init__(self) -> None:
        self.num_tokens = 0
        self.logits: list[Tensor] = []  # (N, E_t) of each pass
        self.gates: list[Tensor] = []  # (V, E_s)

    def __call__(self, layer: HybridMoe, plan: SegmentPlan, routed: LayerRouting) -> None:
        self.num_tokens += len(plan.segment_of_token)
        if routed.tokens is not None:
            self.logits.append(routed.tokens.logits.detach().float())
        if routed.segments is not None:
            self.gates.append(routed.segments.gates.detach())
