"""The result of a comparison: a page in Markdown and one in HTML, with the plot of gain against forgetting."""

from collections import Counter
from functools import partial
from pathlib import Path

from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE
from multipl_moe.report.colours import CSS_VARIABLES, FAMILIES
from multipl_moe.report.comparison_plots import comparison_plot, comparison_rest_plot, cost_plot
from multipl_moe.report.comparison_tables import answers_table, runs_table, scores_by_language_table, solved_table
from multipl_moe.report.grid import Grid
from multipl_moe.report.page import picture, rendered
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.folder import write_text
from multipl_moe.runs.result import ComparedRun

_PNG_DPI = 150


def write_comparison(output: Path, result: ComparisonResult) -> None:
    """Write comparison.md, comparison.html and their pictures into a folder, from the content of comparison.json."""
    write_comparison_pictures(output, result)
    write_text(output / "comparison.md", comparison_markdown(result))
    write_text(output / "comparison.html", comparison_html(result))


def write_comparison_pictures(output: Path, result: ComparisonResult) -> None:
    """Write comparison.png, comparison-rest.png and comparison-cost.png, where there is something to show."""
    figures = {"": comparison_plot(result), "-rest": comparison_rest_plot(result), "-cost": cost_plot(result)}
    for name, figure in figures.items():
        if figure is not None:
            figure.savefig(output / f"comparison{name}.png", dpi=_PNG_DPI)


def comparison_markdown(result: ComparisonResult) -> str:
    """comparison.md: summary, plots beside it, and all tables."""
    parts = [f"# {result.title}"]
    if comparison_plot(result):
        parts.append("![gain against forgetting](comparison.png)")
    best = [
        f"- {tokens:,} tokens: {'; '.join(_run_name(result, run) for run in runs) or 'none yet'}."
        for tokens, runs in _undominated(result)
    ]
    summary = f"{_WHAT} No run of as many tokens beats these on both languages to learn and to keep:"
    parts.append("\n".join([summary, "", *best]))
    if result.runs:
        parts.append(_dtypes(result))
    parts += [table.to_markdown() for table in _tables(result)]
    if cost_plot(result):
        parts.append(f"## {_COST}\n\n{_COST_NOTE}\n\n![{_COST}](comparison-cost.png)")
    if comparison_rest_plot(result):
        parts.append("## Other runs\n\n![the other runs](comparison-rest.png)")
    return "\n\n".join(parts) + "\n"


def comparison_html(result: ComparisonResult) -> str:
    """comparison.html: what is best, the plot, the table, and the rest folded away; it loads nothing."""
    pictures = {
        "plot": picture("plot", "Change on languages to learn and to keep", partial(comparison_plot, result)),
        "rest": picture("rest", "The same of the other runs", partial(comparison_rest_plot, result)),
        "cost": picture("cost", _COST, partial(cost_plot, result)),
    }
    first, *others = _tables(result)
    return rendered(
        "comparison.html.j2",
        title=result.title,
        best=[
            (tokens, list(dict.fromkeys(result.methods[run.method] for run in runs)))
            for tokens, runs in _undominated(result)
            if runs
        ],
        bits_per_byte=BITS_PER_BYTE_NOTE,
        what=_WHAT,
        families=[
            (CSS_VARIABLES[colour], title)
            for family, (colour, title) in FAMILIES.items()
            if family in result.families.values()
        ],
        first=first,
        others=others,
        dtypes=_dtypes(result) if result.runs else None,
        cost_note=_COST_NOTE,
        cost_title=_COST,
        **pictures,
    )


def _tables(result: ComparisonResult) -> list[Grid]:
    """All tables with something in them, the most important first; that by language stands whatever it holds."""
    tables = [
        runs_table(result, f"Each method at {result.tokens:,} tokens", is_long=True),
        runs_table(result, f"Curves: learning rates at {result.curve_tokens or 0:,} tokens", is_long=False),
    ]
    tables = [table for table in tables if table.rows] + [scores_by_language_table(result)]
    if result.base is not None:
        tables.append(solved_table(result, result.base))
    return [*tables, answers_table(result)] if result.answers else tables


_COST = "Learnt at equal tokens and at equal time"
_COST_NOTE = (
    "Of each method the run of each length that learns most, with the least seed; the eight methods that learn most. "
    "Runs on other processors than most are left out."
)
_WHAT = (
    "Change of bits per byte on held-out files, in per cent of the base's: less is better in both columns. Means "
    "are over programming languages; English stands by itself. "
) + " ".join(f"{name.capitalize()}: {measure.brief_note}." for name, measure in MEASURES.items())


def _undominated(result: ComparisonResult) -> list[tuple[int, list[ComparedRun]]]:
    """Number of tokens, and the runs of so many that none beats on both kinds of language."""
    lengths = (("long", result.tokens), ("short", result.curve_tokens))
    return [
        (tokens, [result.runs[name] for name in result.undominated[length]])
        for length, tokens in lengths
        if tokens is not None
    ]


def _run_name(result: ComparisonResult, run: ComparedRun) -> str:
    return f"{result.methods[run.method]} (rate {run.learning_rate:g}, seed {run.seed})"


def _dtypes(result: ComparisonResult) -> str:
    counts = Counter(run.compute_dtype for run in result.runs.values())
    return f"{', '.join(f'{count:,} runs computed in {dtype}' for dtype, count in counts.most_common())}."
