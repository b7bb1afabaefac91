"""The trained experts of one layer: stacked weights, whole or low-rank, and one grouped matmul per matrix.

Where no shape may depend on what the routers decide, experts run by transformers' experts interface: its functions
(grouped matmuls, and on GPUs other kernels, with fallbacks where a kernel or the compiler lacks one) take the experts
of each token in a fixed number of places.

Shape suffixes: N tokens, P places a token, R rows (token-expert pairs, sorted by expert), E experts, H hidden,
I intermediate, U = 2I if gated, r rank.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers.activations import ACT2FN
from transformers.integrations.moe import ALL_EXPERTS_FUNCTIONS, _grouped_mm

from multipl_moe.model.families import Family

_GROUPED_MM_ALIGNMENT_BYTES = 16
_DEFAULT_FUNCTION = "grouped_mm"

_Factors = tuple[Tensor, Tensor]  # A (E, r, K) and B (E, N, r)


class FrozenBlock(NamedTuple):
    """The two products of the base's own feed-forward block, biases included.

    Functions, not the block itself: accelerate's hooks move what is passed to a module, modules among it.
    """

    up: Callable[[Tensor], Tensor]
    down: Callable[[Tensor], Tensor]


class ExpertPairs(NamedTuple):
    """Which tokens go through which experts: (R,) the token of each pair, sorted by expert, and (E,) pairs of each."""

    tokens: Tensor
    counts: Tensor


class ExpertPlaces(NamedTuple):
    """The same in (N, P) places: the expert in each, E in an empty one, and the weight of its output, 0 there."""

    experts: Tensor
    weights: Tensor


class Experts(nn.Module):
    """What the hybrid layer asks of its experts, whatever they are made of.

    `forward` is the one way in, so that hooks and wrappers (FSDP, accelerate, peft) see every call.
    """

    def __init__(self, family: Family, config: Any) -> None:
        super().__init__()
        self.family, self.config = family, config
        self.act_fn = ACT2FN[getattr(config, family.activation)]
        hidden, intermediate = config.hidden_size, config.intermediate_size
        self.sizes = {family.up_name: (family.up_size(intermediate), hidden), "down_proj": (hidden, intermediate)}

    def forward(self, x_NH: Tensor, work: ExpertPairs | ExpertPlaces, frozen: FrozenBlock) -> Tensor:
        """Of pairs (R, H), the output of each; of places (N, H), the weighted sum of each token.

        In the autocast dtype where autocast is on (it does not reach grouped matmuls by itself). `frozen` is the base's
        own feed-forward block.
        """
        if isinstance(work, ExpertPairs):
            return self._of_pairs(x_NH, *work, frozen)
        return self._in_places(x_NH, *work, frozen)

    def _of_pairs(self, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, frozen: FrozenBlock) -> Tensor:
        raise NotImplementedError

    def _in_places(self, x_NH: Tensor, expert_NP: Tensor, weights_NP: Tensor, frozen: FrozenBlock) -> Tensor:
        raise NotImplementedError

    def activate(self, hidden_RU: Tensor) -> Tensor:
        """(R, I): act(gate) * up of the two halves, or act of the whole where the base has no gate."""
        if not self.family.gated:
            return self.act_fn(hidden_RU)
        gate_RI, up_RI = hidden_RU.chunk(2, dim=-1)
        return self.act_fn(gate_RI) * up_RI


class StackedExperts(Experts):
    """Feed-forward experts of the base's own shape, token experts first, then segment experts.

    Parameters: `gate_up_proj` (E, 2I, H), or `up_proj` (E, I, H) where the base has no gate; `down_proj` (E, H, I);
    with a biased base also the same names with `_bias`, (E, 2I or I) and (E, H).
    """

    down_proj: nn.Parameter
    down_proj_bias: nn.Parameter | None

    def __init__(self, num_experts: int, family: Family, config: Any) -> None:
        super().__init__(family, config)
        for name, size in self.sizes.items():
            weight = torch.empty(num_experts, *size).normal_(0.0, config.initializer_range)
            self.register_parameter(name, nn.Parameter(weight))
        for name, (num_out, _) in self.sizes.items():
            bias = nn.Parameter(torch.zeros(num_experts, num_out)) if family.has_bias(config) else None
            self.register_parameter(f"{name}_bias", bias)

    def _of_pairs(self, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, frozen: FrozenBlock) -> Tensor:
        x_RH = x_NH.index_select(0, token_R)
        dtype = matmul_dtype(x_RH)
        up, up_bias = (getattr(self, f"{self.family.up_name}{kind}") for kind in ("", "_bias"))
        hidden_RU = grouped_linear(x_RH.to(dtype), up.to(dtype), up_bias, counts_E)
        hidden_RI = self.activate(hidden_RU)
        return grouped_linear(hidden_RI, self.down_proj.to(dtype), self.down_proj_bias, counts_E)

    def _in_places(self, x_NH: Tensor, expert_NP: Tensor, weights_NP: Tensor, frozen: FrozenBlock) -> Tensor:
        """By the function of transformers that the base's configuration names."""
        dtype = matmul_dtype(x_NH)
        names = [name + kind for name in self.sizes for kind in ("", "_bias")]
        parameters = {name: getattr(self, name) for name in names}  # as they are called while peft adapts them
        weights = {name: value.to(dtype) for name, value in parameters.items() if value is not None}
        wanted = self.config._experts_implementation
        function = ALL_EXPERTS_FUNCTIONS[_DEFAULT_FUNCTION if wanted in (None, "eager") else wanted]
        stack = _ExpertStack(weights, self.activate, self.config)
        return function(stack, x_NH.to(dtype), expert_NP, weights_NP.to(dtype))


