"""The plots of a comparison: gain against forgetting, and what is learnt at equal tokens and at equal time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, MaxNLocator

from multipl_moe.report.colours import PAPER, colour_of_method
from multipl_moe.report.plots import FONT_SIZE, WIDE_ENOUGH, plain_label, strip
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.result import ComparedRun

_MOST_MARKS = 8  # in a panel, so that each can have its name beside it
_NAME_COLUMNS = 34  # letters of a line of a name, on a wide plot; on a narrow one half of them
_LINE, _GAP = FONT_SIZE * 1.25 / 72, 0.12  # inches of a line of a name, and between names
_LEAST_HEIGHT = 2.8  # inches of axes
_LEFT, _BELOW, _ABOVE = 0.62, 0.55, 0.32  # inches around the axes
_LINEAR_PER_CENT = 10  # one run that forgets much must not squeeze all others
_TICKS = (-50, -20, -10, -8, -6, -4, -2, 0, 2, 4, 6, 8, 10, 20, 50, 100)


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
    chosen = {id(mark.run) for mark in _chosen(result)}
    panels = []
    for is_long in (True, False):
        rest = [mark for mark in _marks(result, is_long=is_long) if id(mark.run) not in chosen]
        panels += [rest[start : start + _MOST_MARKS] for start in range(0, len(rest), _MOST_MARKS)]
    return _figure(panels, width) if panels else None


def _chosen(result: ComparisonResult) -> list[_Mark]:
    marks = _marks(result, is_long=True) or _marks(result, is_long=False)
    of_methods: dict[str, _Mark] = {}
    for mark in sorted(marks, key=lambda mark: (not mark.is_best, mark.point()[1])):
        of_methods.setdefault(mark.run.method, mark)
    in_order = [of_methods[method] for method in result.methods if method in of_methods]
    return sorted(in_order, key=lambda mark: not mark.is_best)[:_MOST_MARKS]


def _marks(result: ComparisonResult, *, is_long: bool) -> list[_Mark]:
    """Those of one length in the order of methods and rates; rate and seed are told where a method has several."""
    best = {name for names in result.undominated.values() for name in names}
    marks = []
    for method, title in result.methods.items():
        runs = [one for one in result.runs.items() if one[1].method == method and one[1].is_long == is_long]
        rates, seeds = {run.learning_rate for _, run in runs}, {run.seed for _, run in runs}
        for name, run in sorted(runs, key=lambda one: one[1].learning_rate):
            rate = f", {run.learning_rate:g}" if len(rates) > 1 else ""
            seed = f", seed {run.seed}" if len(seeds) > 1 else ""
            if len(run.means) == 2:
                marks.append(_Mark(run, f"{title}{rate}{seed}", colour_of_method(result, method), name in best))
    return marks


def _figure(panels: list[list[_Mark]], width: float) -> Figure:
    """A panel below the other, all on the same scales, as high as their labels need."""
    labels = [_wrapped([mark.label for mark in marks], width) for marks in panels]
    heights = [max(_LEAST_HEIGHT, _height_of(names)) for names in labels]
    total = sum(heights) + len(heights) * (_BELOW + _ABOVE)
    figure = Figure(figsize=(width, total))
    axes_width = (width - _LEFT) * (0.62 if width >= WIDE_ENOUGH else 0.54)
    marks_of_all = [mark for marks in panels for mark in marks]
    top = total
    for marks, names, height in zip(panels, labels, heights, strict=True):
        top -= _ABOVE + height
        axes = figure.add_axes((_LEFT / width, top / total, axes_width / width, height / total))
        top -= _BELOW
        _scale(axes, marks_of_all, width)
        for mark in marks:
            _draw(axes, mark)
        _write_names(axes, [mark.point() for mark in marks], names, [mark.colour for mark in marks], height)
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
    xs = [bound for mark in marks for bound in mark.bounds("keep")]
    ys = [bound for mark in marks for bound in mark.bounds("learn")]
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


def cost_plot(result: ComparisonResult, width: float = 8) -> Figure | None:
    """Change on the languages to learn against tokens, and against minutes of processor time in training.

    Of each method the run of each length that learns most, of its least seed; eight methods at most, those that learn
    most. All are of the processor that most runs are of, as minutes of others do not compare. None where no run has its
    processor time.
    """
    ways = _ways(result)
    if not ways:
        return None
    is_wide, below, above, between = width >= WIDE_ENOUGH, 0.5, 0.15, 0.15
    colours = [colour_of_method(result, way) for way in ways]
    names = _wrapped([result.methods[way] for way in ways], width)
    height = max(_LEAST_HEIGHT, _height_of(names))
    axes_width = (width - _LEFT - between) * 0.32 if is_wide else (width - _LEFT) * 0.54
    total = (above + height + below) * (1 if is_wide else 2)
    figure = Figure(figsize=(width, total))
    second = (_LEFT + axes_width + between if is_wide else _LEFT, below)
    places = [(_LEFT, below if is_wide else total / 2 + below), second]
    left, right = (figure.add_axes((x / width, y / total, axes_width / width, height / total)) for x, y in places)
    for axes, x_of in ((left, lambda run: run.tokens / 1000), (right, _minutes)):
        for runs, colour in zip(ways.values(), colours, strict=True):
            xs, ys = zip(*((x_of(run), 100 * _learnt(run)) for run in runs), strict=True)
            axes.plot(xs, ys, color=colour, marker="o", markersize=6, linewidth=1.2)
        changes = [100 * _learnt(run) for runs in ways.values() for run in runs]
        axes.set_ylim(min(changes) - 1, max(changes) + 1)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        strip(axes)
    left.set_ylabel("← better  ·  languages to learn, %", fontsize=FONT_SIZE)
    left.set_xlabel("thousand tokens", fontsize=FONT_SIZE)
    right.set_xlabel("processor time, min", fontsize=FONT_SIZE)
    right.tick_params(labelleft=not is_wide)
    ends = [(_minutes(runs[-1]), 100 * _learnt(runs[-1])) for runs in ways.values()]
    _write_names(right, ends, names, colours, height)
    return figure


def _ways(result: ComparisonResult) -> dict[str, list[ComparedRun]]:
    timed = [run for run in result.runs.values() if run.processor_s and "learn" in run.means]
    processors = [run.environment["machine"]["processor"] for run in timed]
    usual = Counter(processors).most_common(1)
    timed = [run for run, processor in zip(timed, processors, strict=True) if processor == usual[0][0]]
    best: dict[str, dict[bool, ComparedRun]] = {}
    for run in sorted(timed, key=lambda run: (run.seed, _learnt(run))):
        best.setdefault(run.method, {}).setdefault(run.is_long, run)
    ways = {method: [runs[length] for length in (False, True) if length in runs] for method, runs in best.items()}
    has_long = any(True in runs for runs in best.values())
    chosen = sorted(ways, key=lambda way: (has_long and not ways[way][-1].is_long, _learnt(ways[way][-1])))
    return {way: ways[way] for way in chosen[:_MOST_MARKS]}


def _minutes(run: ComparedRun) -> float:
    return (run.processor_s or 0) / 60


def _learnt(run: ComparedRun) -> float:
    return run.means["learn"].change


def _wrapped(names: Sequence[str], width: float) -> list[list[str]]:
    columns = _NAME_COLUMNS if width >= WIDE_ENOUGH else _NAME_COLUMNS // 2
    return [wrap(name, columns) for name in names]


def _height_of(names: Sequence[Sequence[str]]) -> float:
    """Inches that names, each of some lines, need below each other."""
    return sum(len(lines) * _LINE + _GAP for lines in names)


def _write_names(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[Sequence[str]],
    colours: Sequence[str],
    height: float,
) -> None:
    """Write the names to the right of axes of a height in inches, none over another, each with a line to its point."""
    order = sorted(range(len(points)), key=lambda place: -points[place][1])
    halves = [_height_of([names[place]]) / 2 / height for place in order]
    wanted = [axes.transAxes.inverted().transform(axes.transData.transform(points[place]))[1] for place in order]
    line: dict[str, Any] = {"arrowstyle": "-", "linewidth": 0.7, "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 5}
    for place, y in zip(order, _apart(wanted, halves), strict=True):
        axes.annotate(
            plain_label("\n".join(names[place])),
            points[place],
            xytext=(1.05, y),
            textcoords="axes fraction",
            va="center",
            fontsize=FONT_SIZE,
            arrowprops=line | {"color": colours[place]},
        )


def _apart(wanted: Sequence[float], halves: Sequence[float]) -> list[float]:
    """Places between 1 and 0, from the top, as near to those wanted as they can be `halves` apart on either side."""
    places: list[float] = []
    ceiling = 1.0
    for want, half in zip(wanted, halves, strict=True):
        places.append(min(want, ceiling - half))
        ceiling = places[-1] - half
    floor = 0.0
    for index in reversed(range(len(places))):
        places[index] = max(places[index], floor + halves[index])
        floor = places[index] + halves[index]
    return places
