"""One forward pass as the hybrid layers see it: what they need to know of the batch, and what they decided.

It travels with the call, from the decoder through each decoder layer, so that one model serves many threads at once and
a layer that gradient checkpointing computes again finds what it had. Only the last step, from a decoder layer to its
blocks, has no argument to travel by: base models call them with hidden states alone. There it waits in a place of the
calling thread for as long as the layer runs.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from functools import cache as cached
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

from multipl_moe.model.cache import segment_layer
from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.gate_reading import PrefixState
from multipl_moe.model.moe_config import PACK
from multipl_moe.model.segment_moe import SegmentRouting
from multipl_moe.model.segments import SegmentPlan, SegmentState
from multipl_moe.model.token_moe import TokenRouting

_WAITING = threading.local()
_TINY = torch.finfo(torch.float32).tiny
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
        open_V: what the domain gate of each pack says of each segment (`DomainGate`); none: experts work for all text.
        is_told: whether the caller said so instead.
        is_idle: whether no pack works for any of the text where a tensor is on a CPU; see `settle`.
        first_share: by which that is multiplied for a document's first token, by pack: one number, or (N,); else 1.
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
        self.open_V: dict[str, Tensor] = {}
        self.is_told = False
        self.first_share: dict[str, float | Tensor] = {}
        self.is_idle = False
        self._is_shut: dict[str, bool] = {}
        self._shares: dict[tuple[str, torch.device], Tensor] = {}
        self._batch_gates: dict[int, Tensor] = {}
        self._plans: dict[torch.device, SegmentPlan] = {}

    def plan_on(self, device: torch.device) -> SegmentPlan:
        """The plan on the device of a layer: layers of one model may lie on several."""
        if self.plan.segment_of_token.device == device:
            return self.plan
        if device not in self._plans:
            self._plans[device] = moved(self.plan, device)
        return self._plans[device]

    def tell(self, open_V: dict[str, Tensor]) -> None:
        """Let the caller's word stand in place of what gates say."""
        self.open_V, self.is_told = open_V, True
        self.settle()

    def drop_first(self, name: str, rate: float) -> None:
        """Open the one pack that trains for all text but the first token of a share `rate` of the documents."""
        device = self.plan.segment_of_token.device
        self.open_V[name] = torch.ones(self.plan.num_segments, device=device)
        self.first_share[name] = (torch.rand(self.plan.is_first.shape, device=device) >= rate).float()

    def open_tokens(self, plan: SegmentPlan) -> Tensor | None:
        """(N,) what the one pack's gate says of each token, on the plan's device; None: experts work for all text."""
        return open_of_tokens(self.open_V[PACK], plan, self.first_share.get(PACK, 1.0)) if PACK in self.open_V else None

    def share_of(self, name: str, x_BTH: Tensor) -> Tensor | None:
        """(B, T, 1) the share that a pack's experts have of each token, float32, 0 of padding; None: 1 of all.

        It is what the pack's gate says. Where several are open, each gets its part of what the widest open one says:
        a text is in one language, so p of several, as where it begins, are no reason to work more. Shares that the
        caller gives are taken as they are, and cut to 1 in all.
        """
        if name not in self.open_V:
            return None
        if (name, x_BTH.device) not in self._shares:
            plan = self.plan_on(x_BTH.device)
            first = self.first_share
            shares = {pack: open_of_tokens(p_V, plan, first.get(pack, 1.0)) for pack, p_V in self.open_V.items()}
            all_PN = torch.stack([*shares.values()])
            total_N, most_N = all_PN.sum(dim=0), all_PN.amax(dim=0)
            # Where one pack alone is open it works as if it were alone, to the bit, whatever a device makes of p / p.
            part_N = torch.where(most_N == total_N, 1.0, most_N / total_N.clamp(min=_TINY))
            for pack, share_N in shares.items():
                share_N = share_N / total_N.clamp(min=1) if self.is_told else share_N * part_N
                if plan.real_tokens is not None:
                    share_N = share_N.new_zeros(x_BTH.shape[:2].numel()).index_copy(0, plan.real_tokens, share_N)
                self._shares[pack, x_BTH.device] = share_N.view(*x_BTH.shape[:2], 1)
        return self._shares[name, x_BTH.device]

    def settle(self) -> None:
        """Note whether all gates are known to be shut, now that they have decided: on a CPU layers ask for no more."""
        self.is_idle = bool(self.open_V) and not self.at_work(self.open_V, torch.device("cpu"))

    def at_work(self, names: Iterable[str], device: torch.device) -> list[str]:
        """Those of some packs whose gates may be open for some of the text."""
        return [name for name in names if not (self.may_ask(device) and self.is_shut(name))]

    def may_ask(self, device: torch.device) -> bool:
        """Whether the host may look at values to save work: it need not wait for them, and shapes may depend on them.

        In training it never asks: there gates are open.
        """
        return device.type == "cpu" and not self.as_in_training and not self.plan.has_fixed_shapes

    def is_shut(self, name: str = PACK) -> bool:
        """Whether a pack's gate is shut for all text; it is asked once a pass, for which the host waits."""
        if name not in self._is_shut:
            self._is_shut[name] = name in self.open_V and not bool(self.open_V[name].any())
        return self._is_shut[name]

    def prefix_state(self, index: int, name: str, empty: Callable[[int], PrefixState]) -> PrefixState | None:
        """What a pack's gate kept of the tokens before in the cache's layer `index`, made by `empty` at first use."""
        if self.cache is None:
            return None
        states = segment_layer(self.cache, index).prefix_states
        if name not in states:
            states[name] = empty(self.plan.num_rows)
        return states[name]

    def segment_state(self, index: int, hidden: Tensor, num_blocks: int) -> SegmentState | None:
        """What layer `index` kept of the tokens before, W/S = `num_blocks` blocks like its (N, H) inputs `hidden`.

        It is made empty at first use; None without a cache.
        """
        if self.cache is None:
            return None
        layer = segment_layer(self.cache, index)
        if layer.segment_state is None:
            blocks = hidden.new_full((self.plan.num_rows, num_blocks, hidden.shape[-1]), float("-inf"))
            layer.segment_state = SegmentState(blocks, partial=blocks[:, 0].clone())
        return layer.segment_state

    def gather_gates(self, index: int, gates: Tensor) -> tuple[Tensor, slice]:
        """The gates of all processes' segments, without gradient, and where the own ones lie.

        Processes communicate once for each layer; a layer that is computed again finds what was gathered.
        """
        if self.segment_counts is None:
            return gates.detach(), slice(0, gates.shape[0])
        if index not in self._batch_gates:
            self._batch_gates[index] = self.ranks.gather(gates, self.segment_counts)
        return self._batch_gates[index], self.ranks.own_rows(self.segment_counts)

    def require_gradients(self) -> None:
        """Raise ValueError where gradients will be asked for and this layer is computed without."""
        if self.needs_gradients and not torch.is_grad_enabled():
            raise ValueError(_REENTRANT)


