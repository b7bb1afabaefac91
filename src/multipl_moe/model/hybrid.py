"""The hybrid layer: token-level MoE and segment-level MoE around the base's own, frozen feed-forward block.

What its routers choose by follows each step of any optimiser of torch.

Shape suffixes: B rows, T tokens a row, N real tokens, V segments, H hidden, E experts.
"""

import re
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import initialization

from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.experts import ExpertPairs, ExpertPlaces, Experts, FrozenBlock
from multipl_moe.model.families import family_of
from multipl_moe.model.float32_buffers import Float32Buffers
from multipl_moe.model.fusion import fuse_weights
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.routing_pass import LayerRouting, RoutingPass, waiting_pass
from multipl_moe.model.segment_moe import quantile_threshold, route_segments, segment_gates
from multipl_moe.model.segments import SegmentPlan, pool_windows
from multipl_moe.model.token_moe import follow_sums, route_tokens

_THRESHOLD_DECAY = 0.9
_MOST_NOTES = 64  # of a step's batches; where no optimiser of torch's has the routers, they would pile up


RoutingObserver = Callable[["HybridMoe", SegmentPlan, LayerRouting], None]
"""Takes note of what a layer's routers decided in one forward pass, when that of the whole model is over.

It is set as `HybridMoe.observer` only while somebody reads it.
"""


