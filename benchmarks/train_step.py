"""A training step of a hybrid of the demo's base against one with dense feed-forward blocks of the same active FLOPs.

    python benchmarks/train_step.py [--quick] [--output FILE.json]

In each hybrid layer of the dense counterpart the frozen block of the base stands beside one trained block as wide as
all the experts that a token visits (one routed, one segment expert on average). Steps are forward, backward, clipping
and optimiser, in the demo's shapes and precision. Target: >= 0.9 of the dense counterpart's tokens/s.

Beside it, what a hybrid's training adds to a step, each at most 2% of it: the thresholds of training (against stored
ones), the statistics of the routers, and a checkpoint's share of the steps from one to the next. All three stay out of
the backward pass, so they are timed where they run, inside the steps; the difference between whole steps with and
without them, which goes up and down by more than they cost, is told beside.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from harness import (
    HYBRID_RECIPE,
    Target,
    in_fresh_process,
    interleave,
    median_ratio,
    options_parser,
    print_table,
    record,
)
from random_tokens import RandomTokens
from torch import Tensor, nn
from transformers import AutoModel, TrainerCallback

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.model import hybrid as hybrid_layer
from multipl_moe.model import segment_moe
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import LayerStatistics, observe_with
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import prepare
from multipl_moe.train.setup import TrainingSetup, tokens_per_step
from multipl_moe.upcycle.convert import upcycle

_MIN_RATIO = 0.9
_MAX_SHARE = 0.02
_SAVES = 3


class Stopwatch:
    """Adds up the seconds that some functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            result = function(*args, **kwargs)
            self.seconds += time.perf_counter() - begin
            return result

        return timed


class SaveClock(TrainerCallback):
    """Seconds from the end of a step until its checkpoint is written."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        self._begin = time.perf_counter()

    def on_save(self, args, state, control, **kwargs):
        self.seconds.append(time.perf_counter() - self._begin)


class DenseCounterpart(nn.Module):
    """The frozen block of the base plus a trained one of `width` intermediate units."""

    def __init__(self, shared_expert: nn.Module, hidden_size: int, width: int) -> None:
        super().__init__()
        self.shared_expert = shared_expert
        self.gate_proj = nn.Linear(hidden_size, width, bias=False)
        self.up_proj = nn.Linear(hidden_size, width, bias=False)
        self.down_proj = nn.Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        trained = self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return self.shared_expert(x) + trained


class DenseModel(nn.Module):
    """The base with a `DenseCounterpart` in place of each hybrid block; only those counterparts train."""

    def __init__(self, hybrid: MultiplMoeForCausalLM) -> None:
        super().__init__()
        config, moe = hybrid.config.base_config, hybrid.config.moe_config
        self.model = AutoModel.from_config(config, dtype=hybrid.dtype)
        self.lm_head = hybrid.lm_head
        self.loss_function = hybrid.loss_function
        self.requires_grad_(False)
        width = round(moe.mean_experts_per_token * config.intermediate_size)
        for index in moe.layers:
            layer = self.model.layers[index]
            layer.mlp = DenseCounterpart(layer.mlp, config.hidden_size, width)

    def forward(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        logits = self.lm_head(self.model(input_ids=input_ids, use_cache=False).last_hidden_state)
        return self.loss_function(logits=logits, labels=labels, vocab_size=logits.shape[-1])


def training_step(model: nn.Module, loss: Callable[[], Tensor], dtype: torch.dtype) -> Callable[[], None]:
    """A whole step of the Trainer: forward, backward, clipping, optimiser.

    The rate is 0: routers that learn from one batch again and again would change how much the experts do.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, fused=True)
    model.train()

    def step() -> None:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def stored_thresholds(model: MultiplMoeForCausalLM, step: Callable[[], None]) -> Callable[[], None]:
    """The step with the thresholds that the model holds."""

    def run() -> None:
        with patch.object(model.model, "routes_as_in_training", False):
            step()

    return run


def observed(model: MultiplMoeForCausalLM, step: Callable[[], None]) -> Callable[[], None]:
    """The step with the statistics of the routers."""

    def run() -> None:
        with observe_with(model, {index: LayerStatistics() for index in model.hybrid_layers}):
            step()

    return run


def threshold_seconds(step: Callable[[], None], num_steps: int) -> float:
    """Seconds a step that thresholds take in training."""
    watch = Stopwatch()
    row_thresholds = watch.around(segment_moe.threshold_from_other_rows)
    quantiles = watch.around(hybrid_layer.quantile_threshold)
    with (
        patch.object(segment_moe, "threshold_from_other_rows", row_thresholds),
        patch.object(hybrid_layer, "quantile_threshold", quantiles),
    ):
        for _ in range(num_steps):
            step()
    return watch.seconds / num_steps


