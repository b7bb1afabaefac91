"""`multipl-moe doctor`."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from multipl_moe.cli.app import console, working
from multipl_moe.cli.options import Base, Settings, Unsafe, parse_bytes, recipe_from_flags, refuse_where, split_names
from multipl_moe.errors import ConfigError

Device = Literal["cpu", "cuda"]

_FEWEST_BYTES = 10**6  # a number without its unit, as 24, is fewer


def doctor(
    languages: Annotated[
        str | None,
        typer.Option(help="Languages to check, comma-separated. [the starter set's and all that are installed]"),
    ] = None,
    unsafe_no_sandbox: Unsafe = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Recipe, or comparison, to plan instead of checking the machine: parameters, memory and time, and "
            "whether it fits here."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model that is to be trained, with --plan. [what `upcycle` would make]")
    ] = None,
    base: Base = None,
    settings: Settings = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory to plan for, such as 24GB, with --plan. [what this machine has free]")
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(
            help="Device to plan for, with --plan and --memory; one that is not here has no times. [what is here]"
        ),
    ] = None,
) -> None:
    """Check this machine: versions, memory, guards, and for each language whether its programs can be judged.

    Each toolchain judges a right program, a wrong one and one that leaves before its tests, in the sandbox. The exit
    code is 1 if a language cannot be judged, or if a run planned with --plan does not fit into memory.

    Example: `multipl-moe doctor --languages rust,go`
    """
    size = None if memory is None else parse_bytes(memory)
    if plan is not None:
        refuse_where(
            (size is not None and size < _FEWEST_BYTES, f"--memory: {memory!r} is not a size above 1MB, such as 24GB"),
            (device is not None and size is None, "--device: say with --memory how much it has, as 24GB"),
            (languages is not None, "--languages: not with --plan, which tries no toolchain; leave one of them out"),
            (unsafe_no_sandbox, "--unsafe-no-sandbox: not with --plan, which runs no program; leave one of them out"),
        )
        return _plan(plan, model, base, settings, size, device)
    asked = {"--model": model, "--base": base, "--set": settings, "--memory": memory, "--device": device}
    lack = "only with --plan RECIPE.yaml, which says how it is to be trained"
    refuse_where(*((value is not None, f"{flag}: {lack}") for flag, value in asked.items()))
    _check(languages, unsafe_no_sandbox)


def _check(languages: str | None, unsafe_no_sandbox: bool) -> None:
    from multipl_judge.judge.guards import guards_of
    from multipl_judge.judge.preflight import preflight
    from multipl_judge.judge.sandbox import Sandbox
    from multipl_judge.judge.toolbox import is_found
    from multipl_judge.languages.entries import ENTRIES
    from multipl_judge.languages.own import how_to_add
    from multipl_judge.languages.toolchains import TOOLCHAINS
    from multipl_moe.report.doctor import environment_table, guards_table, languages_table
    from multipl_moe.system.versions import environment

    absent = [name for name in ENTRIES if not is_found(TOOLCHAINS[name])]
    chosen = split_names(languages) or [name for name in TOOLCHAINS if name not in absent]
    if unknown := [name for name in chosen if name not in TOOLCHAINS]:
        known = f"known: {', '.join(TOOLCHAINS)}; {how_to_add(unknown[0])}"
        raise ConfigError(f"--languages: {', '.join(unknown)} not known; {known}")
    console.print(environment_table(environment()))
    with Sandbox(unsafe=unsafe_no_sandbox) as sandbox:
        console.print(guards_table(guards_of(sandbox)))
    with working("trying the toolchains"):
        checks = preflight(chosen, unsafe=unsafe_no_sandbox)
    console.print(languages_table(checks))
    if absent and languages is None:
        console.print(f"not installed: {', '.join(absent)}; --languages NAME says what is missing", soft_wrap=True)
    if any(check.problem is not None for check in checks.values()):
        raise typer.Exit(1)


def _plan(
    file: Path, model: Path | None, base: str | None, settings: list[str] | None, memory: int | None, device: str | None
) -> None:
    from multipl_moe.recipe.recipe import read_yaml
    from multipl_moe.system.allocator import keep_freed_memory
    from multipl_moe.train.machine import busy_note, usable_bytes

    busy = busy_note() if _is_here(device) else None  # elsewhere no time is planned
    keep_freed_memory()
    is_comparison = "methods" in read_yaml(file)
    fixed = {"--model": model, "--base": base, "--set": settings, "--device": device}
    why = f"{file} is a comparison, whose runs say it themselves; leave it out"
    refuse_where(*((is_comparison and value is not None, f"{flag}: {why}") for flag, value in fixed.items()))
    usable = usable_bytes() if memory is None else memory
    fits = (
        _plan_comparison(file, usable) if is_comparison else _plan_recipe(file, model, base, settings, usable, device)
    )
    if busy is not None:
        console.print(busy, style="yellow", soft_wrap=True)
    if not fits:
        raise typer.Exit(1)


def _is_here(device: str | None) -> bool:
    import torch

    return device in (None, "cuda" if torch.cuda.is_available() else "cpu")


def _plan_comparison(file: Path, usable: int) -> bool:
    """Whether all runs fit into so many bytes."""
    from multipl_moe.compare.plan import plan_comparison
    from multipl_moe.compare.schema import common_recipe, load_comparison
    from multipl_moe.report.doctor import comparison_plan_table
    from multipl_moe.train.machine import runtime_bytes, speed_of
    from multipl_moe.train.plan import starting_config
    from multipl_moe.train.setup import TrainingSetup

    comparison = load_comparison(file)
    constant = runtime_bytes()
    with working("trying a step of each kind of run, without data"):
        plans = plan_comparison(comparison, runtime_bytes=constant)
        recipe = common_recipe(comparison)
        speed_in = speed_of(recipe, starting_config(recipe))
        runs: dict[str, list[tuple[int, float]]] = {}
        for run, plan in plans:
            needed = plan.memory.total_bytes, plan.total_seconds(speed_in(TrainingSetup.of(run.recipe).dtype))
            runs.setdefault(comparison.methods[run.method].title, []).append(needed)
    console.print(comparison_plan_table(runs, usable))
    return max(plan.memory.total_bytes for _, plan in plans) <= usable


def _plan_recipe(
    file: Path, model: Path | None, base: str | None, settings: list[str] | None, usable: int, device: str | None
) -> bool:
    """Whether the run fits into so many bytes."""
    from multipl_moe.report.doctor import plan_table, remedies_table
    from multipl_moe.train.machine import runtime_bytes, speed_of
    from multipl_moe.train.plan import plan_training, remedies, starting_config
    from multipl_moe.train.setup import TrainingSetup, require_a_step, require_optimizer

    recipe = recipe_from_flags(file, settings, {"base": base})
    require_a_step(recipe.train)
    require_optimizer(recipe.train.optimizer)
    constant = runtime_bytes()
    config = starting_config(recipe, model)
    with working("trying a step without data"):
        planned = plan_training(recipe, config, runtime_bytes=constant, device=device)
        speed_in = speed_of(recipe, config) if _is_here(device) else lambda dtype: None
        speed = speed_in(TrainingSetup.of(recipe).dtype)
    console.print(plan_table(planned, speed, usable))
    if planned.memory.total_bytes <= usable:
        return True
    with working("looking for what would help"):
        smaller = []
        for changes in remedies(recipe, config, has_model=model is not None):
            remedy = [f"{key}={json.dumps(value)}" for key, value in changes.items()]  # last, so that they win
            changed = recipe_from_flags(file, [*(settings or []), *remedy], {"base": base})
            plan = plan_training(changed, starting_config(changed, model), runtime_bytes=constant, device=device)
            smaller.append((changes, plan, speed_in(TrainingSetup.of(changed).dtype)))
    if smaller:
        console.print(remedies_table(smaller))
    return False
