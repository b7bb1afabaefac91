"""Whether the routers are in order: balanced, alive, and the same in training and in evaluation.

One set of bounds for routers of both kinds, at the start, while training and at the end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from multipl_moe.model.decoder import MultiplMoeModel, require_hybrid
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.model.statistics import LayerStatistics, observe_batches

MIN_LOAD_RATIO = 0.5  # of a fair share, the least that an expert of a healthy router gets
MAX_LOAD_RATIO = 2.0  # and the most
MAX_MODE_DIFFERENCE = 0.15
ROUTERS = ("token", "segment")
Batches = Iterable[Mapping[str, Tensor]]


@dataclass(frozen=True)
class RouterHealth:
    """Loads of all layers' experts, as multiples of a fair share: the mean of a layer's routed ones, or capacity / E_s.

    Attributes:
        load_ratios: by kind of router, `token` or `segment`, the least and the largest ratio in evaluation.
        max_mode_difference: largest relative difference of an expert's load between training and evaluation.
        dead_experts: experts, of either kind, that get nothing or next to nothing.
        layers: summaries by layer index, in evaluation; loads as in training beside them.
    """

    load_ratios: dict[str, list[float]]
    max_mode_difference: float
    dead_experts: int
    layers: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def min_load_ratio(self) -> float:
        """The least ratio, of either kind; 1 where there is none."""
        return min((low for low, _ in self.load_ratios.values()), default=1.0)

    @property
    def max_load_ratio(self) -> float:
        """The largest ratio, of either kind; 1 where there is none."""
        return max((high for _, high in self.load_ratios.values()), default=1.0)

    @property
    def is_healthy(self) -> bool:
        """Whether every bound of this module holds."""
        return (
            self.dead_experts == 0
            and self.min_load_ratio >= MIN_LOAD_RATIO
            and self.max_load_ratio <= MAX_LOAD_RATIO
            and self.max_mode_difference <= MAX_MODE_DIFFERENCE
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, with the verdict."""
        extremes = {"min_load_ratio": self.min_load_ratio, "max_load_ratio": self.max_load_ratio}
        return extremes | asdict(self) | {"is_healthy": self.is_healthy}


def load_ratios(summary: Mapping[str, Any], moe: RoutingConfig | None) -> dict[str, list[float]]:
    """By kind of router, each expert's load as a multiple of a fair share; the shared expert's is none.

    A router with one expert has no choice, and so no ratio. Loads are those of a layer's `LayerStatistics.summary`.
    """
    ratios, routed, taken = {}, summary.get("token_load", [])[:-1], summary.get("segment_load", [])
    if len(routed) > 1:
        fair = sum(routed) / len(routed)
        ratios["token"] = [load / fair if fair > 0 else 0.0 for load in routed]
    if len(taken) > 1 and moe is not None:
        ratios["segment"] = [load * len(taken) / moe.segment_capacity for load in taken]
    return ratios


def extreme_ratios(layers: Iterable[Mapping[str, Any]], moe: RoutingConfig | None) -> dict[str, list[float]]:
    """By kind of router, the least and the largest `load_ratios` of several layers."""
    found: dict[str, list[float]] = {}
    for summary in layers:
        for kind, ratios in load_ratios(summary, moe).items():
            found[kind] = found.get(kind, []) + ratios
    return {kind: [min(ratios), max(ratios)] for kind, ratios in found.items()}


def measure_router_health(model: nn.Module, batches: Batches, training_batches: Batches = ()) -> RouterHealth:
    """Route text as in evaluation and as in training, and compare; nothing of the hybrid changes.

    Args:
        model: with dropout and all else as in evaluation.
        batches: inputs of the model, text of all languages that it is for.
        training_batches: the same with as many rows as in training, since thresholds then come from the other rows;
            none: training is not looked at.
    """
    decoder = require_hybrid(model)
    evaluation = _observe(decoder, batches, as_in_training=False)
    training = _observe(decoder, training_batches, as_in_training=True)
    layers, differences = {}, [0.0]
    for index, layer in evaluation.items():
        layers[index] = layer.summary()
        for kind in ROUTERS if training else ():
            key = f"{kind}_load"
            if key in layers[index]:
                trained = layers[index][f"train_{key}"] = training[index].summary().get(key, [])
                pairs = zip(layers[index][key], trained, strict=True)
                differences += [abs(load - train) / max(train, 1e-9) for load, train in pairs]
    dead = sum(layer.get(f"dead_{kind}_experts", 0) for layer in layers.values() for kind in ROUTERS)
    ratios = extreme_ratios(layers.values(), decoder.config.moe_config.routing)
    return RouterHealth(ratios, max(differences), dead, layers)


def _observe(decoder: MultiplMoeModel, batches: Batches, *, as_in_training: bool) -> dict[int, LayerStatistics]:
    statistics = {index: LayerStatistics() for index in decoder.hybrid_layers}
    observe_batches(decoder, statistics, batches, as_in_training=as_in_training)
    return {index: layer for index, layer in statistics.items() if layer.num_tokens or layer.num_segments}
