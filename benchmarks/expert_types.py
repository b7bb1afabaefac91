"""Low-rank experts of rank 16 against full ones on the demo's base: trained parameters, peak memory, speed of a step.

    OMP_NUM_THREADS=2 python benchmarks/expert_types.py [--quick] [--output FILE.json]

Peak memory is the high-water mark of a fresh process that loads the hybrid and trains it for some steps with the loop
of `train`, in the demo's shapes and precision, its checkpoint at the end included. Targets: at most 10% of the trained
parameters, and at most 60% of the peak memory, interpreter and libraries included.
"""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from harness import (
    HYBRID_RECIPE,
    Target,
    in_fresh_process,
    interleave,
    median_ratio,
    options_parser,
    peak_resident_bytes,
    print_table,
    record,
)
from random_tokens import RandomTokens
from train_step import training_step

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import prepare
from multipl_moe.train.setup import TrainingSetup, tokens_per_step
from multipl_moe.upcycle.convert import upcycle

_RANK = 16
_MAX_TRAINED, _MAX_MEMORY = 0.10, 0.60
_TYPES = ("full", "lora")
_STEPS = 3


def recipe_for(expert_type: str) -> Recipe:
    """The recipe with one type of experts, for a few steps."""
    recipe = load_recipe(None, HYBRID_RECIPE | {"moe.experts.type": expert_type, "moe.experts.rank": _RANK})
    train = recipe.train.model_copy(update={"tokens": _STEPS * tokens_per_step(recipe.train)})
    return recipe.model_copy(update={"train": train})


def convert(expert_type: str, folder: Path) -> dict[str, int]:
    """Write the hybrid; returns its parameter counts."""
    return asdict(upcycle(recipe_for(expert_type), folder).parameters)


def ready_to_train(expert_type: str, folder: Path) -> MultiplMoeForCausalLM:
    """The hybrid as `train` prepares it."""
    recipe, model = recipe_for(expert_type), load_hybrid(folder)
    setup = TrainingSetup.of(recipe)
    setup.use_attention(model)
    prepare(model, recipe)
    setup.unify_dtype(model)
    return model


def train_and_measure(expert_type: str, folder: Path, checkpoints: Path) -> dict[str, int]:
    """Peak memory after loading and after training, in this process."""
    keep_freed_memory()
    recipe = recipe_for(expert_type)
    model = ready_to_train(expert_type, folder)
    loaded = peak_resident_bytes()
    sequences = _STEPS * recipe.train.batch_sequences
    data = RandomTokens(sequences, recipe.train.sequence_tokens, model.config.base_config.vocab_size)
    fit(TrainingSetup.of(recipe), model, data, checkpoints, [])
    return {"loaded_peak_bytes": loaded, "peak_bytes": peak_resident_bytes()}


def time_steps(folders: dict[str, Path], repeats: int) -> dict[str, Any]:
    """Steps of both types in turn, in this process."""
    keep_freed_memory()
    steps, tokens = {}, 0
    for expert_type, folder in folders.items():
        recipe, model = recipe_for(expert_type), ready_to_train(expert_type, folder)
        shape = (recipe.train.batch_sequences, recipe.train.sequence_tokens)
        inputs = torch.randint(model.config.base_config.vocab_size, shape)
        tokens = inputs.numel()
        steps[expert_type] = training_step(
            model,
            lambda model=model, inputs=inputs: model(input_ids=inputs, labels=inputs).loss,
            TrainingSetup.of(recipe).dtype,
        )
    timings = interleave(steps, repeats=repeats)
    return {"timings": timings, "tokens": tokens, "speed": median_ratio(timings["full"], timings["lora"])}


def main() -> None:
    parser = options_parser(__doc__, quick="few repeats")
    options = parser.parse_args()
    repeats = 2 if options.quick else 6
    with tempfile.TemporaryDirectory() as work:
        folders = {expert_type: Path(work) / expert_type for expert_type in _TYPES}
        counts = {name: in_fresh_process(convert, name, folder) for name, folder in folders.items()}
        memory = {
            name: in_fresh_process(train_and_measure, name, folder, Path(work) / f"{name}-checkpoints")
            for name, folder in folders.items()
        }
        outcome = in_fresh_process(time_steps, folders, repeats)
    empty, tokens = in_fresh_process(peak_resident_bytes), outcome["tokens"]
    results = {
        name: {
            "parameters": counts[name],
            **memory[name],
            "peak_bytes_above_empty": memory[name]["peak_bytes"] - empty,
            "step": timing.to_dict(),
            "tokens_per_s": tokens / timing.median_s,
        }
        for name, timing in outcome["timings"].items()
    }
    rows = [
        [
            name,
            f"{row['parameters']['trained']:,}",
            f"{row['peak_bytes'] / 1e9:.2f} GB",
            f"{row['peak_bytes_above_empty'] / 1e9:.2f} GB",
            outcome["timings"][name].text(),
            f"{row['tokens_per_s']:,.0f}",
        ]
        for name, row in results.items()
    ]
    columns = ["experts", "trained", "peak memory", "above libraries alone", f"step of {tokens:,} tokens", "tokens/s"]
    print_table(f"Experts of rank {_RANK} against full ones", columns, rows)
    full, lora = results["full"], results["lora"]
    trained = lora["parameters"]["trained"] / full["parameters"]["trained"]
    targets = [
        Target("trained parameters over those of full experts", trained, _MAX_TRAINED, at_least=False),
        Target(
            "peak memory over that of full experts",
            lora["peak_bytes"] / full["peak_bytes"],
            _MAX_MEMORY,
            at_least=False,
        ),
    ]
    extra = {
        "rank": _RANK,
        "empty_interpreter_bytes": empty,
        "memory_ratio_above_empty": lora["peak_bytes_above_empty"] / full["peak_bytes_above_empty"],
        "speed_over_full": outcome["speed"],
    }
    record("expert_types", results | extra, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