class _ExpertStack:
    """All experts of a layer, (R, U) to (R, I) by `activate`, under the names that transformers' functions look for."""

    is_transposed = False
    is_concatenated = True
    has_post_expert_norm = False
    _is_expert_parallel = True  # or empty places, whose expert is number E, would not be passed over

    def __init__(self, weights: dict[str, Tensor], activate: Callable[[Tensor], Tensor], config: Any) -> None:
        for name, weight in weights.items():
            setattr(self, name, weight)
        self.num_experts = len(weights["down_proj"])
        self.has_gate, self.has_bias = "gate_up_proj" in weights, "down_proj_bias" in weights
        self.act_fn = self._apply_gate = activate  # the one is called without a gate, the other with
        self.config = config


class LoraExperts(Experts):
    """Expert e: the frozen block, s B_up[e] A_up[e] added to its first matrix and s B_down[e] A_down[e] to its second.

    `scale` is s, alpha / r as in PEFT, r the rank. Gate and up are parts of one first matrix, as in full experts;
    biases are the block's. A begins with unit gain and B at zero, so every expert begins as the block. The frozen
    products are taken once a token (the first) and once a pair (the second), no frozen weight is copied or gets a
    gradient, and between forward and backward nothing of each pair is kept.

    Parameters: `gate_up_proj_a` (E, r, H) and `gate_up_proj_b` (E, 2I, r), or `up_proj_a` and `up_proj_b` (E, I, r)
    where the base has no gate; `down_proj_a` (E, r, I) and `down_proj_b` (E, H, r).
    """

    def __init__(self, num_experts: int, rank: int, scale: float, family: Family, config: Any) -> None:
        super().__init__(family, config)
        self.scale = scale
        for name, (num_out, num_in) in self.sizes.items():
            a = torch.empty(num_experts, rank, num_in).normal_(0.0, num_in**-0.5)
            self.register_parameter(f"{name}_a", nn.Parameter(a))
            self.register_parameter(f"{name}_b", nn.Parameter(torch.zeros(num_experts, num_out, rank)))

    def _of_pairs(self, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, frozen: FrozenBlock) -> Tensor:
        frozen_NU = frozen.up(x_NH)
        # Read here, not in what is computed again: peft puts its adapters on parameters for the time of this call.
        up, down = ((getattr(self, f"{name}_a"), getattr(self, f"{name}_b")) for name in self.sizes)
        inputs = (frozen_NU, x_NH, token_R, counts_E, up, down)
        hidden_RI, difference_RH = checkpoint(self._from_frozen, *inputs, use_reentrant=False, preserve_rng_state=False)
        return frozen.down(hidden_RI) + difference_RH

    def _in_places(self, x_NH: Tensor, expert_NP: Tensor, weights_NP: Tensor, frozen: FrozenBlock) -> Tensor:
        """What goes to empty places is the block without a difference, of weight 0."""
        expert_R, order_R = expert_NP.reshape(-1).sort()
        token_R = order_R // expert_NP.shape[1]
        groups = torch.arange(len(self.get_parameter("down_proj_a")) + 1, device=expert_R.device)
        counts = (expert_R[:, None] == groups).sum(dim=0)
        y_RH = self._of_pairs(x_NH, token_R, counts, frozen)
        y_RH = y_RH * weights_NP.reshape(-1)[order_R, None].to(y_RH.dtype)
        return y_RH.new_zeros(x_NH.shape).index_add(0, token_R, y_RH)

    def _from_frozen(
        self, frozen_NU: Tensor, x_NH: Tensor, token_R: Tensor, counts_E: Tensor, up: _Factors, down: _Factors
    ) -> tuple[Tensor, Tensor]:
        """(R, I) hidden units and (R, H) what the low-rank part makes of them: cheap, so computed again in backward."""
        difference_RU = self._difference(up, x_NH.index_select(0, token_R), counts_E)
        hidden_RI = self.activate(frozen_NU.index_select(0, token_R) + difference_RU)
        return hidden_RI, self._difference(down, hidden_RI, counts_E)

    def _difference(self, factors: _Factors, x_RK: Tensor, counts_E: Tensor) -> Tensor:
        """Each row times s B A of its expert, or times 0 in one group more than there are experts."""
        dtype = matmul_dtype(x_RK)
        a, b = (factor.to(dtype) for factor in factors)
        if len(counts_E) > len(a):
            a, b = (F.pad(factor, (0, 0, 0, 0, 0, 1)) for factor in (a, b))
        x_Rr = self.scale * grouped_linear(x_RK.to(dtype), a, None, counts_E)
        return grouped_linear(x_Rr, b, None, counts_E)


