"""The Trainer of stage 2: routing as in evaluation, and the losses of the routers by the role of each row."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from multipl_moe.corpus.packed import IGNORED_LABEL
from multipl_moe.model.hybrid import HybridMoe, RoutingObserver
from multipl_moe.model.losses import load_balancing_loss
from multipl_moe.model.modeling import hybrid_layers_of
from multipl_moe.model.segment_moe import SegmentRouting
from multipl_moe.model.segments import SegmentPlan
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import observe_with
from multipl_moe.model.token_moe import TokenRouting
from multipl_moe.recipe import Recipe
from multipl_moe.train.bad_steps import StepRecord
from multipl_moe.train.ordered_trainer import OrderedTrainer
from multipl_moe.train.review_loss import routing_loss


class ReviewTrainer(OrderedTrainer):
    """Next-token loss, plus the load-balancing loss of the rows to learn, plus `coefficient` times the routing loss.

    The language of a row tells whether it is to keep. Hybrid layers run as in evaluation, on stored
    thresholds, which follow the rows to learn from step to step: thresholds from the other rows of a batch would let
    capacity, not the router, decide which segments of a language to keep get experts.

    Tokens to keep are left out of the load-balancing loss, which would pull them away from the shared expert.
    """

    def __init__(self, *, recipe: Recipe, **kwargs: Any) -> None:
        super().__init__(recipe=recipe, **kwargs)
        roles = [recipe.languages[name] for name in self.language_losses.languages]
        self._keeps_L = torch.tensor([role == "keep" for role in roles])
        self._coefficient = recipe.review.coefficient
        self._thresholds = FollowRowsToLearn()
        self.add_callback(self._thresholds)

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
        for layer in hybrid_layers_of(hybrid).values():
            layer.eval()
        with record_routing(hybrid) as routed:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        self._thresholds.note(keeps_B, routed)
        share = 1.0
        if num_items_in_batch is not None:
            share = (inputs["labels"][:, 1:] != IGNORED_LABEL).sum() / num_items_in_batch
        loss = loss + share * self._router_losses(keeps_B, routed).to(loss.device)
        return (loss, outputs) if return_outputs else loss

    def _drop_step(self, model: nn.Module, record: StepRecord) -> None:
        super()._drop_step(model, record)
        self._thresholds.forget()

    def _router_losses(self, keeps_B: Tensor, routed: dict[int, "RoutingRecord"]) -> Tensor:
        """Mean over the layers."""
        return torch.stack([self._losses_of(keeps_B, record) for record in routed.values()]).mean()

    def _losses_of(self, keeps_B: Tensor, record: "RoutingRecord") -> Tensor:
        moe, plan, tokens = record.layer.moe, record.plan, record.tokens
        threshold = record.layer.segment_threshold if record.layer.moe.has_thresholds else None
        loss = self._coefficient * routing_loss(keeps_B, plan, tokens, record.segments, threshold)
        if tokens is not None:
            learns_N = ~keeps_B[plan.row_of_segment[plan.segment_of_token]]
            balance = load_balancing_loss(tokens.scores[learns_N], tokens.chosen[learns_N])
            loss = loss + moe.router_aux_loss_coef * balance
        return loss


class FollowRowsToLearn(TrainerCallback):
    """Moves stored thresholds, after each step, towards the quantiles of the gates that rows to learn had in it.

    They are in the checkpoint, so a resumed run goes on with the same.
    """

    def __init__(self) -> None:
        self._gates: dict[int, list[Tensor]] = {}

    def note(self, keeps_B: Tensor, routed: dict[int, "RoutingRecord"]) -> None:
        """Remember the gates of a micro-batch's rows to learn."""
        for index, record in routed.items():
            if record.segments is not None and record.layer.moe.has_thresholds:
                learns_V = ~keeps_B[record.plan.row_of_segment]
                self._gates.setdefault(index, []).append(record.segments.gates.detach()[learns_V])

    def forget(self) -> None:
        """Leave out what was noted since the last step."""
        self._gates.clear()

    def on_step_end(self, args, state, control, **kwargs):
        """Move the thresholds."""
        for index, layer in hybrid_layers_of(kwargs["model"]).items():
            gates = torch.cat(self._gates[index]) if index in self._gates else torch.empty(0)
            if len(gates):
                layer.follow_quantiles(quantile_threshold(gates, layer.moe.segment_capacity))
        self.forget()


@dataclass
class RoutingRecord:
    """What a layer's routers decided in one forward pass, with the graph that leads to it; passed on to `observer`.

    It only stores: operations within the layer would differ from those of a recomputation under gradient checkpointing.
    """

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


@contextmanager
def record_routing(model: nn.Module) -> Iterator[dict[int, RoutingRecord]]:
    """Record every hybrid layer's routing, by layer index, while the block runs; observers in place see it too.

    The backward pass lies after the block, so what gradient checkpointing computes again is not recorded.
    """
    records = {index: RoutingRecord(layer, layer.observer) for index, layer in hybrid_layers_of(model).items()}
    with observe_with(model, records):
        yield records
