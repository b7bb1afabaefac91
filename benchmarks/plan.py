"""What `doctor --plan` predicts against what training takes: peak memory and time of a step, on this CPU.

    python benchmarks/plan.py [--quick] [--output FILE.json]

Each configuration of a hybrid of the demo's base is planned in one fresh process and trained for a few steps in
another, through the Trainer, from a checkpoint on disk, on random tokens. Peak memory is the high-water mark of the
process's resident memory. Target: within 15% for each.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import HYBRID_RECIPE, Target, in_fresh_process, options_parser, peak_resident_bytes, print_table, record
from random_tokens import RandomTokens
from transformers import TrainerCallback

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.recipe.recipe import NULL, Recipe, load_recipe
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train.freezing import frozen_hashes
from multipl_moe.train.loop import fit
from multipl_moe.train.machine import measure_speed, runtime_bytes
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.plan import plan_training, starting_config
from multipl_moe.train.setup import TrainingSetup, tokens_per_step
from multipl_moe.upcycle.convert import upcycle

_MAX_ERROR = 0.15
_STEPS = 3
_WIDE = {"train.sequence_tokens": 512, "train.batch_sequences": 2}
_ONE_EXPERT: dict[str, Any] = {key: NULL for key in HYBRID_RECIPE if key.startswith("moe.routing.")} | {
    "moe.experts.layers": "all"
}
_CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "a pack, 1 x 256": _ONE_EXPERT | {"moe.preset": "pack", "train.batch_sequences": 1},
    "one full expert in each layer": _ONE_EXPERT | {"moe.preset": "single"},
    "hybrid, 4 x 256": {},
    "hybrid, 4 x 256, checkpointing": {"train.gradient_checkpointing": True},
    "hybrid, 2 x 512": _WIDE,
    "hybrid, 2 x 512, checkpointing": _WIDE | {"train.gradient_checkpointing": True},
    "last:4": {"moe.experts.layers": "last:4"},
    "last:4, float32": {"moe.experts.layers": "last:4", "train.compute_dtype": "float32"},
    "last:4, 16 x 256": {"moe.experts.layers": "last:4", "train.batch_sequences": 16},
    "dense-ffn": {"train.method": "dense-ffn"},
    "dense": {"train.method": "dense"},
    "lora": {"train.method": "lora"},
}


class StepClock(TrainerCallback):
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self._begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        self.seconds.append(time.perf_counter() - self._begin)


def recipe_with(changes: dict[str, Any]) -> Recipe:
    recipe = load_recipe(None, HYBRID_RECIPE | changes)
    tokens = _STEPS * tokens_per_step(recipe.train)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"tokens": tokens})})


def predict(changes: dict[str, Any]) -> dict[str, Any]:
    """The plan, as `doctor` makes it."""
    keep_freed_memory()
    recipe, constant = recipe_with(changes), runtime_bytes()
    config = starting_config(recipe)
    plan = plan_training(recipe, config, runtime_bytes=constant)
    base = config.get_text_config()
    sizes = {"hidden_size": base.hidden_size, "intermediate_size": base.intermediate_size}
    rows = recipe.train.batch_sequences * recipe.train.sequence_tokens
    speed = measure_speed(TrainingSetup.of(recipe).dtype, num_rows=rows, **sizes)
    parts = vars(plan.memory) | {"total_bytes": plan.memory.total_bytes}
    return parts | {"step_s": plan.step_seconds(speed), "flops": plan.step.flops, "moved_bytes": plan.step.moved_bytes}


def prepare_model(changes: dict[str, Any], folder: Path) -> None:
    """The checkpoint to start from, where it is not the base's."""
    recipe = recipe_with(changes)
    if recipe.train.trains_hybrid:
        upcycle(recipe, folder)


def train(changes: dict[str, Any], work: Path) -> dict[str, Any]:
    """A few steps; peak memory, and the median time of all steps but the first."""
    keep_freed_memory()
    recipe, clock = recipe_with(changes), StepClock()
    folder = work / "hybrid" if recipe.train.trains_hybrid else resolve_base(recipe.base)
    setup, model = TrainingSetup.of(recipe), load_for_training(recipe.train, folder)
    setup.use_attention(model)
    prepare(model, recipe)
    frozen_hashes(model)
    setup.unify_dtype(model)
    rows = _STEPS * recipe.train.batch_sequences
    data = RandomTokens(rows, recipe.train.sequence_tokens, model.config.get_text_config().vocab_size)
    fit(setup, model, data, work / "checkpoints", [clock])
    return {"peak_bytes": peak_resident_bytes(), "step_s": statistics.median(clock.seconds[1:])}


def main() -> None:
    parser = options_parser(__doc__, quick="one configuration")
    options = parser.parse_args()
    names = ["last:4"] if options.quick else list(_CONFIGURATIONS)
    results, targets, rows = {}, [], []
    for name in names:
        changes = _CONFIGURATIONS[name]
        with tempfile.TemporaryDirectory() as work:
            in_fresh_process(prepare_model, changes, Path(work) / "hybrid")
            measured = in_fresh_process(train, changes, Path(work))
        predicted = in_fresh_process(predict, changes)
        error = abs(predicted["total_bytes"] / measured["peak_bytes"] - 1)
        results[name] = {"predicted": predicted, "measured": measured, "error": error}
        targets.append(Target(f"error of peak memory, {name}", error, _MAX_ERROR, at_least=False))
        memory = [f"{value / 2**20:,.0f}" for value in (predicted["total_bytes"], measured["peak_bytes"])]
        rows.append([name, *memory, f"{error:.1%}", f"{predicted['step_s']:.2f}", f"{measured['step_s']:.2f}"])
    columns = ["configuration", "MiB planned", "MiB measured", "error", "step planned, s", "step measured, s"]
    print_table(f"Plan and training, {_STEPS} steps", columns, rows)
    record("plan", results, targets, repeats=_STEPS, options=options)


if __name__ == "__main__":
    main()
