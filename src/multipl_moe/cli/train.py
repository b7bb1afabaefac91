"""`multipl-moe train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    Keep,
    Learn,
    RecipeFile,
    Seed,
    Settings,
    recipe_from_flags,
    require_folders,
    require_run_to_enter,
    split_names,
)
from multipl_moe.cli.training import data_shown
from multipl_moe.system.launch import is_main

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe


def train(
    model: Annotated[
        Path,
        typer.Argument(
            help="Hybrid checkpoint that `upcycle` wrote; with another train.method than experts, a dense base."
        ),
    ],
    corpus: Annotated[Path, typer.Argument(help="Corpus folder that `corpus` wrote.")],
    output: Annotated[Path, typer.Argument(help="Run folder to create.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the last checkpoint in the run folder.")
    ] = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Number of tokens to train on. [300000]")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate (> 0), reached after warm-up. [0.001]")
    ] = None,
    seed: Seed = None,
) -> None:
    """Stage 1: train experts and routers on the new languages; every other parameter stays as it is, bit for bit.

    With `--set train.method=lora` (or dense, dense-ffn) a dense base learns instead: a folder, hub id, GGUF file or
    smollm2-135m.

    On several GPUs or machines: `torchrun --nproc-per-node 8 -m multipl_moe train ...` (docs/scaling.md).

    Ctrl-C and SIGTERM save a checkpoint and stop, with exit code 130 and 75; `--resume` goes on from it.

    Example: `multipl-moe train runs/hybrid corpora/mine runs/first --learn rust --keep python --learning-rate 2e-3`
    """
    flags: dict[str, Any] = {"learn": split_names(learn), "keep": split_names(keep), "seed": seed}
    flags |= {"train.tokens": tokens, "train.learning_rate": learning_rate}
    chosen = recipe_from_flags(recipe, settings, flags)
    of_hybrid = chosen.train.trains_hybrid
    require_folders(**({"model": model} if of_hybrid else {}), corpus=corpus)

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.train.hybrid_recipe import recipe_of_hybrid

    if of_hybrid:
        chosen = recipe_of_hybrid(chosen, model)
    require_run_to_enter(output, chosen, resume, "training.json")
    _train(chosen, model if of_hybrid else resolve_base(str(model)), corpus, output)


def _train(recipe: "Recipe", start: Path, corpus: Path, output: Path) -> None:
    from multipl_moe.report.tables import audit_table
    from multipl_moe.runs.folder import open_run
    from multipl_moe.system.allocator import keep_freed_memory
    from multipl_moe.train.callbacks import INTERRUPT_NOTE
    from multipl_moe.train.freezing import TrainableParameters
    from multipl_moe.train.processes import leave
    from multipl_moe.train.progress import TrainingProgress
    from multipl_moe.train.setup import tokens_per_step
    from multipl_moe.train.trainer import train_model

    def begin(audit: TrainableParameters) -> None:
        open_run(output, recipe)
        console.print(audit_table(audit))

    keep_freed_memory()
    console.quiet = not is_main()
    with TrainingProgress(output, tokens_per_step(recipe.train), console) as progress:
        result = train_model(
            recipe,
            start,
            corpus,
            output,
            callbacks=[progress],
            on_audit=begin,
            on_data=data_shown(recipe),
            on_interrupt=lambda: console.print(INTERRUPT_NOTE),
        )
    leave()
    console.print(f"{result.tokens:,} tokens in {result.seconds:.0f} s; model: {result.model_folder}", highlight=False)
    console.print(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)", highlight=False)
