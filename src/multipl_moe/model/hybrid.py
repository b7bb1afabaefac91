"""The hybrid layer: token-level MoE and segment-level MoE around the base's own, frozen feed-forward block.

Shape suffixes: B rows, T tokens a row, N real tokens, V segments, H hidden, E experts.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.experts import Experts, StackedExperts
from multipl_moe.model.families import family_of
from multipl_moe.model.fusion import fuse_weights
from multipl_moe.model.lora_experts import LoraExperts
from multipl_moe.model.losses import load_balancing_loss
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.segment_moe import SegmentRouting, route_segments
from multipl_moe.model.segments import SegmentPlan, SegmentState, pool_windows
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.token_moe import TokenRouting, route_tokens

_THRESHOLD_DECAY = 0.9


class RoutingObserver(Protocol):
    """Receives what a layer's routers decided; set as `HybridMoe.observer` only while somebody reads it."""

    def __call__(
        self, layer: "HybridMoe", plan: SegmentPlan, tokens: TokenRouting | None, segments: SegmentRouting | None, /
    ) -> None:
        """Take note of one forward pass of `layer`."""


class HybridMoe(nn.Module):
    """Replaces the feed-forward block of a decoder layer (design 2).

    Before each forward pass `plan` must hold the segments of the batch, and `state` what the cache keeps of the tokens
    before it: the causal language model hands them over.

    Args:
        shared_expert: the base's feed-forward block.
        moe: settings of the hybrid layer.
        base_config: configuration of the base model.
    """

    segment_threshold: Tensor

    def __init__(self, shared_expert: nn.Module, moe: MoeConfig, base_config) -> None:
        super().__init__()
        hidden, family = base_config.hidden_size, family_of(base_config)
        self.moe = moe
        self.shared_expert = shared_expert
        if family.dropout is not None:  # it would set the frozen block apart from its copies, which have none
            setattr(shared_expert, family.dropout, 0.0)
        sizes = (moe.num_trained_experts, hidden, base_config.intermediate_size)
        self.experts: Experts = (
            LoraExperts(*sizes, moe.expert_rank, family, base_config)
            if moe.expert_type == "lora"
            else StackedExperts(*sizes, family, base_config)
        )
        if moe.num_token_experts > 1:
            self.token_router = nn.Linear(hidden, moe.num_token_experts, bias=False)
        if moe.num_segment_experts:
            self.segment_router = nn.Linear(hidden, moe.num_segment_experts, bias=False)
            self.segment_start = nn.Parameter(torch.zeros(hidden))
            self.register_buffer(
                "segment_threshold", torch.full((moe.num_segment_experts,), 1 / moe.num_segment_experts)
            )
        self.plan: SegmentPlan | None = None
        self.state: SegmentState | None = None
        self.observer: RoutingObserver | None = None
        self.ranks: Ranks = ALONE
        self.load_balancing_loss: Tensor | None = None
        self.keeps_loss = (
            True  # not while checkpointing computes the layer again: it would hold the layer's activations
        )
        self._batch_threshold: Tensor | None = None

    def forward(self, x_BTH: Tensor) -> Tensor:
        """The block's output, (B, T, H); padding yields zeros."""
        plan = self.plan
        assert plan is not None, "the model hands over the segment plan before each forward pass"
        x_NH = x_BTH.reshape(-1, x_BTH.shape[-1])
        if plan.real_tokens is None:
            return self._mix(x_NH, plan).view_as(x_BTH)
        y_NH = self._mix(x_NH.index_select(0, plan.real_tokens), plan)
        return torch.zeros_like(x_NH, dtype=y_NH.dtype).index_copy(0, plan.real_tokens, y_NH).view_as(x_BTH)

    def absorb_batch_threshold(self) -> None:
        """Move the stored thresholds towards the quantiles of the last training batch.

        Called between training steps, never within a forward pass, so that recomputation under gradient checkpointing
        sees the thresholds that the first pass saw.
        """
        if self._batch_threshold is not None:
            self.follow_quantiles(self._batch_threshold)
            self._batch_threshold = None

    def follow_quantiles(self, quantiles_E: Tensor) -> None:
        """Move the stored thresholds a step towards quantiles: an exponential moving average over steps."""
        self.segment_threshold.lerp_(quantiles_E.to(self.segment_threshold), 1 - _THRESHOLD_DECAY)

    def discard_batch_threshold(self) -> None:
        """Forget the quantiles of the last training batch: the stored thresholds were set otherwise."""
        self._batch_threshold = None

    def add_experts(self, y_NH: Tensor, x_NH: Tensor, token_R: Tensor, weights_R: Tensor, counts_E: Tensor) -> Tensor:
        """(N, H): the outputs of the experts, weighted, on top of `y_NH`.

        Args:
            y_NH: what the shared expert yields.
            x_NH: the block's input.
            token_R: token of each pair of token and expert, sorted by expert.
            weights_R: weight of each pair.
            counts_E: pairs of each expert; they sum to R.
        """
        y_RH = self.experts(x_NH, token_R, counts_E, self.shared_expert)
        return y_NH.index_add(0, token_R, y_RH * weights_R[:, None].to(y_RH.dtype))

    def _mix(self, x_NH: Tensor, plan: SegmentPlan) -> Tensor:
        tokens, segments = self._route(x_NH, plan)
        if self.observer is not None:
            self.observer(self, plan, tokens, segments)
        weights_NE, chosen_NE, shared_N = fuse_weights(self.moe, plan, tokens, segments)

        _, token_R = chosen_NE.t().nonzero(as_tuple=True)
        weights_R = weights_NE.t().masked_select(chosen_NE.t())
        y_NH = self._shared_output(x_NH, tokens, shared_N)
        return self.add_experts(y_NH, x_NH, token_R, weights_R, chosen_NE.sum(dim=0))

    def _route(self, x_NH: Tensor, plan: SegmentPlan) -> tuple[TokenRouting | None, SegmentRouting | None]:
        tokens = segments = None
        if self.moe.num_token_experts > 1:
            tokens = route_tokens(self.token_router(x_NH), self.moe)
            if self.training:
                loss = load_balancing_loss(tokens.scores, tokens.chosen, self.ranks)
                self.load_balancing_loss = loss if self.keeps_loss else None
        if self.moe.num_segment_experts:
            pooled_VH = pool_windows(x_NH, plan, self.segment_start, self.state)
            segments = route_segments(
                self.segment_router(pooled_VH),
                plan,
                self.segment_threshold,
                self.moe,
                training=self.training,
                ranks=self.ranks,
            )
            if self.training and self.moe.segment_selection == "threshold" and segments.batch_gates.shape[0]:
                self._batch_threshold = quantile_threshold(segments.batch_gates, self.moe.segment_capacity)
        return tokens, segments

    def _shared_output(self, x_NH: Tensor, tokens: TokenRouting | None, shared_N: Tensor) -> Tensor:
        """The frozen expert's weighted output; where it competes, it runs only for the tokens that chose it."""
        if tokens is None or self.moe.shared_expert_selection == "always":
            y_NH = self.shared_expert(x_NH)
            return y_NH * shared_N[:, None].to(y_NH.dtype)
        takers = tokens.chosen[:, -1].nonzero().squeeze(1)
        y_KH = self.shared_expert(x_NH.index_select(0, takers))
        y_KH = y_KH * shared_N.index_select(0, takers)[:, None].to(y_KH.dtype)
        return y_KH.new_zeros(x_NH.shape).index_add(0, takers, y_KH)
