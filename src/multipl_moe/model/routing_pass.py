"""One forward pass as the hybrid layers see it: what they need to know of the batch, and what they decided.

It travels with the call, from the decoder through each decoder layer, so that one model serves many threads at once and
a layer that gradient checkpointing computes again finds what it had. Only the last step, from a decoder layer to its
feed-forward block, has no argument to travel by: base models call the block with hidden states alone. There it waits in
a place of the calling thread, from which the block takes it.
"""

import threading
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache as cached
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

from multipl_moe.model.cache import prefix_state_of, segment_state_of
from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.domain_gate import PrefixState
from multipl_moe.model.segment_moe import SegmentRouting
from multipl_moe.model.segments import SegmentPlan, SegmentState
from multipl_moe.model.token_moe import TokenRouting

_WAITING = threading.local()
_REENTRANT = (
    "gradient_checkpointing_kwargs: use_reentrant=True computes hybrid layers without gradients first, so that their "
    "routers would get no load-balancing loss; use use_reentrant=False"
)


class LayerRouting(NamedTuple):
    """What the routers of one layer decided; None where the layer has no such router."""

    tokens: TokenRouting | None
    segments: SegmentRouting | None


class RoutingPass:
    """What the hybrid layers share in one forward pass.

    No dataclass: FSDP and DDP, which cast what is passed to a module, would hand each layer a copy of one.

    Attributes:
        as_in_training: whether segment thresholds come from the other rows of the batch.
        needs_gradients: whether they will be asked for, so that no layer may be computed without.
        cache: what was kept of the tokens before.
        ranks, segment_counts: the processes that hold the other rows, and how many segments each has.
        routed: by layer index, what was decided; filled as the pass goes on.
        token_ids: (B, T), None where embeddings came in their place.
        open_V: what the domain gate says of each segment (`DomainGate`); None: experts work for all text.
        first_share: by which that is multiplied for a document's first token.
    """

    def __init__(
        self,
        plan: SegmentPlan,
        as_in_training: bool = False,
        needs_gradients: bool = False,
        cache: Cache | None = None,
        ranks: Ranks = ALONE,
        segment_counts: list[int] | None = None,
    ) -> None:
        self.plan, self.cache = plan, cache
        self.as_in_training, self.needs_gradients = as_in_training, needs_gradients
        self.ranks, self.segment_counts = ranks, segment_counts
        self.routed: dict[int, LayerRouting] = {}
        self.token_ids: Tensor | None = None
        self.open_V: Tensor | None = None
        self.first_share = 1.0
        self._is_shut: bool | None = None
        self._batch_gates: dict[int, Tensor] = {}
        self._plans: dict[torch.device, SegmentPlan] = {}

    def plan_on(self, device: torch.device) -> SegmentPlan:
        """The plan on the device of a layer: layers of one model may lie on several."""
        if self.plan.segment_of_token.device == device:
            return self.plan
        if device not in self._plans:
            self._plans[device] = _moved(self.plan, device)
        return self._plans[device]

    def open_tokens(self, plan: SegmentPlan) -> Tensor | None:
        """(N,) what the domain gate says of each token, on the plan's device; None: experts work for all text."""
        return None if self.open_V is None else open_of_tokens(self.open_V, plan, self.first_share)

    def is_shut(self) -> bool:
        """Whether the domain gate is shut for all text; it is asked once a pass, for which the host waits."""
        if self._is_shut is None:
            self._is_shut = self.open_V is not None and not bool(self.open_V.any())
        return self._is_shut

    def prefix_state(self, index: int, empty: Callable[[int], PrefixState]) -> PrefixState | None:
        """What the domain gate at layer `index` kept of the tokens before, made by `empty` at first use."""
        if self.plan.continuation is None or self.cache is None:
            return None
        return prefix_state_of(self.cache, index, partial(empty, self.plan.num_rows))

    def segment_state(self, index: int, hidden: Tensor, num_blocks: int) -> SegmentState | None:
        """What layer `index` kept of the tokens before; None without a cache."""
        if self.plan.continuation is None or self.cache is None:
            return None
        return segment_state_of(self.cache, index, self.plan.num_rows, hidden, num_blocks)

    def gather_gates(self, index: int, gates: Tensor) -> tuple[Tensor, slice]:
        """The gates of all processes' segments, without gradient, and where the own ones lie.

        Processes communicate once for each layer; a layer that is computed again finds what was gathered.
        """
        if self.segment_counts is None or not self.as_in_training:
            return gates.detach(), slice(0, gates.shape[0])
        if index not in self._batch_gates:
            self._batch_gates[index] = self.ranks.gather(gates, self.segment_counts)
        return self._batch_gates[index], self.ranks.own_rows(self.segment_counts)

    def require_gradients(self) -> None:
        """Raise ValueError where gradients will be asked for and this layer is computed without."""
        if self.needs_gradients and not torch.is_grad_enabled():
            raise ValueError(_REENTRANT)


def open_of_tokens(open_V: Tensor, plan: SegmentPlan, first_share: float) -> Tensor:
    """(N,) p of each token, given that of each segment; a document's first token gets `first_share` of it."""
    open_N = open_V.to(plan.segment_of_token.device)[plan.segment_of_token]
    return open_N if first_share == 1 else torch.where(plan.is_first, first_share * open_N, open_N)


def waiting_pass(*, leave: bool = False) -> RoutingPass:
    """The pass that the decoder layer around the calling block left for it; with `leave` it stays for another."""
    routing = getattr(_WAITING, "routing", None)
    assert routing is not None, "a hybrid block runs within its decoder layer, or is given a RoutingPass"
    if not leave:
        _WAITING.routing = None
    return routing


def carry_routing(layer: nn.Module) -> None:
    """Let a base's decoder layer take a `RoutingPass` and leave it for its feed-forward block."""
    layer.__class__ = _carrying(type(layer))


@cached
def _carrying(layer_class: type[nn.Module]) -> type[nn.Module]:
    """A subclass of the same name, as transformers and accelerate go by names of classes."""

    def forward(self: Any, hidden_states: Tensor, *args: Any, routing: RoutingPass, **kwargs: Any) -> Any:
        _WAITING.routing = routing
        return layer_class.forward(self, hidden_states, *args, **kwargs)

    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        _, _, *state = layer_class.__reduce_ex__(self, protocol)
        return _empty_carrying, (layer_class,), *state

    names = {"forward": forward, "__reduce_ex__": reduce, "__module__": layer_class.__module__}
    return type(layer_class.__name__, (layer_class,), names)


def _empty_carrying(layer_class: type[nn.Module]) -> nn.Module:
    """What a pickled layer begins as: pickle finds classes by name, and there it finds the base's own."""
    return _carrying(layer_class).__new__(_carrying(layer_class))


def _moved(value: Any, device: torch.device) -> Any:
    """A copy of a dataclass with all its tensors on the device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(value, **{part.name: _moved(getattr(value, part.name), device) for part in fields(value)})
