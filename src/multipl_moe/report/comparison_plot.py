"""Gain against forgetting: every run of a comparison as a point, every method's rates as a curve."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multipl_moe.report.plots import plain_label

_COLOURS = (
    "#2a7f62",
    "#c2571a",
    "#3b6ea5",
    "#8a5aa8",
    "#b8860b",
    "#555555",
    "#c03a5b",
    "#1f9ab0",
    "#7a7a2a",
    "#000000",
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


def comparison_plot(result: dict[str, Any]) -> Figure:
    """Change on the languages to keep (x) and to learn (y), in per cent of the base's bits per byte; down left is best.

    Large points with intervals are long runs, hollow ones after a review; small ones, joined in the order of their
    rates, are short ones.

    Args:
        result: content of comparison.json.
    """
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    axes = figure.subplots()
    for number, (method, title) in enumerate(result["methods"].items()):
        runs = [run for run in result["runs"].values() if run["method"] == method and len(run["means"]) == 2]
        if runs:
            rounds, place = divmod(number, len(_COLOURS))
            style = {"color": _COLOURS[place], "marker": _MARKERS[(place + rounds) % len(_MARKERS)]}
            _draw(axes, runs, plain_label(title), style)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("languages to keep: change of bits per byte, %  (right of 0: forgotten)")
    axes.set_ylabel("languages to learn: change of bits per byte, %  (lower: learnt more)")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        has_long = any(run["is_long"] for run in result["runs"].values())
        title = f"large: {result['tokens']:,} tokens,\nwith 95% intervals; hollow: reviewed" if has_long else None
        figure.legend(loc="outside right upper", fontsize=8, title=title, title_fontsize=8, frameon=False)
    return figure


def _draw(axes: Axes, runs: list[dict[str, Any]], title: str, style: dict[str, Any]) -> None:
    short = sorted((run for run in runs if not run["is_long"]), key=lambda run: run["learning_rate"])
    long = [run for run in runs if run["is_long"] and not run["is_reviewed"]]
    reviewed = [run for run in runs if run["is_reviewed"]]
    if short:
        axes.plot(*_points(short), linewidth=1, markersize=4, alpha=0.6, label=None if long else title, **style)
        for run, x, y in zip(short, *_points(short), strict=True):
            rate = f"{run['learning_rate']:g}"
            axes.annotate(rate, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6, color=style["color"])
    if long:
        xs, ys = _points(long)
        errors = {f"{axis}err": _errors(long, role) for axis, role in (("x", "keep"), ("y", "learn"))}
        axes.errorbar(xs, ys, **errors, linestyle="none", markersize=9, elinewidth=0.7, label=title, **style)
    if reviewed:
        axes.plot(*_points(reviewed), linestyle="none", markersize=9, fillstyle="none", **style)


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
