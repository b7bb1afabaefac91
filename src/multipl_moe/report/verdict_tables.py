"""The verdict on programs as tables, the same for the terminal and for the report."""

from collections.abc import Iterator
from typing import Any

from rich.text import Text

from multipl_judge.languages.table import language_title
from multipl_moe.eval.verdict import ALL, ROLES
from multipl_moe.report.grid import Grid
from multipl_moe.runs.decontamination import status_notes

SMALL_MODEL_NOTE = (
    "A model of some hundred million parameters writes few working programs, and here each language has few problems: "
    "read these counts as a check that the road works, not as a ranking. Bits per byte show what was learnt."
)
_FEW = 10
_NOTES_BY_WORD = {
    "noise": "noise: at so many tasks such a difference may be chance",
    "too few": f"too few: fewer than {_FEW} tasks say nothing about a difference",
}
_MEAN = Text("mean", "bold")
_BY_ITSELF = "gate by itself"
_WAYS = {
    "not_built": "do not\nparse or\ncompile",
    "runtime_error": "fail at\nrun time",
    "wrong_answer": "wrong\nresult",
    "limits": "time or\nmemory",
    "tests_not_completed": "not\ncompleted",
}
_ROLE_TITLES: dict[str | None, str] = {"learn": "to learn", "keep": "to keep", None: "", ALL: "all"}


def is_few(cell: dict[str, Any]) -> bool:
    """Whether a cell counts so few problems that shares and intervals would say more than there is to say."""
    return cell["tasks"] < _FEW


def passed_of(tasks: int, rate: float) -> str:
    """How many problems passed at the first try, on average over samples, of how many."""
    return f"{round(rate * tasks, 1):g} of {tasks:,}"


def verdict_table(verdict: dict[str, Any]) -> Grid:
    """pass@k by language and benchmark with the interval of pass@1, languages to learn first, and the means by role.

    Of few problems only the count of pass@1 is told. Where a domain gate was also left by itself, its row follows.
    """
    ks = [str(k) for k in verdict["pass_at"]]
    untold = verdict.get("gate", {}).get("by_itself")
    rows = []
    for role, names, closes in _groups(verdict):
        for name in names:
            row = verdict["languages"][name]
            for benchmark, cell in row["benchmarks"].items():
                rows.append([language_title(name, row), _ROLE_TITLES[role], benchmark, *_score_cells(cell, ks)])
                alone = untold and untold["languages"].get(name, {"benchmarks": {}})["benchmarks"].get(benchmark)
                rows += [["", _BY_ITSELF, "", *_score_cells(alone, ks)]] if alone else []
        if closes:
            rows.append([_MEAN, _ROLE_TITLES[closes], "", "", *_mean_cells(verdict, closes, ks), ""])
            if untold and closes in untold["means"]:
                rows.append(["", _BY_ITSELF, "", "", *_mean_cells(untold, closes, ks), ""])
            rows.append(None)
    first, *others = [f"pass@{k}" for k in ks]
    header = ["language", "role", "benchmark", "tasks", first, "95% interval", *others, "parses or\ncompiles"]
    title = "Programs that pass their tests (higher is better)"
    return Grid(title, header, rows, num_labels=3, notes=verdict_notes(verdict))


def failures_table(verdict: dict[str, Any]) -> Grid:
    """How many programs pass, and how many fail in which way, by language and benchmark."""
    rows = []
    for name, row in verdict["languages"].items():
        for benchmark, cell in row["benchmarks"].items():
            counts = [cell["outcomes"]["passed"], *(cell["failures"][way] for way in _WAYS)]
            told = ["-" if count is None else f"{count:,}" for count in counts]
            rows.append([language_title(name, row), benchmark, f"{cell['samples']:,}", *told])
    header = ["language", "benchmark", "programs", "pass", *_WAYS.values()]
    return Grid("How programs fail", header, rows, num_labels=2)


