"""The verdict on programs as tables, the same for the terminal and for the report."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import replace

from rich.text import Text

from multipl_judge.languages.table import language_title
from multipl_moe.eval.verdict import ALL, ROLES
from multipl_moe.report.grid import Grid
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.verdict import Cell, Difference, ProgramsResult, Rate, Verdict, VerdictComparison

SMALL_MODEL_NOTE = (
    "A model of some hundred million parameters writes few working programs, and here each language has few problems: "
    "read these counts as a check that the road works, not as a ranking. Bits per byte show what was learnt."
)
_FEW = 10
_NOTES_BY_WORD = {
    "noise": "noise: at so many tasks such a difference may be chance",
    "too few": f"too few: fewer than {_FEW} tasks say nothing about a difference",
}
_BOTH = ("before", "after")
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


def is_few(tasks: int) -> bool:
    """Whether these are so few problems that shares and intervals would say more than there is to say."""
    return tasks < _FEW


def passed_of(tasks: int, rate: float) -> str:
    """How many problems passed at the first try, on average over samples, of how many."""
    return f"{round(rate * tasks, 1):g} of {tasks:,}"


def verdict_table(verdict: Verdict) -> Grid:
    """pass@k by language and benchmark with the interval of pass@1, languages to learn first, and the means by role.

    Of few problems only the count of pass@1 is told. Where a domain gate was also left by itself, its row follows.
    """
    ks, untold = verdict.pass_at, _by_itself(verdict)
    rows = []
    for role, names, closes in _groups(verdict):
        for name in names:
            row = verdict.languages[name]
            for benchmark, cell in row.benchmarks.items():
                rows.append([language_title(name, row.title), _ROLE_TITLES[role], benchmark, *_score_cells(cell, ks)])
                alone = untold and untold.cell(name, benchmark)
                rows += [["", _BY_ITSELF, "", *_score_cells(alone, ks)]] if alone else []
        if closes:
            rows.append([_MEAN, _ROLE_TITLES[closes], "", "", *_mean_cells(verdict, closes, ks), ""])
            if untold and closes in untold.means:
                rows.append(["", _BY_ITSELF, "", "", *_mean_cells(untold, closes, ks), ""])
            rows.append(None)
    first, *others = [f"pass@{k}" for k in ks]
    header = ["language", "role", "benchmark", "tasks", first, "95% interval", *others, "parses or\ncompiles"]
    title = "Programs that pass their tests (higher is better)"
    return Grid(title, header, rows, num_labels=3, notes=verdict_notes(verdict))


def failures_table(verdict: Verdict) -> Grid:
    """How many programs pass, and how many fail in which way, by language and benchmark."""
    rows = []
    for name, row, benchmark, cell in verdict.cells():
        counts = [cell.outcomes["passed"], *(cell.failures[way] for way in _WAYS)]
        told = ["-" if count is None else f"{count:,}" for count in counts]
        rows.append([language_title(name, row.title), benchmark, f"{cell.samples:,}", *told])
    header = ["language", "benchmark", "programs", "pass", *_WAYS.values()]
    return _without_one_benchmark(Grid("How programs fail", header, rows, num_labels=2))


def comparison_table(comparison: VerdictComparison) -> Grid:
    """pass@1 before and after by language and benchmark, and in words whether the difference is more than noise.

    Of few problems only the counts are told. What matters most comes first: a narrow screen cuts off the last columns.
    """
    rows = []
    for role, names, closes in _groups(comparison):
        for name in names:
            row = comparison.languages[name]
            for benchmark, cell in row.benchmarks.items():
                rows.append([language_title(name, row.title), benchmark, *_change_cells(cell), _ROLE_TITLES[role]])
        if closes:
            mean = comparison.means[closes]
            if is_few(mean.tasks):
                cells = [cell for name, _, _, cell in comparison.cells() if name in mean.languages]
                before, after = (sum(getattr(cell, when) * cell.tasks for cell in cells) for when in _BOTH)
                mean = mean.but(before=before / mean.tasks, after=after / mean.tasks)
            rows += [[_MEAN, "", *_change_cells(mean), _ROLE_TITLES[closes]], None]
    words = {str(row[5]) for row in rows if row is not None}
    notes = [note for word, note in _NOTES_BY_WORD.items() if word in words]
    if any("(" in str(row[2]) for row in rows if row is not None):
        notes.append("in brackets: how many programs parse or compile")
    if unpaired := comparison.unpaired:
        verb = "task does" if len(unpaired) == 1 else "tasks do"
        notes.append(f"{len(unpaired):,} {verb} not count for one of the models: left out")
    header = ["language", "benchmark", "before", "after", "points", "in words", "95% interval", "tasks", "role"]
    title = "pass@1 before and after (higher is better)"
    return _without_one_benchmark(Grid(title, header, rows, num_labels=2, notes=notes))


def _without_one_benchmark(grid: Grid) -> Grid:
    """The table without its second column, the benchmark, where all rows are of one: the title names it."""
    benchmarks = {str(row[1]) for row in grid.rows if row is not None} - {""}
    if len(benchmarks) != 1:
        return grid
    rows = [None if row is None else [row[0], *row[2:]] for row in grid.rows]
    header = [grid.header[0], *grid.header[2:]]
    return replace(grid, title=f"{grid.title}: {benchmarks.pop()}", header=header, rows=rows, num_labels=1)


def mean_sentences(comparison: VerdictComparison) -> list[str]:
    """What each mean of the table is worth, in words."""
    means = comparison.means
    return [f"{_ROLE_TITLES[role]}: {means[role].sentence}" for _, _, role in _groups(comparison) if role]


def verdict_notes(verdict: Verdict) -> list[str]:
    """What a reader of the table must know: what was not scored, what was left out, whether the training text was
    decontaminated, and which tests prove nothing."""
    notes = [f"{language_title(name)} not scored: {reason}" for name, reason in verdict.not_scored.items()]
    if left_out := verdict.left_out:
        first = f"the first is sample {left_out[0].sample} of {left_out[0].key}"
        why = f"left out because the judge itself failed ({first}); such samples count for nothing"
        notes.append(f"{_counted(left_out, 'sample')} {why}")
    if too_long := verdict.did_not_fit:
        why = f"too long for the model, counted as failed (the first is {too_long[0]})"
        notes.append(f"{_counted(too_long, 'prompt')} {why}")
    notes += form_notes(verdict)
    if isinstance(verdict, ProgramsResult):
        notes += _gate_notes(verdict)
        if invalid := verdict.problems_left_out:
            shown = ", ".join(key.split("/", 1)[1] for key in invalid)
            notes.append(f"{_counted(invalid, 'problem')} left out whose tests do not compile with any answer: {shown}")
        notes += status_notes(verdict.decontamination)
    if verdict.flags:
        notes.append(f"tests that prove nothing, scored all the same: {', '.join(verdict.flags)}")
    return notes


def _counted(several: Sized, noun: str) -> str:
    return f"{len(several):,} {noun}{'s' if len(several) > 1 else ''}"


def form_notes(verdict: Verdict) -> list[str]:
    """Where the end or the form of answers seems to be at fault, with an example, of a gate by itself as well."""
    both = filter(None, (verdict, _by_itself(verdict)))
    return [fault.sentence for one in both for fault in one.form_faults]


def _gate_notes(result: ProgramsResult) -> list[str]:
    """Whether the domain gate was told the languages, and what it says where answers begin if nobody tells it."""
    if (gate := result.gate) is None:
        return []
    told = "was told the language of each problem" if gate.is_told else "was left by itself"
    said = [f"{language_title(name)} {at.open} of {at.prompts}" for name, at in gate.at_prompts.items()]
    by_itself = f"; by itself it opens for so many prompts: {', '.join(said)}" if said else ""
    if said and not gate.is_told and not any(at.open for at in gate.at_prompts.values()):
        by_itself += "; shut for all prompts, so this is the base's result, except where an answer opened it"
    return [f"the model's domain gate {told} (codegen.tell_language){by_itself}"]


def _by_itself(verdict: Verdict) -> Verdict | None:
    gate = verdict.gate if isinstance(verdict, ProgramsResult) else None
    return gate and gate.by_itself


def _groups(values: Verdict | VerdictComparison) -> Iterator[tuple[str | None, list[str], str | None]]:
    """(role, its languages, the mean that closes them); the mean over all only where it is not that of a role."""
    roles = {name: row.role for name, row in values.languages.items()}
    for role in (*ROLES, None):
        names = [name for name, has in roles.items() if has == role]
        if names:
            yield role, names, role if role in values.means else None
    means = values.means
    if ALL in means and all(means[role].languages != means[ALL].languages for role in ROLES if role in means):
        yield ALL, [], ALL


def _score_cells(cell: Cell, ks: Sequence[int]) -> list[str]:
    built = cell.parses_or_compiles
    told = "" if is_few(cell.tasks) else "-" if built is None else f"{built.value:.1%}"
    return [f"{cell.tasks:,}", *_rate_cells(cell.pass_at_k, cell.tasks, cell.pass_at_k[1].value, ks), told]


def _mean_cells(verdict: Verdict, role: str, ks: Sequence[int]) -> list[str]:
    mean = verdict.means[role]
    cells = [cell for name, _, _, cell in verdict.cells() if name in mean.languages]
    tasks = sum(cell.tasks for cell in cells)
    passed = sum(cell.tasks * cell.pass_at_k[1].value for cell in cells)
    return _rate_cells(mean.pass_at_k, tasks, passed / tasks, ks)


def _rate_cells(rates: Mapping[int, Rate], tasks: int, share: float, ks: Sequence[int]) -> list[str]:
    """pass@1, its interval and the other rates, empty where one was not measured; or how many passed, of few tasks."""
    if is_few(tasks):
        return [passed_of(tasks, share), "", *("" for _ in ks[1:])]
    first, *others = [f"{rates[k].value:.1%}" if k in rates else "" for k in ks]
    low, high = rates[1].interval
    return [first, f"{low:.1%} to {high:.1%}", *others]


def _change_cells(cell: Difference) -> list[str | Text]:
    tasks = cell.tasks
    if is_few(tasks):
        both = passed_of(tasks, cell.before), passed_of(tasks, cell.after)
        return [*both, "", Text("too few", "yellow"), "", f"{tasks:,}"]
    low, high = cell.interval
    before, after = f"{cell.before:.1%}", f"{cell.after:.1%}"
    if (built := cell.parses_or_compiles) is not None:
        before, after = f"{before}\n({built.before:.0%})", f"{after}\n({built.after:.0%})"
    better = cell.difference > 0
    word, style = ("noise", "yellow") if cell.is_noise else ("better", "green") if better else ("worse", "red")
    points, interval = f"{100 * cell.difference:+.1f}", f"{100 * low:+.1f} to {100 * high:+.1f}"
    return [before, after, Text(points, style), Text(word, style), interval, f"{tasks:,}"]