def matmul_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which grouped matmuls of `x` are done: the autocast dtype where autocast is on, else that of `x`."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def grouped_linear(x_RK: Tensor, weight_ENK: Tensor, bias_EN: Tensor | None, counts_E: Tensor) -> Tensor:
    """Rows of expert e times weight[e] transposed, plus bias[e]: one grouped matmul where the sizes allow it.

    It wants rows of a multiple of 16 bytes and no float64; other sizes and types (of tests, or of unusual models) take
    a loop over the experts.
    """
    num_out, num_in = weight_ENK.shape[1:]
    unaligned = any(size * x_RK.element_size() % _GROUPED_MM_ALIGNMENT_BYTES for size in (num_out, num_in))
    if (unaligned or x_RK.dtype == torch.float64) and not torch.compiler.is_compiling():
        parts = zip(x_RK.split(counts_E.tolist()), weight_ENK.unbind(0), strict=True)
        y_RN = torch.cat([F.linear(x, weight) for x, weight in parts])
    else:
        offsets_E = counts_E.cumsum(0).to(torch.int32)
        y_RN = _grouped_mm(x_RK, weight_ENK.transpose(-1, -2), offsets_E)
    if bias_EN is None:
        return y_RN
    return y_RN + bias_EN.to(y_RN.dtype).repeat_interleave(counts_E, dim=0, output_size=x_RK.shape[0])
