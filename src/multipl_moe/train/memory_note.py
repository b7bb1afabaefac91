"""What is told before a run begins: how long it takes; of one that will not fit into memory, what would."""

from pathlib import Path

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.errors import UserError
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.launch import num_processes
from multipl_moe.system.minute_lines import minutes_of
from multipl_moe.train.machine import runtime_bytes, speed_of, usable_bytes
from multipl_moe.train.plan import plan_training, remedies, starting_config
from multipl_moe.train.setup import TrainingSetup, tokens_per_step


def run_notes(
    recipe: Recipe, model_folder: Path | None = None, corpus: Path | None = None
) -> tuple[str | None, str | None]:
    """How long a run takes on this machine as it is now, and a sentence where it needs more memory than is free.

    The plan is an estimate, of memory by a tenth off, so the run may begin all the same. Where several processes share
    the work, or it cannot be trained, there is nothing to tell; the latter is told by what trains it.

    Args:
        model_folder: what it starts from; None: what `upcycle` will make.
        corpus: of which no more is read than there is; None: as much as the recipe says.
    """
    if num_processes() > 1:
        return None, None
    usable, constant = usable_bytes(), runtime_bytes()
    try:
        recipe = recipe if corpus is None else _within(recipe, corpus)
        config = starting_config(recipe, model_folder)
        plan = plan_training(recipe, config, runtime_bytes=constant)
    except UserError:
        return None, None
    seconds = plan.training_seconds(speed_of(recipe, config)(TrainingSetup.of(recipe).dtype))
    took = f"{plan.steps:,} steps of {tokens_per_step(recipe.train):,} tokens: about {minutes_of(seconds)} here"
    if (needed := plan.memory.total_bytes) <= usable:
        return took, None
    fits, does_not = [], []
    for changes in remedies(recipe, config, has_model=model_folder is not None):
        told = " ".join(f"--set {key}={str(value).lower()}" for key, value in changes.items())
        try:
            changed = recipe.with_dotted(changes)
            smaller = plan_training(changed, starting_config(changed, model_folder), runtime_bytes=constant)
        except UserError:  # a change that does not go with the rest
            continue
        size = smaller.memory.total_bytes
        (fits if size <= usable else does_not).append(f"{told} ({_gib(size)})")
    remedy = "what would fit" if fits else "what would help"
    told = f"; {remedy}: {'; '.join(fits or does_not)}" if fits or does_not else ""
    return took, f"memory: this run needs about {_gib(needed)} and {_gib(usable)} are free, so it may be killed{told}"


def _within(recipe: Recipe, corpus: Path) -> Recipe:
    """The recipe that calibrates, and measures the held-out loss, on no more tokens than about what the corpus has."""
    counts = list(CorpusManifest.load(corpus).languages.values())  # of each as many windows as the longest has
    held_out = max(one.validation_bytes * one.train_tokens // max(one.train_bytes, 1) for one in counts)
    return recipe.with_settings(
        "train",
        calibration_tokens=min(recipe.train.calibration_tokens, len(counts) * max(one.train_tokens for one in counts)),
        eval_tokens=min(recipe.train.eval_tokens, len(counts) * held_out),
    )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"
