"""Router health: what the routers of each hybrid layer do, gathered only while somebody observes them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from multipl_moe.model.data_parallel import Ranks
from multipl_moe.model.decoder import MultiplMoeModel, hybrid_layers_of
from multipl_moe.model.hybrid import HybridMoe, RoutingObserver
from multipl_moe.model.routing_pass import LayerRouting
from multipl_moe.model.segments import SegmentPlan

_DEAD_SHARE_OF_FAIR_LOAD = 0.01


@dataclass
class LayerStatistics:
    """Sums over the observed tokens and segments of one layer; `summary` turns them into means.

    It is a `RoutingObserver`. Entropies are divided by log(E): 1 is uniform, 0 certain; a router with one expert has 1.
    """

    capacity: float = 1.0
    num_tokens: int = 0
    token_counts: Tensor | None = None
    token_entropy_sum: float = 0.0
    shared_gate_sum: float = 0.0
    num_segments: int = 0
    segment_counts: Tensor | None = None
    segment_entropy_sum: float = 0.0
    threshold: Tensor | None = None

    @torch.no_grad()
    def __call__(self, layer: HybridMoe, plan: SegmentPlan, routed: LayerRouting) -> None:
        """Add one forward pass."""
        tokens, segments, self.capacity = routed.tokens, routed.segments, layer.moe.segment_capacity
        if tokens is not None:
            counts = tokens.chosen.sum(dim=0)
            self.token_counts = counts if self.token_counts is None else self.token_counts + counts
            self.num_tokens += tokens.chosen.shape[0]
            self.token_entropy_sum += _entropy(tokens.scores)
            self.shared_gate_sum += tokens.gates[:, -1].sum().item()
        if segments is not None:
            counts = segments.chosen.sum(dim=0)
            self.segment_counts = counts if self.segment_counts is None else self.segment_counts + counts
            self.num_segments += plan.num_segments
            self.segment_entropy_sum += _entropy(segments.gates)
            self.threshold = layer.segment_threshold.clone()

    @torch.no_grad()
    def over(self, ranks: Ranks) -> "LayerStatistics":
        """The same over the tokens and segments that all processes observed; each must have seen a forward pass."""
        device = next((tensor.device for tensor in (self.token_counts, self.threshold) if tensor is not None), None)
        if device is None:  # there is no router
            return self
        names = ("num_tokens", "num_segments", "token_entropy_sum", "shared_gate_sum", "segment_entropy_sum")
        own = torch.tensor([getattr(self, name) for name in names], dtype=torch.float64, device=device)
        num_tokens, num_segments, *sums = ranks.total(own).tolist()
        return replace(
            self,
            num_tokens=round(num_tokens),
            num_segments=round(num_segments),
            **dict(zip(names[2:], sums, strict=True)),
            token_counts=None if self.token_counts is None else ranks.total(self.token_counts),
            segment_counts=None if self.segment_counts is None else ranks.total(self.segment_counts),
        )

    @property
    def token_load(self) -> list[float]:
        """Share of the tokens that each token expert serves, the shared expert last."""
        return [] if self.token_counts is None else (self.token_counts / max(self.num_tokens, 1)).tolist()

    @property
    def segment_load(self) -> list[float]:
        """Share of the segments that each segment expert takes; capacity / E_s each when balanced."""
        return [] if self.segment_counts is None else (self.segment_counts / max(self.num_segments, 1)).tolist()

    def summary(self) -> dict[str, Any]:
        """Means as JSON-ready values; keys of an absent router are left out."""
        result: dict[str, Any] = {}
        if self.token_counts is not None:
            routed = self.token_load[:-1]
            result |= {
                "token_load": self.token_load,
                "token_entropy": self.token_entropy_sum / max(self.num_tokens, 1),
                "shared_share": self.shared_gate_sum / max(self.num_tokens, 1),
                "dead_token_experts": _num_dead(routed, sum(routed) / max(len(routed), 1)),
            }
        if self.segment_counts is not None and self.threshold is not None:
            fair = self.capacity / len(self.segment_load)
            result |= {
                "segment_load": self.segment_load,
                "segment_entropy": self.segment_entropy_sum / max(self.num_segments, 1),
                "dead_segment_experts": _num_dead(self.segment_load, fair),
                "threshold": self.threshold.tolist(),
            }
        return result


@contextmanager
def observe_routing(model: nn.Module) -> Iterator[dict[int, LayerStatistics]]:
    """Gather statistics of every hybrid layer, by layer index, while the block runs; a dense model has none."""
    statistics = {index: LayerStatistics() for index in hybrid_layers_of(model)}
    with observe_with(model, statistics):
        yield statistics


@contextmanager
def observe_with(model: nn.Module, observers: Mapping[int, RoutingObserver]) -> Iterator[None]:
    """Let each hybrid layer report to its observer, by layer index, while the block runs."""
    with ExitStack() as after:
        for index, layer in hybrid_layers_of(model).items():
            after.callback(setattr, layer, "observer", layer.observer)
            layer.observer = observers.get(index)
        yield


@contextmanager
def in_evaluation(model: nn.Module, observers: Mapping[int, RoutingObserver] | None = None) -> Iterator[None]:
    """The model in evaluation mode while the block runs, its routing seen by nobody but these observers."""
    with observe_with(model, observers or {}), ExitStack() as after:
        after.callback(model.train, model.training)
        model.eval()
        yield


@torch.no_grad()
def observe_batches(
    decoder: MultiplMoeModel,
    observers: Mapping[int, RoutingObserver],
    batches: Iterable[Mapping[str, Tensor]],
    *,
    as_in_training: bool = False,
) -> None:
    """Run a text, in evaluation mode but for the thresholds if so asked, and let each layer report to its observer."""
    with in_evaluation(decoder, observers), ExitStack() as after:
        after.callback(setattr, decoder, "routes_as_in_training", decoder.routes_as_in_training)
        decoder.routes_as_in_training = as_in_training
        for batch in batches:
            decoder(**{key: value.to(decoder.device) for key, value in batch.items()})


def _entropy(probabilities: Tensor) -> float:
    """Sum over rows of the entropy, as a share of its maximum log(E); 1 a row where there is one expert."""
    num_rows, num_experts = probabilities.shape
    if num_experts == 1:
        return float(num_rows)
    entropy = torch.special.entr(probabilities).sum() / torch.log(torch.tensor(float(num_experts)))
    return entropy.item()


def _num_dead(load: list[float], fair: float) -> int:
    return sum(share <= _DEAD_SHARE_OF_FAIR_LOAD * fair for share in load)
