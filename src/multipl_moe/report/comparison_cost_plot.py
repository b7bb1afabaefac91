"""What each method learns at equal tokens and at equal time."""

from collections import Counter
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from multipl_moe.report.colours import colour_of_method
from multipl_moe.report.comparison_plot import MOST_MARKS
from multipl_moe.report.names_beside import NAME_COLUMNS, height_of_names, write_names
from multipl_moe.report.plots import FONT_SIZE, WIDE_ENOUGH, strip
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.result import ComparedRun

_LEFT, _BELOW, _ABOVE, _BETWEEN = 0.62, 0.5, 0.15, 0.15  # inches around the axes, and between panels


def cost_plot(result: ComparisonResult, width: float = 8) -> Figure | None:
    """Change on the languages to learn against tokens, and against minutes of processor time in training.

    Of each method the run of each length that learns most, of its least seed; eight methods at most, those that learn
    most. All are of the processor that most runs are of, as minutes of others do not compare. None where no run has its
    processor time.
    """
    ways = _ways(result)
    if not ways:
        return None
    is_wide = width >= WIDE_ENOUGH
    colours = [colour_of_method(result, way) for way in ways]
    names = [wrap(result.methods[way], NAME_COLUMNS if is_wide else NAME_COLUMNS // 2) for way in ways]
    height = max(2.8, height_of_names(names))
    axes_width = (width - _LEFT - _BETWEEN) * 0.32 if is_wide else (width - _LEFT) * 0.54
    total = (_ABOVE + height + _BELOW) * (1 if is_wide else 2)
    figure = Figure(figsize=(width, total))
    first, second = ((_LEFT, _BELOW), (_LEFT + axes_width + _BETWEEN, _BELOW))
    if not is_wide:
        first, second = (_LEFT, total / 2 + _BELOW), first
    left, right = (
        figure.add_axes((x / width, y / total, axes_width / width, height / total)) for x, y in (first, second)
    )
    for axes, x_of in ((left, lambda run: run.tokens / 1000), (right, _minutes)):
        for runs, colour in zip(ways.values(), colours, strict=True):
            xs, ys = zip(*((x_of(run), 100 * _learnt(run)) for run in runs), strict=True)
            axes.plot(xs, ys, color=colour, marker="o", markersize=6, linewidth=1.2)
        _scale(axes, ways)
    left.set_ylabel("← better  ·  languages to learn, %", fontsize=FONT_SIZE)
    left.set_xlabel("thousand tokens", fontsize=FONT_SIZE)
    right.set_xlabel("processor time, min", fontsize=FONT_SIZE)
    right.tick_params(labelleft=not is_wide)
    ends = [(_minutes(runs[-1]), 100 * _learnt(runs[-1])) for runs in ways.values()]
    write_names(right, ends, names, colours, height)
    return figure


def _ways(result: ComparisonResult) -> dict[str, list[ComparedRun]]:
    timed = [run for run in result.runs.values() if run.processor_s and "learn" in run.means]
    processors = Counter(_processor(run) for run in timed)
    timed = [run for run in timed if _processor(run) == processors.most_common(1)[0][0]]
    best: dict[str, dict[bool, ComparedRun]] = {}
    for run in sorted(timed, key=lambda run: (run.seed, _learnt(run))):
        best.setdefault(run.method, {}).setdefault(run.is_long, run)
    ways = {method: [runs[length] for length in (False, True) if length in runs] for method, runs in best.items()}
    has_long = any(True in runs for runs in best.values())
    chosen = sorted(ways, key=lambda way: (has_long and not ways[way][-1].is_long, _learnt(ways[way][-1])))
    return {way: ways[way] for way in chosen[:MOST_MARKS]}


def _processor(run: ComparedRun) -> str:
    return run.environment["machine"]["processor"]


def _minutes(run: ComparedRun) -> float:
    return (run.processor_s or 0) / 60


def _learnt(run: ComparedRun) -> float:
    return run.means["learn"].change


def _scale(axes: Axes, ways: dict[str, list[ComparedRun]]) -> None:
    changes = [100 * _learnt(run) for runs in ways.values() for run in runs]
    axes.set_ylim(min(changes) - 1, max(changes) + 1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    strip(axes)
