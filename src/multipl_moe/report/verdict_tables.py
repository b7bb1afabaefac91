"""The verdict on programs as tables, the same for the terminal and for the report."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from multipl_moe.eval.verdict import ALL, ROLES
from multipl_moe.languages.table import language_title
from multipl_moe.report.grid import Grid
from multipl_moe.runs.decontamination import status_notes

SMALL_MODEL_NOTE = (
    "A model of some hundred million parameters writes few working programs, and here each language has few problems: "
    "read these counts as a check that the road works, not as a ranking. Bits per byte show what was learnt."
)
_MEAN = Text("mean", "bold")
_ROLE_TITLES: dict[str | None, str] = {"learn": "to learn", "keep": "to keep", None: "", ALL: "all"}


def verdict_table(verdict: dict[str, Any]) -> Grid:
    """pass@k by language and benchmark with the interval of pass@1, languages to learn first, and the means by role."""
    ks = [str(k) for k in verdict["pass_at"]]
    rows = []
    for role, names, closes in _groups(verdict):
        for name in names:
            row = verdict["languages"][name]
            for benchmark, cell in row["benchmarks"].items():
                labels = language_title(name, row), _ROLE_TITLES[role], benchmark
                rates = _rate_cells(cell["pass_at_k"], ks)
                rows.append([*labels, f"{cell['tasks']:,}", *rates, _percent(cell["parses_or_compiles"])])
        if closes:
            rates = _rate_cells(verdict["means"][closes]["pass_at_k"], ks)
            rows += [[_MEAN, _ROLE_TITLES[closes], "", "", *rates, ""], None]
    first, *others = [f"pass@{k}" for k in ks]
    header = ["language", "role", "benchmark", "tasks", first, "95% interval", *others, "parses or compiles"]
    title = "Programs that pass their tests (higher is better)"
    return Grid(title, header, rows, num_labels=3, notes=verdict_notes(verdict))


def comparison_table(comparison: dict[str, Any]) -> Grid:
    """pass@1 before and after by language and benchmark; yellow differences are within noise."""
    rows = []
    for role, names, closes in _groups(comparison):
        for name in names:
            row = comparison["languages"][name]
            for benchmark, cell in row["benchmarks"].items():
                rows.append([language_title(name, row), _ROLE_TITLES[role], benchmark, *_change_cells(cell)])
        if closes:
            rows += [[_MEAN, _ROLE_TITLES[closes], "", *_change_cells(comparison["means"][closes])], None]
    notes = ["a difference under the column 'noise' is mostly noise at so many tasks"]
    if unpaired := comparison["unpaired"]:
        verb = "task does" if len(unpaired) == 1 else "tasks do"
        notes.append(f"{len(unpaired):,} {verb} not count for one of the models: left out")
    header = [
        "language",
        "role",
        "benchmark",
        "tasks",
        "before",
        "after",
        "change",
        "95% interval",
        "McNemar p",
        "noise",
    ]
    return Grid("pass@1 before and after, in points (higher is better)", header, rows, num_labels=3, notes=notes)


def verdict_notes(verdict: dict[str, Any]) -> list[str]:
    """What a reader of the table must know: what was not scored, what was left out, whether the training text was
    decontaminated, and which tests prove nothing."""
    notes = [f"{language_title(name)} not scored: {reason}" for name, reason in verdict["not_scored"].items()]
    if left_out := verdict["left_out"]:
        notes.append(
            f"{len(left_out):,} sample{'s' if len(left_out) > 1 else ''} left out because the judge itself failed "
            f"(the first is sample {left_out[0]['sample']} of {left_out[0]['key']}); such samples count for nothing"
        )
    if too_long := verdict.get("did_not_fit"):
        notes.append(
            f"{len(too_long):,} prompt{'s' if len(too_long) > 1 else ''} too long for the model, counted as failed "
            f"(the first is {too_long[0]})"
        )
    notes += status_notes(verdict.get("decontamination", {}))
    if verdict["flags"]:
        notes.append(f"tests that prove nothing, scored all the same: {', '.join(verdict['flags'])}")
    return notes


def _groups(values: dict[str, Any]) -> Iterator[tuple[str | None, list[str], str | None]]:
    """(role, its languages, the mean that closes them); the mean over all only where it is not that of a role."""
    roles = {name: row["role"] for name, row in values["languages"].items()}
    for role in (*ROLES, None):
        names = [name for name, has in roles.items() if has == role]
        if names:
            yield role, names, role if role in values["means"] else None
    means = values["means"]
    if ALL in means and all(means[role]["languages"] != means[ALL]["languages"] for role in ROLES if role in means):
        yield ALL, [], ALL


def _rate_cells(rates: dict[str, Any], ks: list[str]) -> list[str]:
    """pass@1, its interval and the other rates; empty where one was not measured."""
    first, *others = [_percent(rates[k]) if k in rates else "" for k in ks]
    low, high = rates["1"]["interval"]
    return [first, f"{low:.1%} to {high:.1%}", *others]


def _change_cells(cell: dict[str, Any]) -> list[str | Text]:
    low, high = cell["interval"]
    p_value = cell.get("mcnemar_p")
    style = "yellow" if cell["is_noise"] else "green" if cell["difference"] > 0 else "red"
    return [
        f"{cell['tasks']:,}",
        f"{cell['before']:.1%}",
        f"{cell['after']:.1%}",
        Text(f"{100 * cell['difference']:+.1f}", style),
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        "" if p_value is None else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001",
        f"{100 * min(cell['noise_below'], 1):.1f}",
    ]


def _percent(estimate: dict[str, Any]) -> str:
    return f"{estimate['value']:.1%}"
