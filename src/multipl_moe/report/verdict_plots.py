"""The verdict on programs as a plot: pass@1 by language, one model or two."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from multipl_moe.languages.table import language_title
from multipl_moe.report.plots import plain_label

_BEFORE = "#b9c2cc"
_COLOURS: dict[str | None, str] = {"learn": "#2a7f62", "keep": "#3b6ea5", None: "#55606e"}
_LABELS: dict[str | None, str] = {"learn": "languages to learn", "keep": "languages to keep", None: "this model"}
_Row = tuple[str, str | None, dict[str, Any], dict[str, Any] | None]
"""Title of a language, its role, its cell, and the cell of the model before where there is one."""


def verdict_plot(verdict: dict[str, Any]) -> Figure:
    """pass@1 by language with 95% intervals, a panel for each benchmark; with "before", that model in grey above."""
    panels = _panels(verdict)
    heights = [len(rows) * (0.62 if "before" in verdict else 0.45) + 0.5 for rows in panels.values()]
    figure = Figure(figsize=(8, sum(heights) + 1.3), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})
    bottom = grid[-1, 0]
    for axes, (benchmark, rows) in zip(grid[:, 0], panels.items(), strict=True):
        _draw(axes, rows)
        axes.set_title(plain_label(benchmark), loc="left", fontsize=10, fontweight="bold")
    highest = max((100 * bound for rows in panels.values() for row in rows for bound in _bounds(row)), default=99)
    right = min(highest * 1.2 + 2, 112)  # room for the labels
    bottom.set_xticks([tick for tick in MaxNLocator(6).tick_values(0, right) if 0 <= tick <= min(right, 100)])
    bottom.set_xlim(0, right)
    bottom.set_xlabel("programs that pass their tests at the first try, % (right is better; line: 95% interval)")
    missing = [language_title(name) for name in verdict["not_scored"]]
    if missing:
        figure.supxlabel(plain_label(f"not scored: {', '.join(missing)}"), fontsize=9, color="#b3261e")
    roles = {role: None for rows in panels.values() for _, role, _, _ in rows}
    handles = [Patch(color=_COLOURS[role], label=_LABELS[role]) for role in _LABELS if role in roles]
    if "before" in verdict:
        handles.insert(0, Patch(color=_BEFORE, label="before"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=9, frameon=False)
    return figure


def _panels(verdict: dict[str, Any]) -> dict[str, list[_Row]]:
    """Rows by benchmark, top to bottom: languages to learn, to keep, others."""
    before = verdict.get("before", {"languages": {}})["languages"]
    panels: dict[str, list[_Row]] = {}
    order = list(_COLOURS)
    for name, row in sorted(verdict["languages"].items(), key=lambda item: order.index(item[1]["role"])):
        for benchmark, cell in row["benchmarks"].items():
            old = before.get(name, {"benchmarks": {}})["benchmarks"].get(benchmark)
            panels.setdefault(benchmark, []).append((language_title(name, row), row["role"], cell, old))
    return panels or {"nothing was scored": []}


def _draw(axes: Axes, rows: list[_Row]) -> None:
    for y, (_, role, cell, old) in enumerate(rows):
        if old is None:
            _bar(axes, y, 0.62, cell, _COLOURS[role])
        else:
            _bar(axes, y - 0.2, 0.36, old, _BEFORE)
            _bar(axes, y + 0.2, 0.36, cell, _COLOURS[role])
    axes.set_yticks(range(len(rows)), [plain_label(title) for title, *_ in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.spines[["top", "right"]].set_visible(False)


def _bar(axes: Axes, y: float, height: float, cell: dict[str, Any], colour: str) -> None:
    rate = cell["pass_at_k"]["1"]
    value, (low, high) = 100 * rate["value"], (100 * bound for bound in rate["interval"])
    axes.barh(y, value, color=colour, height=height)
    axes.plot([low, high], [y, y], color="black", linewidth=1.2)
    place = {"xytext": (6, 0), "textcoords": "offset points", "ha": "left", "va": "center"}
    axes.annotate(f"{value:.1f}%", (max(high, value), y), fontsize=9, **place)


def _bounds(row: _Row) -> list[float]:
    return [cell["pass_at_k"]["1"]["interval"][1] for cell in row[2:] if cell is not None]