def statistics_seconds(model: MultiplMoeForCausalLM, step: Callable[[], None], num_steps: int) -> float:
    """Seconds a step that statistics take which are summed up after `num_steps` steps."""
    watch = Stopwatch()
    layers = {index: LayerStatistics() for index in model.hybrid_layers}
    with observe_with(model, {index: watch.around(layer) for index, layer in layers.items()}):
        for _ in range(num_steps):
            step()
    for layer in layers.values():
        watch.around(layer.summary)()
    return watch.seconds / num_steps


def save_seconds(model: MultiplMoeForCausalLM, recipe: Recipe, inputs: Tensor) -> list[float]:
    """Seconds of each checkpoint that the training loop writes."""
    train = {"save_every_steps": 1, "tokens": _SAVES * tokens_per_step(recipe.train)}
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update=train)})
    num_rows, row_tokens = inputs.shape
    rows = RandomTokens(_SAVES * num_rows, row_tokens, model.config.base_config.vocab_size)
    clock = SaveClock()
    with tempfile.TemporaryDirectory() as folder:
        fit(TrainingSetup.of(recipe), model, rows, Path(folder) / "checkpoints", [clock])
    return clock.seconds


def measure(repeats: int) -> dict[str, Any]:
    """Timings of all steps and of what is added to them, in this process."""
    keep_freed_memory()
    recipe = load_recipe(None, HYBRID_RECIPE)
    with tempfile.TemporaryDirectory() as work:
        upcycle(recipe, Path(work) / "hybrid")
        hybrid = load_hybrid(Path(work) / "hybrid")
    prepare(hybrid, recipe)
    setup = TrainingSetup.of(recipe)
    setup.unify_dtype(hybrid)
    dense, dtype = DenseModel(hybrid), setup.dtype
    setup.use_attention(hybrid)
    dense.model.set_attn_implementation(hybrid.config._attn_implementation)
    shape = (recipe.train.batch_sequences, recipe.train.sequence_tokens)
    inputs = torch.randint(hybrid.config.base_config.vocab_size, shape)
    step = training_step(hybrid, lambda: hybrid(input_ids=inputs, labels=inputs).loss, dtype)
    steps = {
        "hybrid": step,
        "dense": training_step(dense, lambda: dense(inputs, inputs), dtype),
        "hybrid, stored thresholds": stored_thresholds(hybrid, step),
        "hybrid, observed": observed(hybrid, step),
    }
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        calibrate_routing(hybrid, [{"input_ids": inputs}])  # stored thresholds then take the loads of training
    timings = interleave(steps, repeats=repeats)
    log_every, save_every = recipe.train.log_every_steps, recipe.train.save_every_steps
    added = {
        "thresholds": threshold_seconds(step, log_every),
        "statistics": statistics_seconds(hybrid, step, log_every),
        "checkpoints": statistics.median(save_seconds(hybrid, recipe, inputs)) / save_every,
    }
    return {
        "timings": timings,
        "tokens": inputs.numel(),
        "ratio": median_ratio(timings["dense"], timings["hybrid"]),
        "added": {
            name: {"seconds": seconds, "share": seconds / timings["hybrid"].median_s} for name, seconds in added.items()
        },
        "differences": {
            "thresholds": 1 - median_ratio(timings["hybrid, stored thresholds"], timings["hybrid"]),
            "statistics": median_ratio(timings["hybrid, observed"], timings["hybrid"]) - 1,
        },
    }


def main() -> None:
    parser = options_parser(__doc__, quick="few repeats")
    options = parser.parse_args()
    repeats = 2 if options.quick else 15
    outcome = in_fresh_process(measure, repeats)
    timings, tokens, added = outcome["timings"], outcome["tokens"], outcome["added"]
    differences = {name: f"{value:+.1%}" for name, value in outcome["differences"].items()}
    rows = [[name, timing.text(), f"{tokens / timing.median_s:,.0f}"] for name, timing in timings.items()]
    print_table(f"Training step, {tokens:,} tokens", ["model", "step", "tokens/s"], rows)
    rows = [
        [name, f"{1e3 * cost['seconds']:.2f} ms", f"{cost['share']:.2%}", differences.get(name, "")]
        for name, cost in added.items()
    ]
    print_table("Added to a step", ["what", "time", "share", "difference of whole steps"], rows)
    results = {name: timing.to_dict() | {"tokens": tokens} for name, timing in timings.items()}
    results |= {"added": added, "differences": outcome["differences"]}
    targets = [Target("tokens/s of the hybrid over the dense counterpart's", outcome["ratio"], _MIN_RATIO)]
    targets += [
        Target(f"{name}, share of a step", cost["share"], _MAX_SHARE, at_least=False) for name, cost in added.items()
    ]
    record("train_step", results, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