class HybridMoe(Float32Buffers):
    """Replaces the feed-forward block of a decoder layer (design 2).

    Buffers hold what routers choose by. `segment_threshold`, and with `token_bias_rate` `token_bias`, follow the text
    that is trained on, once an optimiser step (`note_batch`, `follow_step`). With `segment_centered` `segment_mean` is
    taken off what the segment router sees, and never moves. All stay float32 whatever the model is cast to: rounded, a
    threshold would come to lie on the gate that all first segments share.
    """

    segment_threshold: Tensor
    token_bias: Tensor | None
    segment_mean: Tensor | None

    def __init__(self, shared_expert: nn.Module, moe: MoeConfig, base_config: Any, index: int = 0) -> None:
        super().__init__()
        hidden, family = base_config.hidden_size, family_of(base_config)
        assert moe.routing is not None
        self.moe = routing = moe.routing
        self.index, self.family, self.num_blocks = index, family, routing.segment_window // moe.gate.stride
        self.shared_expert = shared_expert
        self.experts: Experts = EXPERT_KINDS[moe.experts.type].stack(moe, family, base_config)
        if routing.num_token_experts > 1:
            self.token_router = nn.Linear(hidden, routing.num_token_experts, bias=False)
        bias = _floats(routing.num_routed_experts, 0.0) if routing.has_token_bias else None
        self.register_buffer("token_bias", bias)
        if routing.routes_segments:
            num_segment_experts = routing.num_segment_experts
            self.segment_router = nn.Linear(hidden, num_segment_experts, bias=False)
            self.register_buffer("segment_mean", _floats(hidden, 0.0) if routing.segment_centered else None)
            self.segment_start = nn.Parameter(torch.zeros(hidden))
            self.register_buffer("segment_threshold", _floats(num_segment_experts, 1 / num_segment_experts))
        self.observer: RoutingObserver | None = None
        self._noted_gates: list[Tensor] = []
        self._noted_sums: Tensor | None = None
        self._register()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._register()

    def _register(self) -> None:
        """Give it a number, as compiled code has no other name for it, and let it follow optimisers."""
        self._number = next(_NUMBERS)
        _LAYERS[self._number] = self
        _follow_optimizers()

    def forward(self, x_BTH: Tensor, routing: RoutingPass | None = None) -> Tensor:
        """The block's output, (B, T, H); padding yields zeros. By default the decoder layer left the pass for it."""
        routing = waiting_pass() if routing is None else routing
        routing.require_gradients()
        plan = routing.plan_on(x_BTH.device)
        x_NH = x_BTH.reshape(-1, x_BTH.shape[-1])
        if plan.is_real is not None:
            is_padding = ~plan.is_real[:, None]
            return self._mix(x_NH.masked_fill(is_padding, 0), plan, routing).masked_fill(is_padding, 0).view_as(x_BTH)
        if plan.real_tokens is None:
            return self._mix(x_NH, plan, routing).view_as(x_BTH)
        y_NH = self._mix(x_NH.index_select(0, plan.real_tokens), plan, routing)
        return torch.zeros_like(x_NH, dtype=y_NH.dtype).index_copy(0, plan.real_tokens, y_NH).view_as(x_BTH)

    def add_experts(self, y_NH: Tensor, x_NH: Tensor, token_R: Tensor, weights_R: Tensor, counts_E: Tensor) -> Tensor:
        """(N, H): the outputs of the experts, weighted, on top of `y_NH`, that of the shared one.

        Of R pairs of token and expert, sorted by expert, there are the token and the weight, and of each expert their
        number.
        """
        y_RH = self.experts(x_NH, ExpertPairs(token_R, counts_E), self.frozen_block)
        return y_NH.index_add(0, token_R, y_RH * weights_R[:, None].to(y_RH.dtype))

    def segment_logits(self, pooled_VH: Tensor) -> Tensor:
        """(V, E_s): what the segment router makes of the maxima of windows."""
        if self.segment_mean is not None:
            pooled_VH = pooled_VH - self.segment_mean.to(pooled_VH.dtype)
        return self.segment_router(pooled_VH)

    # What routers choose by

    @torch.no_grad()
    def reset_buffers(self) -> None:
        """Thresholds at a fair share, no bias and no mean, where no file had them."""
        for name, buffer in self.named_buffers(recurse=False):
            if name != "segment_threshold":
                initialization.zeros_(buffer)
        if self.moe.routes_segments:
            initialization.constant_(self.segment_threshold, 1 / self.moe.num_segment_experts)

    def note_batch(self, gates_VE: Tensor | None, sums_4E: Tensor | None) -> None:
        """Remember what thresholds and bias should follow, until the optimiser has made its step.

        That is of a batch, over all processes, the (V, E_s) gates, negative in empty places, and `routed_sums`.
        """
        gates = gates_VE.detach() if gates_VE is not None and self.moe.has_thresholds and gates_VE.shape[0] else None
        sums = sums_4E.detach() if sums_4E is not None and self.token_bias is not None else None
        if not torch.compiler.is_compiling():
            self.keep(gates, sums)
        elif gates is not None or sums is not None:
            buffer = self.token_bias if gates is None else self.segment_threshold
            assert buffer is not None
            _note(buffer, gates, sums, self._number)

    def keep(self, gates: Tensor | None, sums: Tensor | None) -> None:
        """Put notes where `follow_noted` finds them; of gates, those of the last batches."""
        if gates is not None:
            self._noted_gates = [*self._noted_gates[1 - _MOST_NOTES :], gates]
        if sums is not None:
            sums = torch.where(sums.isfinite().all(), sums, 0)  # a batch of no numbers, which may never make a step
            self._noted_sums = sums if self._noted_sums is None else self._noted_sums + sums

    def follow_noted(self) -> None:
        """Move thresholds and bias by what was noted since the last step, however many batches it had.

        Thresholds are an exponential moving average of the quantiles over steps.
        """
        if self._noted_gates:
            gates_VE = torch.cat(self._noted_gates)
            gates_VE = gates_VE[gates_VE[:, 0] >= 0]  # neither of empty places nor no numbers
            if len(gates_VE):
                quantiles_E = quantile_threshold(gates_VE, self.moe.segment_capacity)
                self.segment_threshold.lerp_(quantiles_E.to(self.segment_threshold), 1 - _THRESHOLD_DECAY)
        if self._noted_sums is not None and self.token_bias is not None:
            sums_4E = self._noted_sums.to(self.token_bias.device)
            self.token_bias.copy_(follow_sums(self.token_bias, sums_4E, self.moe.token_bias_rate))
        self.forget_noted()

    def forget_noted(self) -> None:
        """Leave out what was noted since the last step."""
        self._noted_gates, self._noted_sums = [], None

    def follow_step(self, optimizer: Optimizer) -> None:
        """Follow what was noted, if it is a router of this layer that the optimiser moved."""
        if self._noted_gates or self._noted_sums is not None:
            routers = {id(parameter) for router in self.routers for parameter in router.parameters()}
            if any(id(parameter) in routers for group in optimizer.param_groups for parameter in group["params"]):
                self.follow_noted()

    @property
    def frozen_block(self) -> FrozenBlock:
        """The products of the base's own block."""
        return FrozenBlock(self._frozen_up, self._frozen_down)

    @property
    def routers(self) -> list[nn.Module]:
        """The routers that this layer has."""
        return [getattr(self, name) for name in ("token_router", "segment_router") if hasattr(self, name)]

    @property
    def routers_learn(self) -> bool:
        """Whether one of them trains: else what the layer chooses by stays as it is stored."""
        return any(one.requires_grad for router in self.routers for one in router.parameters(recurse=False))

    # The parts of a forward pass

    def _mix(self, x_NH: Tensor, plan: SegmentPlan, routing: RoutingPass) -> Tensor:
        if routing.may_ask(x_NH.device) and self.observer is None and routing.is_shut():
            routing.routed[self.index] = LayerRouting(None, None)
            if self.moe.routes_segments and routing.cache is not None:
                self._pool(x_NH, plan, routing)  # the gate may open later in the text
            return self.shared_expert(x_NH)
        routed = routing.routed[self.index] = self._route(x_NH, plan, routing)
        weights = fuse_weights(self.moe, plan, routed)
        if (open_N := routing.open_tokens(plan)) is not None:
            weights = weights.behind_gate(open_N)
        y_NH = self.shared_expert(x_NH)
        y_NH = y_NH * weights.shared[:, None].to(y_NH.dtype)
        if plan.has_fixed_shapes or takes_places(x_NH.device):
            # No shape that values decide: the host need not wait for them, and compilers can follow
            expert_NP, weights_NP = weights.in_places(self.moe.most_experts_per_token)
            return y_NH + self.experts(x_NH, ExpertPlaces(expert_NP, weights_NP.to(y_NH.dtype)), self.frozen_block)
        _, token_R = weights.chosen.t().nonzero(as_tuple=True)
        weights_R = weights.experts.t().masked_select(weights.chosen.t())
        return self.add_experts(y_NH, x_NH, token_R, weights_R, weights.chosen.sum(dim=0))

    def _pool(self, x_NH: Tensor, plan: SegmentPlan, routing: RoutingPass) -> Tensor:
        """(V, H) maxima of the windows; the segment state is brought up to date."""
        return pool_windows(x_NH, plan, self.segment_start, routing.segment_state(self.index, x_NH, self.num_blocks))

    def _route(self, x_NH: Tensor, plan: SegmentPlan, routing: RoutingPass) -> LayerRouting:
        tokens = segments = None
        if self.moe.num_token_experts > 1:
            tokens = route_tokens(self.token_router(x_NH), self.moe, self.token_bias)
            tokens = tokens if plan.is_real is None else tokens.of_real(plan.is_real)
        if self.moe.routes_segments:
            gates = segment_gates(self.segment_logits(self._pool(x_NH, plan, routing)))
            batch_gates, own = routing.gather_gates(self.index, gates)
            segments = route_segments(
                gates,
                plan,
                self.segment_threshold,
                self.moe,
                as_in_training=routing.as_in_training,
                batch_gates=batch_gates,
                own=own,
            )
        return LayerRouting(tokens, segments)

    def _frozen_up(self, x_NH: Tensor) -> Tensor:
        parts = [self.shared_expert.get_submodule(part) for part in self.family.up]
        return torch.cat([part(x_NH) for part in parts], dim=-1)

    def _frozen_down(self, hidden_RI: Tensor) -> Tensor:
        return self.shared_expert.get_submodule(self.family.down)(hidden_RI)


