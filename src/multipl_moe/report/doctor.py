"""What `doctor` found and foresees, as tables for the terminal."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from rich.text import Text

from multipl_judge.judge.guards import Guard
from multipl_judge.judge.preflight import LanguageCheck
from multipl_judge.languages.table import language_title
from multipl_moe.report.grid import Grid

if TYPE_CHECKING:
    from multipl_moe.eval.own_language import LanguagePart
    from multipl_moe.train.machine import MachineSpeed
    from multipl_moe.train.plan import TrainingPlan

_NOT_TIMED = (
    "not in the time: building the corpus, upcycling, practice and what is before it, writing and running programs"
)
_PARTS = {
    "runtime_bytes": "interpreter and libraries",
    "frozen_bytes": "frozen weights",
    "mapped_bytes": "checkpoint's pages of trained weights",
    "master_bytes": "trained weights, float32",
    "gradient_bytes": "gradients",
    "optimizer_bytes": "optimiser state",
    "activation_bytes": "activations and logits",
    "fragmentation_bytes": "lost between blocks in use",
}


def environment_table(environment: dict[str, Any]) -> Grid:
    """Machine and versions, as `versions.environment` returns them."""
    machine = environment["machine"]
    rows = {
        "processor": f"{machine['processor']}, {machine['cores']} cores",
        "memory": f"{machine['memory_bytes'] / 2**30:.1f} GiB",
        "accelerator": machine["accelerator"] or "none",
        "python": environment["python"],
    } | environment["packages"]
    return Grid("This machine", ["", ""], list(rows.items()), num_labels=2)


def languages_table(checks: Mapping[str, LanguageCheck]) -> Grid:
    """Each language's toolchain and whether its programs can be judged."""
    rows = []
    for name, check in checks.items():
        verdict = Text("ready", "green") if check.problem is None else Text(check.problem, "red")
        rows.append([language_title(name), check.version or "not found", verdict, f"{check.seconds:.1f}"])
    header = ["language", "toolchain", "verdict", "seconds"]
    return Grid("Languages whose programs can be judged", header, rows, num_labels=3)


def guards_table(guards: Sequence[Guard]) -> Grid:
    """What bounds strangers' programs here, and where it could do more."""
    rows = [[guard.what, Text(guard.state, "green" if guard.is_full else "yellow")] for guard in guards]
    return Grid("What bounds programs that are judged", ["", "guard"], rows, num_labels=2)


def language_parts_table(title: str, parts: "Sequence[LanguagePart]") -> Grid:
    """What there is of a language of one's own, and what is missing."""
    rows = [[part.what, Text(part.state, "green" if part.is_there else "red")] for part in parts]
    return Grid(title, ["", "state"], rows, num_labels=2)


def plan_table(plan: "TrainingPlan", speed: "MachineSpeed | None", usable_bytes: int) -> Grid:
    """Parameters, memory by part at its peak, and time, with a machine's speed and the memory a run may use.

    Without a speed, as of a device that is not here, there are no times.
    """
    counts = zip(("in all", "active for a token", "trained"), vars(plan.parameters).values(), strict=True)
    memory = plan.memory
    colour = "green" if memory.total_bytes <= usable_bytes else "red"
    rows = [
        *([f"parameters, {title}", f"{count:,}"] for title, count in counts),
        ["weights on disk", _gib(plan.checkpoint_bytes)],
        None,
        *([title, _gib(getattr(memory, part))] for part, title in _PARTS.items()),
        [Text("memory at its peak", "bold"), Text(_gib(memory.total_bytes), colour)],
        ["free here" if speed else "asked for", _gib(usable_bytes)],
        None,
        ["computed in a step", f"{plan.step.flops / 1e9:,.0f} GFLOP"],
        *(_time_rows(plan, speed) if speed else ()),
    ]
    return Grid("What the run needs", ["", "estimate"], rows, notes=[_NOT_TIMED] if speed else [])


def _time_rows(plan: "TrainingPlan", speed: "MachineSpeed") -> list[Any]:
    seconds = plan.seconds(speed)
    read = {
        "calibration": plan.calibration_tokens,
        "held-out loss": plan.held_out_tokens,
        "scoring base and model": plan.scored_tokens,
    }
    parts = [
        ("search for the rate", plan.search_tokens, plan.search_seconds(speed)),
        *((what, number, plan.forward_seconds(number, speed)) for what, number in read.items()),
    ]
    return [
        ["measured here", f"{speed.flops_per_s / 1e9:,.0f} GFLOP/s, {speed.bytes_per_s / 1e9:,.1f} GB/s"],
        ["tokens/s, roughly", f"{plan.tokens / seconds:,.0f}"],
        [f"time for {plan.tokens:,} tokens, roughly", _duration(seconds)],
        *([f"{what}, {number:,} tokens at most", _duration(time)] for what, number, time in parts if number),
        [Text("time in all, roughly", "bold"), _duration(plan.total_seconds(speed))],
    ]


def comparison_plan_table(methods: Mapping[str, "Sequence[tuple[int, float]]"], usable_bytes: int) -> Grid:
    """How many runs each method has, by its title, their most memory and the sum of their times.

    Of a run there are its bytes at the peak and its seconds; it may use `usable_bytes`.
    """
    rows: list[list[str | Text] | None] = []
    for title, runs in {**methods, "all": list(chain.from_iterable(methods.values()))}.items():
        peak = max(num_bytes for num_bytes, _ in runs)
        colour = "green" if peak <= usable_bytes else "red"
        seconds = sum(seconds for _, seconds in runs)
        rows.append([title, f"{len(runs):,}", Text(_gib(peak), colour), _duration(seconds)])
    rows.insert(-1, None)
    header = ["method", "runs", "memory at its peak", "time, roughly"]
    notes = [f"free here: {_gib(usable_bytes)}", _NOT_TIMED]
    return Grid("What the comparison needs", header, rows, notes=notes)


def remedies_table(plans: "Sequence[tuple[dict[str, Any], TrainingPlan, MachineSpeed | None]]") -> Grid:
    """What each change of the recipe (dotted keys and values) would bring, by its plan and the machine's speed."""
    rows = []
    for changes, plan, speed in plans:
        settings = " ".join(f"--set {key}={str(value).lower()}" for key, value in changes.items())
        rows.append([settings, _gib(plan.memory.total_bytes), _duration(plan.total_seconds(speed)) if speed else "-"])
    return Grid("What would help", ["change", "memory at its peak", "time"], rows)


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