def open_of_tokens(open_V: Tensor, plan: SegmentPlan, first_share: float | Tensor) -> Tensor:
    """(N,) p of each token, given that of each segment; a document's first token gets `first_share` of it."""
    open_N = open_V.to(plan.segment_of_token.device)[plan.segment_of_token]
    if isinstance(first_share, Tensor):
        first_share = first_share.to(open_N.device)
    elif first_share == 1:
        return open_N
    return torch.where(plan.is_first, first_share * open_N, open_N)


def waiting_pass() -> RoutingPass:
    """The pass that the decoder layer around the calling block was given."""
    routing = getattr(_WAITING, "routing", None)
    assert routing is not None, "a hybrid block runs within its decoder layer, or is given a RoutingPass"
    return routing


def carry_routing(layer: nn.Module) -> None:
    """Let a base's decoder layer take a `RoutingPass` and leave it for its blocks."""
    layer.__class__ = _carrying(type(layer))


@cached
def _carrying(layer_class: type[nn.Module]) -> type[nn.Module]:
    """A subclass of the same name, as transformers and accelerate go by names of classes."""

    def forward(self: Any, hidden_states: Tensor, *args: Any, routing: RoutingPass, **kwargs: Any) -> Any:
        before, _WAITING.routing = getattr(_WAITING, "routing", None), routing
        try:  # no context manager, whose calls take longer than this in each layer of each step
            return layer_class.forward(self, hidden_states, *args, **kwargs)
        finally:
            _WAITING.routing = before

    def reduce(self: Any, protocol: Any) -> tuple[Any, ...]:
        _, _, *state = layer_class.__reduce_ex__(self, protocol)
        return _empty_carrying, (layer_class,), *state

    names = {"forward": forward, "__reduce_ex__": reduce, "__module__": layer_class.__module__}
    return type(layer_class.__name__, (layer_class,), names)


def _empty_carrying(layer_class: type[nn.Module]) -> nn.Module:
    """What a pickled layer begins as: pickle finds classes by name, and there it finds the base's own."""
    return _carrying(layer_class).__new__(_carrying(layer_class))


def moved(value: Any, device: torch.device) -> Any:
    """A plan, or a part of one, on a device."""
    if isinstance(value, Tensor):
        return value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(value, **{part.name: moved(getattr(value, part.name), device) for part in fields(value)})