_LAYERS: "WeakValueDictionary[int, HybridMoe]" = WeakValueDictionary()  # all that live
_NUMBERS = count()
# An export brings this file along: each copy has an operator of its own, with its own layers.
_OPERATOR = "multipl_moe::note_" + re.sub(r"\W", "_", __name__)


@torch.library.custom_op(_OPERATOR, mutates_args={"buffer"})
def _note(buffer: Tensor, gates_VE: Tensor | None, sums_4E: Tensor | None, layer: int) -> None:
    """`HybridMoe.keep` of the layer with that number: a compiler follows no list that grows from call to call.

    The buffer is what will follow the notes: declared as changed, it keeps compilers from dropping the call.
    """
    _LAYERS[layer].keep(*(None if values is None else values.clone() for values in (gates_VE, sums_4E)))


def _floats(count: int, value: float) -> Tensor:
    return torch.full((count,), value, dtype=torch.float32)


def takes_places(device: torch.device) -> bool:
    """Whether tokens have fixed places for experts: on a CPU, empty ones cost more than waiting for values does."""
    return device.type != "cpu"


def _follow_step(optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    for layer in list(_LAYERS.values()):
        layer.follow_step(optimizer)


@cache
def _follow_optimizers() -> None:
    """Whoever trains a hybrid, with whatever loop and accumulation, makes steps with an optimiser of torch's."""
    register_optimizer_step_post_hook(_follow_step)
