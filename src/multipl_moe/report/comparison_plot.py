"""Gain against forgetting: every run of a comparison as a point, every method's rates as a curve."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter

from multipl_moe.report.plots import plain_label

_COLOURS = (
    *("#2a7f62", "#c2571a", "#3b6ea5", "#8a5aa8", "#b8860b"),
    *("#555555", "#c03a5b", "#1f9ab0", "#7a7a2a", "#000000"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
_LINEAR_PER_CENT = 10  # one run that forgets much must not squeeze all others
_TICKS = (-50, -20, *range(-10, 11, 2), 20, 50, 100)


def comparison_plot(result: dict[str, Any]) -> Figure:
    """Change on the languages to keep (x) and to learn (y), in per cent of the base's bits per byte; down left is best.

    Long runs have a panel with intervals, hollow ones are those after a review; short ones have another, where those
    of one method are joined in the order of their rates, of which the least and the greatest are written. The x axis
    is logarithmic beyond 10%.
    """
    lengths = [
        is_long for is_long in (True, False) if any(run["is_long"] == is_long for run in result["runs"].values())
    ]
    figure = Figure(figsize=(7 * max(len(lengths), 1), 8), layout="constrained")
    panels = figure.subplots(1, max(len(lengths), 1), squeeze=False)[0]
    handles: dict[str, Any] = {}
    for axes, is_long in zip(panels, lengths, strict=False):
        for number, (method, title) in enumerate(result["methods"].items()):
            runs = [run for run in result["runs"].values() if run["method"] == method and run["is_long"] == is_long]
            if runs := [run for run in runs if len(run["means"]) == 2]:
                (_draw_long if is_long else _draw_short)(axes, runs, plain_label(title), _style(number))
        notes = "95% intervals; hollow: reviewed" if is_long else "curves over learning rates"
        axes.set_title(f"{result['tokens' if is_long else 'curve_tokens']:,} tokens\n{notes}", fontsize=10)
        handles |= {str(handle.get_label()): handle for handle in axes.get_legend_handles_labels()[0]}
    for axes in panels:
        _finish(axes)
    if handles:
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _style(number: int) -> dict[str, Any]:
    rounds, place = divmod(number, len(_COLOURS))
    return {"color": _COLOURS[place], "marker": _MARKERS[(place + rounds) % len(_MARKERS)]}


def _draw_long(axes: Axes, runs: list[dict[str, Any]], title: str, style: dict[str, Any]) -> None:
    trained = [run for run in runs if not run["is_reviewed"]]
    reviewed = [run for run in runs if run["is_reviewed"]]
    errors = {f"{axis}err": _errors(trained, role) for axis, role in (("x", "keep"), ("y", "learn"))}
    axes.errorbar(*_points(trained), **errors, linestyle="none", markersize=9, elinewidth=0.7, label=title, **style)
    axes.plot(*_points(reviewed), linestyle="none", markersize=9, fillstyle="none", **style)


def _draw_short(axes: Axes, runs: list[dict[str, Any]], title: str, style: dict[str, Any]) -> None:
    runs = sorted(runs, key=lambda run: run["learning_rate"])
    xs, ys = _points(runs)
    axes.plot(xs, ys, linewidth=1, markersize=6, alpha=0.8, label=title, **style)
    if len(runs) > 1:
        for place in (0, -1):
            rate = f"{runs[place]['learning_rate']:g}"
            near = (xs[place], ys[place])
            axes.annotate(rate, near, xytext=(4, 4), textcoords="offset points", fontsize=7, color=style["color"])


def _finish(axes: Axes) -> None:
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=_LINEAR_PER_CENT, linscale=2)
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%d"))
    axes.set_xlabel("programming languages to keep: change of bits per byte, %  (right of 0: forgotten)")
    axes.set_ylabel("languages to learn: change of bits per byte, %  (lower: learnt more)")
    axes.spines[["top", "right"]].set_visible(False)


def _points(runs: list[dict[str, Any]]) -> tuple[list[float], list[float]]:
    xs, ys = ([100 * run["means"][role]["change"] for run in runs] for role in ("keep", "learn"))
    return xs, ys


def _errors(runs: list[dict[str, Any]], role: str) -> list[list[float]]:
    """Distances from the value to both ends of the interval."""
    means = [run["means"][role] for run in runs]
    return [
        [100 * (mean["change"] - mean["interval"][0]) for mean in means],
        [100 * (mean["interval"][1] - mean["change"]) for mean in means],
    ]
