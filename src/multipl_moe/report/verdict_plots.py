"""The verdict on programs as a plot: pass@1 by language, one model or two."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multipl_judge.languages.table import language_title
from multipl_moe.report.colours import BLUE, PALE, WORSE, colour_of_programs
from multipl_moe.report.plots import FONT_SIZE, plain_label, strip, write_beside
from multipl_moe.report.verdict_tables import is_few, passed_of
from multipl_moe.runs.verdict import Cell, Verdict

_Row = tuple[str, Cell, Cell | None, str]
"""Title of a language, its cell, the cell of the model before where there is one, and the colour of the bar."""


def verdict_plot(verdict: Verdict, width: float = 8) -> Figure:
    """pass@1 by language with 95% intervals, a panel for each benchmark; with one before, that model in grey above.

    A bar is green or red where it differs from the one before by more than noise. Of few problems the count is told,
    without an interval.
    """
    panels = _panels(verdict)
    heights = [len(rows) * (0.6 if verdict.before is not None else 0.4) + 0.3 for rows in panels.values()]
    figure = Figure(figsize=(width, sum(heights) + 0.3 * len(panels) + 0.8), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (benchmark, rows) in zip(grid, panels.items(), strict=True):
        _draw(axes, rows)
        axes.set_title(plain_label(benchmark), loc="left", fontsize=10, fontweight="bold")
    grid[-1].set_xlim(0, 100)
    grid[-1].set_xlabel("programs that pass their tests, %  ·  better →", fontsize=FONT_SIZE)
    missing = [language_title(name) for name in verdict.not_scored]
    if missing:
        figure.supxlabel(plain_label(f"not scored: {', '.join(missing)}"), fontsize=FONT_SIZE, color=WORSE)
    return figure


def _panels(verdict: Verdict) -> dict[str, list[_Row]]:
    """Rows by benchmark, top to bottom: languages to learn, to keep, others."""
    panels: dict[str, list[_Row]] = {}
    order = ["learn", "keep", None]
    for name, row, benchmark, cell in sorted(verdict.cells(), key=lambda found: order.index(found[1].role)):
        old = verdict.before and verdict.before.cell(name, benchmark)
        change = verdict.comparison and verdict.comparison.cell(name, benchmark)
        colour = colour_of_programs(change) if change is not None and not is_few(change.tasks) else BLUE
        panels.setdefault(benchmark, []).append((language_title(name, row.title), cell, old, colour))
    return panels or {"nothing was scored": []}


def _draw(axes: Axes, rows: list[_Row]) -> None:
    for y, (_, cell, old, colour) in enumerate(rows):
        if old is None:
            _bar(axes, y, 0.6, cell, colour, "")
        else:
            _bar(axes, y - 0.2, 0.36, old, PALE, " before")
            _bar(axes, y + 0.2, 0.36, cell, colour, " after")
    axes.set_yticks(range(len(rows)), [plain_label(title) for title, *_ in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    strip(axes)


def _bar(axes: Axes, y: float, height: float, cell: Cell, colour: str, when: str) -> None:
    rate = cell.pass_at_k[1]
    axes.barh(y, 100 * rate.value, color=colour, height=height)
    if not is_few(cell.tasks):
        axes.plot([100 * bound for bound in rate.interval], [y, y], color="black", linewidth=1.2)
    told = passed_of(cell.tasks, rate.value) if is_few(cell.tasks) else f"{rate.value:.1%}"
    write_beside(axes, y, f"{told}{when}")
