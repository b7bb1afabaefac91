"""`multipl-moe train`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import (
    CorpusFolder,
    Keep,
    Learn,
    LearningRate,
    RecipeFile,
    Resume,
    RunFolder,
    Seed,
    Settings,
    entered_run,
    recipe_from_flags,
    refuse_where,
)
from multipl_moe.cli.training import show_trained, trained
from multipl_moe.system.launch import is_main


def train(
    model: Annotated[
        Path,
        typer.Argument(
            help="Hybrid checkpoint that `upcycle` wrote; with another train.method than experts, a dense base."
        ),
    ],
    corpus: CorpusFolder,
    output: RunFolder,
    resume: Resume = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
    learn: Learn = None,
    keep: Keep = None,
    tokens: Annotated[int | None, typer.Option(min=1, help="Number of tokens to train on. [300000]")] = None,
    learning_rate: LearningRate = None,
    seed: Seed = None,
) -> None:
    """Stage 1: train experts and routers on the new languages; every other parameter stays as it is, bit for bit.

    With `--set train.method=lora` (or dense, dense-ffn) a dense base learns instead: a folder, hub id, GGUF file or
    smollm2-135m.

    On several GPUs or machines: `torchrun --nproc-per-node 8 -m multipl_moe train ...` (docs/scaling.md).

    Ctrl-C and SIGTERM save a checkpoint and stop, with exit code 130 and 75; `--resume` goes on from it.

    Example: `multipl-moe train runs/hybrid corpora/mine runs/first --learn rust --keep python --learning-rate 2e-3`
    """
    flags: dict[str, Any] = {"learn": learn, "keep": keep, "seed": seed}
    flags |= {"train.tokens": tokens, "train.learning_rate": learning_rate}
    chosen = recipe_from_flags(recipe, settings, flags)
    of_hybrid = chosen.train.trains_hybrid
    refuse_where(
        (of_hybrid and not model.is_dir(), _no_hybrid(model)),
        (not corpus.is_dir(), f"corpus: {corpus} is not a folder"),
    )

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.train.hybrid_recipe import recipe_of_hybrid

    if of_hybrid:
        chosen = recipe_of_hybrid(chosen, model)
    console.quiet = not is_main()
    with entered_run(output, resume, "training.json", chosen.same_training, "checkpoints/checkpoint-*"):
        start = model if of_hybrid else resolve_base(str(model))

        from multipl_moe.system.allocator import keep_freed_memory
        from multipl_moe.train.processes import leave
        from multipl_moe.train.trainer import train_model

        keep_freed_memory()
        result = trained(train_model, chosen, start, corpus, output)
        leave()
    show_trained(result)


def _no_hybrid(model: Path) -> str:
    return (
        f"model: {model} is not a folder; train.method experts needs a hybrid, which `multipl-moe upcycle` makes of a "
        "dense base; to train a dense base itself: --set train.method=lora"
    )
