"""The Trainer of stage 2: routing as in evaluation, and the losses of the routers by the role of each row.

Shapes: B rows, N real tokens, V segments, E experts.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from multipl_moe.data.packed import IGNORED_LABEL
from multipl_moe.model.decoder import hybrid_layers_of, routing_as_in_training
from multipl_moe.model.hybrid import HybridMoe, RoutingObserver
from multipl_moe.model.losses import balanced_experts, load_balancing_loss
from multipl_moe.model.segment_moe import SegmentRouting
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.statistics import observe_with
from multipl_moe.model.token_bias import routed_sums
from multipl_moe.model.token_moe import TokenRouting
from multipl_moe.train.ordered_trainer import OrderedTrainer


class ReviewTrainer(OrderedTrainer):
    """Next-token loss, plus the load-balancing loss of the rows to learn, plus `coefficient` times the routing loss.

    The language of a row tells whether it is to keep. Hybrid layers run as in evaluation, on stored
    thresholds, which follow the rows to learn from step to step: thresholds from the other rows of a batch would let
    capacity, not the router, decide which segments of a language to keep get experts.

    Tokens to keep are left out of the load-balancing loss, which would pull them away from the shared expert.

    Args:
        keep: languages to keep.
        coefficient: of the routing loss.
        kwargs: of `OrderedTrainer`.
    """

    def __init__(self, *, keep: Collection[str], coefficient: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._keeps_L = torch.tensor([name in keep for name in self.language_losses.languages])
        self._coefficient = coefficient

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """As in transformers; losses of routers count by the share of the micro-batch in the step's labels."""
        assert self.language_losses.rows is not None
        keeps_B = self._keeps_L.to(self.language_losses.rows.device)[self.language_losses.rows]
        hybrid = self.accelerator.unwrap_model(model)
        with routing_as_in_training(hybrid, False), record_routing(hybrid) as routed:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        for record in routed.values():
            record.layer.note_batch(*_of_rows_to_learn(keeps_B, record))
        share = 1.0
        if num_items_in_batch is not None:
            share = (inputs["labels"][:, 1:] != IGNORED_LABEL).sum() / num_items_in_batch
        loss = loss + share * self._router_losses(keeps_B, routed).to(loss.device)
        return (loss, outputs) if return_outputs else loss

    def _router_losses(self, keeps_B: Tensor, routed: dict[int, "RoutingRecord"]) -> Tensor:
        """Mean over the layers."""
        return torch.stack([self._losses_of(keeps_B, record) for record in routed.values()]).mean()

    def _losses_of(self, keeps_B: Tensor, record: "RoutingRecord") -> Tensor:
        moe, plan, tokens = record.layer.moe, record.plan, record.tokens
        threshold = record.layer.segment_threshold if record.layer.moe.has_thresholds else None
        loss = self._coefficient * routing_loss(keeps_B, plan, tokens, record.segments, threshold)
        if tokens is not None:
            learns_N = ~keeps_B[plan.row_of_segment[plan.segment_of_token]]
            experts = balanced_experts(moe)
            balance = load_balancing_loss(tokens.logits[learns_N, experts], tokens.chosen[learns_N, experts])
            loss = loss + moe.router_aux_loss_coef * balance
        return loss


@dataclass
class RoutingRecord:
    """What a layer's routers decided in one forward pass, with the graph that leads to it; passed on to `observer`."""

    layer: HybridMoe
    observer: RoutingObserver | None
    plan: SegmentPlan = field(init=False)
    tokens: TokenRouting | None = field(init=False)
    segments: SegmentRouting | None = field(init=False)

    def __call__(
        self, layer: HybridMoe, plan: SegmentPlan, tokens: TokenRouting | None, segments: SegmentRouting | None
    ) -> None:
        """Take note of one forward pass."""
        self.plan, self.tokens, self.segments = plan, tokens, segments
        if self.observer is not None:
            self.observer(layer, plan, tokens, segments)


def _of_rows_to_learn(keeps_B: Tensor, record: RoutingRecord) -> tuple[Tensor | None, Tensor | None]:
    """What thresholds and biases follow: gates of the segments, and sums over the tokens, of rows to learn."""
    plan, tokens, segments = record.plan, record.tokens, record.segments
    learns_V = ~keeps_B[plan.row_of_segment]
    gates = None if segments is None else segments.gates[learns_V]
    if tokens is None:
        return gates, None
    learns_N = learns_V[plan.segment_of_token]
    return gates, routed_sums(tokens.logits[learns_N], tokens.chosen[learns_N])


@contextmanager
def record_routing(model: nn.Module) -> Iterator[dict[int, RoutingRecord]]:
    """Record every hybrid layer's routing, by layer index, while the block runs; observers in place see it too.

    What gradient checkpointing computes again is not recorded.
    """
    records = {index: RoutingRecord(layer, layer.observer) for index, layer in hybrid_layers_of(model).items()}
    with observe_with(model, records):
        yield records


def routing_loss(
    keeps_B: Tensor,
    plan: SegmentPlan,
    tokens: TokenRouting | None,
    segments: SegmentRouting | None,
    threshold_E: Tensor | None,
) -> Tensor:
    """Routing loss of one layer: that of its tokens plus that of its segments.

    Tokens (MoE-LPR, arXiv 2408.11396): the mean over all real tokens of -log s[shared] where the row is of a language
    to keep, and 0 where it is of one to learn. So each token to keep carries the loss beside its next-token loss,
    however many there are of them, and micro-batches add up.

    Segments: no expert stands for "none", and gates sum to 1, so the gates of a segment cannot all be low at once. They
    are furthest below all thresholds when they are in proportion to them: t = theta / sum(theta) is below every theta
    by the factor sum(theta). The loss is the mean over all segments of KL(t || g) where the row is of a language to
    keep, 0 elsewhere: cross-entropy again, less what no gates can avoid.

    Args:
        keeps_B: (B,) bool, whether the row is of a language to keep.
        plan: segments of the batch.
        tokens: what the token router decided, or None without one.
        segments: what the segment router decided, or None without one.
        threshold_E: (E_s,) thresholds, taken as constants; None where experts choose without: no loss of segments then.

    Returns:
        A scalar, float32; its gradient reaches no score or gate of a row to learn.
    """
    keeps_V = keeps_B[plan.row_of_segment]
    loss = torch.zeros((), device=keeps_V.device)
    if tokens is not None:
        loss = loss + _mean_where(keeps_V[plan.segment_of_token], -_log(tokens.scores[:, -1]))
    if segments is not None and threshold_E is not None:
        target_E = (threshold_E / threshold_E.sum()).detach()
        divergence_V = (torch.xlogy(target_E, target_E) - target_E * _log(segments.gates)).sum(dim=1)
        loss = loss + _mean_where(keeps_V, divergence_V)
    return loss


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    """Sum of the chosen values over the number of all; 0 of none."""
    return values[chosen].sum() / max(values.shape[0], 1)


def _log(probabilities: Tensor) -> Tensor:
    return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
