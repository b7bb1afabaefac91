"""The settings of the paper's two mixtures of experts in one layer (`moe.routing` in config.json)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Selection = Literal["expert_choice", "threshold"]
GateScale = Literal["window", "unit"]
Fusion = Literal["fixed", "normalized"]
AuxLossScope = Literal["routed", "all"]


@dataclass(frozen=True)
class RoutingConfig:
    """How routers choose experts for tokens and for segments, and how both outputs are summed.

    A segment is `moe.gate.stride` tokens (S), at whose ends a domain gate decides too.

    Attributes:
        num_token_experts: Number of experts of the token-level MoE (E_t), the frozen shared expert included (>= 1).
        token_top_k: Number of token-level experts per token (k_t), the shared expert included (1..E_t, at least 2 if
            routed experts stand beside it).
        num_segment_experts: Number of experts of the segment-level MoE (E_s, >= 0; 0: no segment-level MoE).
        segment_window: Number of tokens in the window whose maximum routes a segment (W; a multiple of S).
        segment_lookahead: Whether segment j is routed by a window that holds its own tokens ([jS, jS+W), not causal)
            instead of the W tokens before it ([jS-W, jS)); W is segment_window.
        segment_selection: How segments are assigned to segment experts: `expert_choice` over the batch, or `threshold`
            per expert.
        segment_centered: Whether the segment router sees window maxima less their mean, measured by `upcycle`. What all
            windows share distinguishes none of them, but a step of training moves all gates along it, away from the
            stored thresholds.
        segment_gate_scale: Scale of segment gates: `window` divides them by W, segment_window (as the paper's authors
            released it), `unit` does not.
        segment_capacity: Mean number of segment experts per segment (> 0, at most num_segment_experts and
            segment_max_experts; 1 if there is only one).
        segment_max_experts: Maximum number of segment experts per segment (>= 1).
        fusion: How outputs of the token-level and segment-level MoE are summed: `fixed`, a y_tok + b y_seg;
            `normalized` divides that by the sum of the weights used. (a is token_weight, b segment_weight.)
        token_weight: Weight of the token-level MoE's output in the fusion (a, > 0).
        segment_weight: Weight of the segment-level MoE's output in the fusion (b, >= 0).
        router_aux_loss_coef: Weight of the token router's load-balancing loss (>= 0).
        router_aux_loss_scope: Experts that the load-balancing loss covers: the `routed` ones, or `all`, as published,
            which drives the gate of the shared expert to 0.
        token_bias_rate: Rate at which a bias on the routed experts' logits follows their loads: the step of an expert
            that serves no token, in standard deviations of the logits (>= 0; 0: no bias).
    """

    num_token_experts: int = 6
    token_top_k: int = 2
    num_segment_experts: int = 6
    segment_window: int = 64
    segment_lookahead: bool = False
    segment_selection: Selection = "threshold"
    segment_centered: bool = True
    segment_gate_scale: GateScale = "unit"
    segment_capacity: float = 1.0
    segment_max_experts: int = 4
    fusion: Fusion = "normalized"
    token_weight: float = 0.7
    segment_weight: float = 0.3
    router_aux_loss_coef: float = 0.0
    router_aux_loss_scope: AuxLossScope = "routed"
    token_bias_rate: float = 0.5

    @property
    def num_routed_experts(self) -> int:
        """Token-level experts besides the shared one: E_t - 1."""
        return self.num_token_experts - 1

    @property
    def num_trained_experts(self) -> int:
        """Experts in the stacked weights of one layer: E_t - 1 + E_s."""
        return self.num_routed_experts + self.num_segment_experts

    @property
    def most_experts_per_token(self) -> int:
        """Most trained experts that a token can visit."""
        return self.token_top_k - 1 + min(self.segment_max_experts, self.num_segment_experts)

    @property
    def mean_experts_per_token(self) -> float:
        """Trained experts that the mean token visits."""
        return self.token_top_k - 1 + (self.segment_capacity if self.num_segment_experts else 0)

    @property
    def has_token_bias(self) -> bool:
        """Whether routed experts are picked with a bias that follows their loads."""
        return self.num_routed_experts > 0 and self.token_bias_rate > 0

    @property
    def routes_segments(self) -> bool:
        """Whether there is a segment router."""
        return self.num_segment_experts > 0

    @property
    def has_thresholds(self) -> bool:
        """Whether segment experts take segments by a stored threshold in evaluation."""
        return self.routes_segments and self.segment_selection == "threshold"

    @property
    def segment_gate_factor(self) -> float:
        """The factor `scale` of design 2 that multiplies every segment gate."""
        return 1.0 / self.segment_window if self.segment_gate_scale == "window" else 1.0

    def problems(self, stride: int) -> Iterator[str]:
        """What is wrong with the values, a line each that begins with the key; `stride` is moe.gate.stride."""
        if self.num_token_experts < 1:
            yield f"num_token_experts: {self.num_token_experts} must be at least 1 (the shared expert)"
        if not 1 <= self.token_top_k <= max(self.num_token_experts, 1):
            yield f"token_top_k: {self.token_top_k} must be between 1 and num_token_experts ({self.num_token_experts})"
        if self.num_token_experts > 1 and self.token_top_k == 1:
            yield (
                "token_top_k: 1 is the shared expert alone, which every token uses, so that no routed expert would "
                "ever learn; use 2 or more, or num_token_experts 1"
            )
        if self.num_segment_experts < 0:
            yield f"num_segment_experts: {self.num_segment_experts} must not be negative"
        if self.num_token_experts == 1 and self.num_segment_experts == 0:
            yield "num_segment_experts: 0 beside num_token_experts 1 leaves nothing to train; raise one of them"
        if stride >= 1 and (self.segment_window < stride or self.segment_window % stride):
            yield (
                f"segment_window: {self.segment_window} must be a multiple of moe.gate.stride ({stride}); "
                f"use {max(1, round(self.segment_window / stride)) * stride}"
            )
        yield from self._capacity_problems()
        if self.token_weight <= 0 or self.segment_weight < 0:
            yield "token_weight, segment_weight: the first must be above 0, the second not negative"
        if self.router_aux_loss_coef < 0:
            yield f"router_aux_loss_coef: {self.router_aux_loss_coef} must not be negative"
        if self.token_bias_rate < 0:
            yield f"token_bias_rate: {self.token_bias_rate} must not be negative"

    def _capacity_problems(self) -> Iterator[str]:
        if self.segment_max_experts < 1:
            yield f"segment_max_experts: {self.segment_max_experts} must be at least 1"
        if not 0 < self.segment_capacity <= max(self.num_segment_experts, 1):
            yield f"segment_capacity: {self.segment_capacity} must be above 0 and at most num_segment_experts"
        elif self.num_segment_experts == 1 and self.segment_capacity < 1:
            yield (
                f"segment_capacity: {self.segment_capacity} with one segment expert, whose gate is 1 for all segments, "
                "so that it takes all; use 1.0, or more experts"
            )
        elif self.num_segment_experts and self.segment_capacity > self.segment_max_experts >= 1:
            yield (
                f"segment_capacity: {self.segment_capacity} experts a segment on the mean are more than "
                f"segment_max_experts ({self.segment_max_experts}) lets any have; lower one or raise the other"
            )
