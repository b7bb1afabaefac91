"""Gain against forgetting: where each method of a comparison stands, with its name beside its mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, MaxNLocator

from multipl_moe.report.colours import PAPER, colour_of_method
from multipl_moe.report.names_beside import NAME_COLUMNS, height_of_names, write_names
from multipl_moe.report.plots import FONT_SIZE, WIDE_ENOUGH, strip
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.result import ComparedRun

MOST_MARKS = 8
"""In a panel, so that each can have its name beside it."""
_LINEAR_PER_CENT = 10  # one run that forgets much must not squeeze all others
_TICKS = (-50, -20, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 20, 50, 100)
_LEFT, _BELOW, _ABOVE = 0.62, 0.55, 0.32  # inches around the axes


@dataclass(frozen=True)
class _Mark:
    """A run, its label and colour, and whether no other of as many tokens is better on both kinds of language."""

    run: ComparedRun
    label: str
    colour: str
    is_best: bool

    def point(self) -> tuple[float, float]:
        """Per cent on the languages to keep and to learn."""
        keep, learn = (100 * self.run.means[role].change for role in ("keep", "learn"))
        return keep, learn

    def bounds(self, role: str) -> tuple[float, float]:
        low, high = (100 * bound for bound in self.run.means[role].interval)
        return low, high


def comparison_plot(result: ComparisonResult, width: float = 8) -> Figure | None:
    """Change on the languages to keep (x) and to learn (y), in per cent of the base's bits per byte: fewer is better,
    so the best stand at the bottom left.

    One run a method, of the long ones where there are some, eight at most: those that none beats on both, as full
    marks, then in the order of the comparison. `comparison_rest_plot` has the others. None where no run is finished, or
    none has both kinds of language.
    """
    chosen = _chosen(result)
    return _figure([chosen], width) if chosen else None


def comparison_rest_plot(result: ComparisonResult, width: float = 8) -> Figure | None:
    """The runs that `comparison_plot` leaves out, in panels of eight; None without such."""
    panels = _rest(result)
    return _figure(panels, width) if panels else None


def _rest(result: ComparisonResult) -> list[list[_Mark]]:
    chosen = {id(mark.run) for mark in _chosen(result)}
    panels = []
    for is_long in (True, False):
        rest = [mark for mark in _marks(result, is_long=is_long) if id(mark.run) not in chosen]
        panels += [rest[start : start + MOST_MARKS] for start in range(0, len(rest), MOST_MARKS)]
    return panels


def _chosen(result: ComparisonResult) -> list[_Mark]:
    marks = _marks(result, is_long=True) or _marks(result, is_long=False)
    of_methods: dict[str, _Mark] = {}
    for mark in sorted(marks, key=lambda mark: (not mark.is_best, mark.point()[1])):
        of_methods.setdefault(mark.run.method, mark)
    in_order = [of_methods[method] for method in result.methods if method in of_methods]
    return sorted(in_order, key=lambda mark: not mark.is_best)[:MOST_MARKS]


def _marks(result: ComparisonResult, *, is_long: bool) -> list[_Mark]:
    """Those of one length in the order of methods and rates; rate and seed are told where a method has several."""
    best = {name for names in result.undominated.values() for name in names}
    marks = []
    for method, title in result.methods.items():
        own = {name: run for name, run in result.runs.items() if run.method == method}
        runs = {name: run for name, run in own.items() if run.is_long == is_long}
        rates = {run.learning_rate for run in runs.values()}
        seeds = {run.seed for run in runs.values()}
        for name, run in sorted(runs.items(), key=lambda item: item[1].learning_rate):
            rate = f", {run.learning_rate:g}" if len(rates) > 1 else ""
            seed = f", seed {run.seed}" if len(seeds) > 1 else ""
            if len(run.means) == 2:
                marks.append(_Mark(run, f"{title}{rate}{seed}", colour_of_method(result, method), name in best))
    return marks


def _figure(panels: list[list[_Mark]], width: float) -> Figure:
    """A panel below the other, all on the same scales, as high as their labels need."""
    columns = NAME_COLUMNS if width >= WIDE_ENOUGH else NAME_COLUMNS // 2
    labels = [[wrap(mark.label, columns) for mark in marks] for marks in panels]
    heights = [max(2.8, height_of_names(texts)) for texts in labels]
    total = sum(heights) + len(heights) * (_BELOW + _ABOVE)
    figure = Figure(figsize=(width, total))
    axes_width = (width - _LEFT) * (0.62 if width >= WIDE_ENOUGH else 0.54)
    marks_of_all = [mark for marks in panels for mark in marks]
    top = total
    for marks, texts, height in zip(panels, labels, heights, strict=True):
        top -= _ABOVE + height
        axes = figure.add_axes((_LEFT / width, top / total, axes_width / width, height / total))
        top -= _BELOW
        _scale(axes, marks_of_all, width)
        for mark in marks:
            _draw(axes, mark)
        write_names(axes, [mark.point() for mark in marks], texts, [mark.colour for mark in marks], height)
        if marks:
            axes.set_title(f"{marks[0].run.tokens:,} tokens", loc="left", fontsize=10, fontweight="bold")
    return figure


def _draw(axes: Axes, mark: _Mark) -> None:
    (x, y), colour = mark.point(), mark.colour
    axes.plot(mark.bounds("keep"), [y, y], color=colour, linewidth=0.8, alpha=0.6)
    axes.plot([x, x], mark.bounds("learn"), color=colour, linewidth=0.8, alpha=0.6)
    face = colour if mark.is_best else PAPER
    axes.plot([x], [y], color=colour, marker="o", markersize=8, markerfacecolor=face, label=mark.label)


def _scale(axes: Axes, marks: Sequence[_Mark], width: float) -> None:
    """In per cent; the axis of the languages to keep is logarithmic beyond 10%."""
    xs = [bound for mark in marks for bound in mark.bounds("keep")] or [0]
    ys = [bound for mark in marks for bound in mark.bounds("learn")] or [0]
    axes.set_xlim(min(*xs, 0) - 1, max(*xs, 0) + 1)
    axes.set_ylim(min(ys) - 1, max(ys) + 1)
    is_bent = max(map(abs, xs)) > _LINEAR_PER_CENT
    if is_bent:
        axes.set_xscale("symlog", linthresh=_LINEAR_PER_CENT, linscale=2)
        axes.xaxis.set_major_locator(FixedLocator(_TICKS if width >= WIDE_ENOUGH else _TICKS[::2]))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6 if width >= WIDE_ENOUGH else 4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    bent = f"; beyond {_LINEAR_PER_CENT} logarithmic" if is_bent else ""
    long = f" (0: as the base{bent})" if width >= WIDE_ENOUGH else ""
    axes.set_xlabel(f"← better  ·  languages to keep, %{long}", fontsize=FONT_SIZE)
    axes.set_ylabel("← better  ·  languages to learn, %", fontsize=FONT_SIZE)
    strip(axes)