def comparison_table(comparison: dict[str, Any]) -> Grid:
    """pass@1 before and after by language and benchmark, and in words whether the difference is more than noise.

    Of few problems only the counts are told.
    """
    rows = []
    for role, names, closes in _groups(comparison):
        for name in names:
            row = comparison["languages"][name]
            for benchmark, cell in row["benchmarks"].items():
                rows.append([language_title(name, row), _ROLE_TITLES[role], benchmark, *_change_cells(cell)])
        if closes:
            mean = comparison["means"][closes]
            if is_few(mean):
                cells = _cells(comparison, mean["languages"])
                sums = {when: sum(cell[when] * cell["tasks"] for cell in cells) for when in ("before", "after")}
                mean = mean | {when: passed / mean["tasks"] for when, passed in sums.items()}
            rows += [[_MEAN, _ROLE_TITLES[closes], "", *_change_cells(mean)], None]
    words = {str(row[-1]) for row in rows if row is not None}
    notes = [note for word, note in _NOTES_BY_WORD.items() if word in words]
    if any("(" in str(row[4]) for row in rows if row is not None):
        notes.append("in brackets: how many programs parse or compile")
    if unpaired := comparison["unpaired"]:
        verb = "task does" if len(unpaired) == 1 else "tasks do"
        notes.append(f"{len(unpaired):,} {verb} not count for one of the models: left out")
    header = ["language", "role", "benchmark", "tasks", "before", "after", "points", "95% interval", "in words"]
    return Grid("pass@1 before and after (higher is better)", header, rows, num_labels=3, notes=notes)


def mean_sentences(comparison: dict[str, Any]) -> list[str]:
    """What each mean of the table is worth, in words."""
    means = comparison["means"]
    return [f"{_ROLE_TITLES[role]}: {means[role]['sentence']}" for _, _, role in _groups(comparison) if role]


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
    notes += form_notes(verdict)
    if "gate" in verdict:
        told = "was told the language of each problem" if verdict["gate"]["is_told"] else "was left by itself"
        notes.append(f"the model's domain gate {told} (codegen.tell_language)")
    if invalid := verdict.get("problems_left_out"):
        shown = ", ".join(key.split("/", 1)[1] for key in invalid)
        notes.append(
            f"{len(invalid):,} problem{'s' if len(invalid) > 1 else ''} left out whose tests do not compile with any "
            f"answer: {shown}"
        )
    notes += status_notes(verdict.get("decontamination", {}))
    if verdict["flags"]:
        notes.append(f"tests that prove nothing, scored all the same: {', '.join(verdict['flags'])}")
    return notes


def form_notes(verdict: dict[str, Any]) -> list[str]:
    """Where the end or the form of answers seems to be at fault, with an example, of a gate by itself as well."""
    untold = verdict.get("gate", {}).get("by_itself", {})
    return [fault["sentence"] for one in (verdict, untold) for fault in one.get("form_faults", [])]


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


def _cells(values: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    return [cell for name in names for cell in values["languages"][name]["benchmarks"].values()]


def _score_cells(cell: dict[str, Any], ks: list[str]) -> list[str]:
    built = cell["parses_or_compiles"]
    told = "" if is_few(cell) else "-" if built is None else f"{built['value']:.1%}"
    return [f"{cell['tasks']:,}", *_rate_cells(cell, ks), told]


def _mean_cells(verdict: dict[str, Any], role: str, ks: list[str]) -> list[str]:
    mean = verdict["means"][role]
    cells = [(cell, cell["pass_at_k"]["1"]["value"]) for cell in _cells(verdict, mean["languages"])]
    counted = mean | {"tasks": sum(cell["tasks"] for cell, _ in cells)}
    return _rate_cells(counted, ks, sum(cell["tasks"] * value for cell, value in cells))


def _rate_cells(cell: dict[str, Any], ks: list[str], passed: float | None = None) -> list[str]:
    """pass@1, its interval and the other rates, empty where one was not measured; or how many passed, of few.

    `passed` is their number where it is not that of the cell's rate.
    """
    rates = cell["pass_at_k"]
    if is_few(cell):
        rate = rates["1"]["value"] if passed is None else passed / cell["tasks"]
        return [passed_of(cell["tasks"], rate), "", *("" for _ in ks[1:])]
    first, *others = [f"{rates[k]['value']:.1%}" if k in rates else "" for k in ks]
    low, high = rates["1"]["interval"]
    return [first, f"{low:.1%} to {high:.1%}", *others]


def _change_cells(cell: dict[str, Any]) -> list[str | Text]:
    tasks = cell["tasks"]
    if is_few(cell):
        both = passed_of(tasks, cell["before"]), passed_of(tasks, cell["after"])
        return [f"{tasks:,}", *both, "", "", Text("too few", "yellow")]
    low, high = cell["interval"]
    better = cell["difference"] > 0
    built = cell.get("parses_or_compiles")
    before, after = (f"{cell[when]:.1%}" + (f"\n({built[when]:.0%})" if built else "") for when in ("before", "after"))
    word, style = ("noise", "yellow") if cell["is_noise"] else ("better", "green") if better else ("worse", "red")
    return [
        f"{tasks:,}",
        before,
        after,
        Text(f"{100 * cell['difference']:+.1f}", style),
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        Text(word, style),
    ]
