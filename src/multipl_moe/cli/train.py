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
    entered_run,
    recipe_from_flags,
    refuse_where,
)
from multipl_moe.errors import OutputError
from multipl_moe.runs.folder import PACK_FOLDER
from multipl_moe.system.launch import is_main

if TYPE_CHECKING:
    from multipl_moe.data.training_data import MixtureSummary
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.train.freezing import TrainableParameters
    from multipl_moe.train.result import TrainResult

_NEEDS_A_HYBRID = (
    "train.method experts needs a hybrid, which `multipl-moe upcycle` makes of a dense base; to train a dense base "
    "itself: --set train.method=lora"
)
_FORGETS = (
    "no domain gate, and no text of languages to keep is read: the model will forget some of them; "
    "--set train.replay=0.1 reads a little"
)
_LONE_ROW = (
    "segment experts learn their thresholds from the other sequences of a step, and there is one: "
    "--set train.batch_sequences=4 has more"
)


def train(
    model: Annotated[
        Path,
        typer.Argument(help="Hybrid checkpoint that `upcycle` wrote; a dense base if train.method is not experts."),
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
        str | None,
        typer.Option(
            metavar="FLOAT|auto",
            help="Peak learning rate (> 0), after warm-up; auto: found in trials. [by what trains; a pack: 0.002]",
        ),
    ] = None,
    seed: Seed = None,
) -> None:
    """Train experts (and routers) on the new languages, and write them as a pack; the base stays as it is to the bit.

    With `--set train.method=lora` (or dense, dense-ffn) a dense base learns instead: a folder, hub id, GGUF file, or
    a base by name. Without a domain gate add `--set train.replay=0.1`, or the model forgets the languages to keep.

    On several GPUs or machines: `torchrun --nproc-per-node 8 -m multipl_moe train ...` (docs/scaling.md).

    Ctrl-C, SIGTERM and SIGHUP save a checkpoint and stop, with exit code 130 and 75; `--resume` goes on from it.

    Example: `multipl-moe train runs/hybrid corpora/mine runs/first --learn rust --keep python`
    """
    from multipl_moe.recipe.recipe import parse_value

    flags: dict[str, Any] = {"learn": learn, "keep": keep, "seed": seed}
    flags |= {"train.tokens": tokens, "train.learning_rate": learning_rate and parse_value(learning_rate)}
    chosen = recipe_from_flags(recipe, settings, flags)
    of_hybrid = chosen.train.trains_hybrid
    refuse_where(
        (of_hybrid and not model.is_dir(), f"model: {model} is not a folder; {_NEEDS_A_HYBRID}"),
        (not corpus.is_dir(), f"corpus: {corpus} is not a folder"),
    )

    from multipl_moe.checkpoints.base import resolve_base
    from multipl_moe.train.hybrid_recipe import recipe_of_hybrid
    from multipl_moe.train.setup import require_a_step

    if resume and _is_trained(output):
        _end(output)
        return
    if of_hybrid:
        chosen = recipe_of_hybrid(chosen, model)
    require_a_step(chosen.train)
    console.quiet = not is_main()
    _warn(chosen)
    with entered_run(output, resume, "training.json", chosen.training_changes, "checkpoints/checkpoint-*"):
        _train(chosen, model if of_hybrid else resolve_base(str(model)), corpus, output)


def _train(recipe: "Recipe", start: Path, corpus: Path, output: Path) -> None:
    from multipl_moe.system.allocator import keep_freed_memory
    from multipl_moe.train.checkpoints import saved_checkpoints
    from multipl_moe.train.memory_note import run_notes
    from multipl_moe.train.processes import leave

    keep_freed_memory()
    goes_on = bool(saved_checkpoints(output / "checkpoints"))  # then all of its steps are no measure of what is left
    for note, style in list(zip(run_notes(recipe, start, corpus), ("", "yellow"), strict=True))[goes_on:]:
        if note is not None:
            console.print(note, style=style, soft_wrap=True)
    result = _trained(recipe, start, corpus, output)
    leave()
    console.print(f"{result.tokens:,} tokens in {result.seconds:.0f} s; model: {result.model_folder}")
    console.print(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)")
    if is_main():
        _tell_pack(output)


def _is_trained(output: Path) -> bool:
    """Whether a run was stopped between its training and its pack, or has none."""
    is_trained = (output / "training.json").is_file() and (output / "model" / "config.json").is_file()
    return is_trained and not (output / PACK_FOLDER).exists()


def _end(output: Path) -> None:
    """Write the pack of a run that was stopped before; raise OutputError where there is none to write."""
    if is_main() and not _tell_pack(output):
        raise OutputError(f"output: {output} holds a finished run; choose another folder")


def _tell_pack(output: Path) -> bool:
    """Write the pack of a run, if one holds what it learnt, and say so."""
    from multipl_moe.packs.files import size_of
    from multipl_moe.packs.write import pack_of_run

    if (pack := pack_of_run(output)) is not None:
        console.print(f"pack, what was learnt by itself: {pack} ({size_of(pack)})")
    return pack is not None


def _warn(recipe: "Recipe") -> None:
    for applies, note in ((_forgets, _FORGETS), (_has_lone_row, _LONE_ROW)):
        if applies(recipe):
            console.print(note)


def _forgets(recipe: "Recipe") -> bool:
    """Whether neither a gate nor old text keeps what the model knows of languages to keep."""
    has_gate = recipe.train.trains_hybrid and recipe.moe.gate.languages != []
    return bool(recipe.keep) and not has_gate and recipe.mixture_weights.keys().isdisjoint(recipe.keep)


def _has_lone_row(recipe: "Recipe") -> bool:
    """Whether segments are routed that have no other sequence in their step."""
    from multipl_moe.train.setup import tokens_per_step

    routes = recipe.train.trains_hybrid and recipe.moe.resolve([0], recipe.learn).routes_segments
    return routes and tokens_per_step(recipe.train) == recipe.train.sequence_tokens


def _trained(recipe: "Recipe", model: Path, corpus: Path, output: Path) -> "TrainResult":
    from multipl_moe.report.corpus_tables import mixture_table
    from multipl_moe.report.tables import audit_table
    from multipl_moe.runs.folder import open_run
    from multipl_moe.train.callbacks import INTERRUPT_NOTE
    from multipl_moe.train.progress import TrainingProgress
    from multipl_moe.train.setup import tokens_per_step
    from multipl_moe.train.trainer import train_in_held_folder

    def begin(audit: "TrainableParameters") -> None:
        open_run(output, recipe)
        console.print(audit_table(audit))

    def show(summary: "MixtureSummary") -> None:
        console.print(mixture_table(summary, recipe.language_table))
        for line in summary.warnings:
            console.print(line)

    with TrainingProgress(output, tokens_per_step(recipe.train), console) as progress:
        return train_in_held_folder(
            recipe,
            model,
            corpus,
            output,
            callbacks=[progress],
            on_audit=begin,
            on_data=show,
            on_interrupt=lambda: console.print(INTERRUPT_NOTE),
            on_note=lambda line: console.print(line, style="yellow", soft_wrap=True),
        )
