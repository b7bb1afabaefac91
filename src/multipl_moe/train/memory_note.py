"""What is told before a run begins that will not fit into memory: how much is missing, and what would fit."""

from pathlib import Path

from multipl_moe.errors import UserError
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.launch import num_processes
from multipl_moe.train.machine import runtime_bytes, usable_bytes
from multipl_moe.train.plan import plan_training, remedies, starting_config


def memory_note(recipe: Recipe, model_folder: Path | None = None) -> str | None:
    """A sentence where a run needs more memory than is free; None if it fits, or several processes share the work.

    The plan is an estimate, by a tenth off, so the run may begin all the same.

    Args:
        recipe: of the run.
        model_folder: what it starts from; None: what `upcycle` will make.
    """
    if num_processes() > 1:
        return None
    usable, constant = usable_bytes(), runtime_bytes()
    try:
        needed = _needed(recipe, model_folder, constant)
    except UserError:  # what cannot be trained at all is told by what trains it
        return None
    if needed <= usable:
        return None
    fits, does_not = [], []
    for changes in remedies(recipe, starting_config(recipe, model_folder), has_model=model_folder is not None):
        told = " ".join(f"--set {key}={str(value).lower()}" for key, value in changes.items())
        try:
            size = _needed(recipe.with_dotted(changes), model_folder, constant)
        except UserError:  # a change that does not go with the rest
            continue
        (fits if size <= usable else does_not).append(f"{told} ({_gib(size)})")
    remedy = f"what would fit: {'; '.join(fits)}" if fits else f"what would help: {'; '.join(does_not)}"
    return f"memory: this run needs about {_gib(needed)} and {_gib(usable)} are free, so it may be killed; {remedy}"


def _needed(recipe: Recipe, model_folder: Path | None, constant: int) -> int:
    plan = plan_training(recipe, starting_config(recipe, model_folder), runtime_bytes=constant)
    return plan.memory.total_bytes


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB"
