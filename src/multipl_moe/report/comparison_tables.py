"""The result of a comparison as tables: the same numbers for the terminal, for Markdown and for the page."""

from rich.text import Text

from multipl_judge.languages.table import language_title
from multipl_moe.eval.measures import MEASURES
from multipl_moe.report.colours import style_of_bits
from multipl_moe.report.grid import Grid
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.result import Change, ComparedRun
from multipl_moe.runs.verdict import Solved, SolvedPrograms

ROLE_TITLES = {"learn": "languages to learn", "keep": "languages to keep"}

_CHANGE_NOTE = "change of bits per byte from the base's: less is better; 95% intervals"


def comparison_runs_table(result: ComparisonResult) -> Grid:
    """The long runs, or as long as there is none the short ones; narrow, with what belongs together in one cell."""
    is_long = any(run.is_long for run in result.runs.values())
    runs = [run for run in result.runs.values() if run.is_long == is_long]
    measured = [name for name in MEASURES if any(getattr(run, name) is not None for run in runs)]
    rows: list[list[str | Text] | None] = []
    for run in runs:
        changes = [_change(run.means.get(role)) for role in ROLE_TITLES]
        found = [_found(run, name) for name in measured]
        counts = "\n".join(map(_millions, (run.parameters.active, run.parameters.trained)))
        settings = f"{run.learning_rate:g}\nseed {run.seed}"
        rows += [[result.methods[run.method], settings, *changes, *found, counts], None]
    header = ["method", "rate", "learn, %", "keep, %", *measured, "active\ntrained"]
    notes = [_CHANGE_NOTE, *(f"{name}: {MEASURES[name].brief_note}" for name in measured)]
    return Grid(result.title, header, rows, notes=notes)


def runs_table(result: ComparisonResult, title: str, *, is_long: bool) -> Grid:
    """Every run of one length: rate, seed, changes, other measures, loads, parameters, and what training cost."""
    rows, runs = [], [run for run in _by_method(result) if run.is_long == is_long]
    has_loads = any(run.load_ratios for run in runs)
    for run in runs:
        counts = map(_millions, (run.parameters.total, run.parameters.active, run.parameters.trained))
        changes = [_change(run.means.get(role)) for role in ROLE_TITLES]
        settings = [f"{run.learning_rate:g}", str(run.seed)]
        cost = [f"{run.tokens_per_s:,.0f}", *_cost(run)]
        loads = ", ".join(f"{kind} {low:.2f} to {high:.2f}" for kind, (low, high) in run.load_ratios.items())
        found = [_found(run, name) for name in MEASURES]
        rows.append(
            [result.methods[run.method], *changes, *found, *settings, *([loads] if has_loads else []), *counts, *cost]
        )
    counted = ["parameters", "active", "trained", "tokens/s", "processor time, min", "peak memory, GB"]
    counted = [*(["loads of experts, fair is 1"] if has_loads else []), *counted]
    return Grid(title, ["method", "learn", "keep", *MEASURES, "rate", "seed", *counted], rows)


def scores_by_language_table(result: ComparisonResult) -> Grid:
    """Change of bits per byte of every run in every language."""
    runs = _by_method(result)
    first = runs[0].languages if runs else {}
    header = ["method", "tokens", "rate", "seed", *(language_title(name, row.title) for name, row in first.items())]
    rows = [["base, bits per byte", "", "", "", *(f"{row.bpb_before:.3f}" for row in first.values())]]
    for run in runs:
        settings = [f"{run.tokens:,}", f"{run.learning_rate:g}", str(run.seed)]
        changes = [f"{100 * run.languages[name].change:+.1f}" for name in first]
        rows.append([result.methods[run.method], *settings, *changes])
    return Grid("Bits per byte by language, change from the base", header, rows if runs else [])


def solved_table(result: ComparisonResult, of_base: SolvedPrograms) -> Grid:
    """Programs that pass, by language, and what the corpus was decontaminated against."""
    base = of_base.languages
    titles = [f"{language_title(name, row.title)} (of {row.tasks})" for name, row in base.items()]
    rows = [["base", "", *_passed(base, base)]]
    for run in result.runs.values():
        if run.programs is not None:
            rows.append([result.methods[run.method], str(run.seed), *_passed(run.programs.languages, base)])
    notes = [f"{note[0].upper()}{note[1:]}." for note in status_notes(result.decontamination)]
    if any(part.parses_or_compiles is not None for part in base.values()):
        notes.append("In brackets: how many parse or compile.")
    return Grid("Programs that pass their tests", ["method", "seed", *titles, "all"], rows, notes=notes)


def _passed(programs: dict[str, Solved], names: dict[str, Solved]) -> list[str]:
    """Passed programs by language and in all, and in brackets the share that parses or compiles, where it is known.

    Empty where a language, or one of them, could not be judged.
    """
    counts = {name: round(part.pass_at_1 * part.tasks) for name, part in programs.items()}
    shares = {name: part.parses_or_compiles for name, part in programs.items()}
    built = {name: f" ({share:.0%})" for name, share in shares.items() if share is not None}
    in_all = str(sum(counts[name] for name in names)) if set(names) <= set(counts) else ""
    return [*(f"{counts.get(name, '')}{built.get(name, '')}" for name in names), in_all]


def answers_table(result: ComparisonResult) -> Grid:
    """The questions of the comparison and their answers, in numbers and in words."""
    rows = []
    for answer in result.answers:
        pair = f"{result.methods[answer.of]} against {result.methods[answer.against]}"
        means, place = answer.means, [f"{answer.tokens:,}", str(answer.seed)]
        changes = [_change(means.get(role)) for role in ROLE_TITLES]
        rows.append([answer.question, pair, *place, *changes, _verdict(means)])
    return Grid("Questions", ["question", "bits per byte of", "tokens", "seed", "learn", "keep", "in words"], rows)


def _verdict(means: dict[str, Change]) -> str:
    words = {"better": "better", "worse": "worse", "unclear": "no clear difference", "same": "the same"}
    told = {title: means[role].outcome for role, title in ROLE_TITLES.items() if role in means}
    return ", ".join(f"{words[outcome]} on {title}" for title, outcome in told.items())


def _cost(run: ComparedRun) -> list[str]:
    """Minutes of processor time and peak memory of training; runs of earlier versions did not record them."""
    seconds, peak = run.processor_s, run.peak_bytes
    return ["" if seconds is None else f"{seconds / 60:,.0f}", "" if peak is None else f"{peak / 1e9:.1f}"]


def _by_method(result: ComparisonResult) -> list[ComparedRun]:
    """The runs, long ones first, then by method as in its file, rate and seed."""
    methods = list(result.methods)
    return sorted(
        result.runs.values(), key=lambda run: (not run.is_long, methods.index(run.method), run.learning_rate, run.seed)
    )


def _change(change: Change | None) -> Text:
    if change is None:
        return Text("")
    low, high = change.interval
    return Text(f"{100 * change.change:+.1f}\n[{100 * low:+.1f}, {100 * high:+.1f}]", style_of_bits(change))


def _found(run: ComparedRun, name: str) -> str:
    """What a measure found, if it was taken, with the interval below the value."""
    found = getattr(run, name)
    return "" if found is None else MEASURES[name].cell(found).replace(" [", "\n[")


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f}M" if count >= 100_000 else f"{count / 1e3:.0f}k"
