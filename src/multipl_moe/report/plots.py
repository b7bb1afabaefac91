"""Plots of a run, as matplotlib figures: static, so that a report is one small file that works offline.

Each is drawn for a width in inches; letters keep their size. On a narrow one there are fewer words.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multipl_judge.languages.table import language_title
from multipl_moe.report.colours import BLUE, ORANGE, PALE, PAPER, PURPLE, WORSE, colour_of_bits, colour_of_programs
from multipl_moe.report.comparison_tables import ROLE_TITLES
from multipl_moe.report.verdict_tables import is_few, passed_of
from multipl_moe.runs.result import Changes, Routing
from multipl_moe.runs.verdict import Cell, Verdict

FONT_SIZE = 9  # points: 12 pixels on a screen
WIDE_ENOUGH = 6  # inches, for all words
_WIDEST, _LEAST_PER_CENT = 2, 10  # an interval is drawn as far as so many times the largest change, and so far at least


def gain_plot(found: Changes, width: float = 8) -> Figure:
    """Change of bits per byte by language with 95% intervals: left of zero is better, and green where that is sure.

    A panel for the languages to learn and one for those to keep, each with a dotted line at its mean; numbers stand to
    the right of the bars. An interval so wide that it would flatten all bars is cut, and ends in an arrow.
    """
    panels = {role: [item for item in found.languages.items() if item[1].role == role] for role in ROLE_TITLES}
    most = max(_WIDEST * max(abs(100 * row.change) for row in found.languages.values()), _LEAST_PER_CENT)
    panels = {role: rows for role, rows in panels.items() if rows}
    heights = [len(rows) for rows in panels.values()]
    figure, grid = stacked(width, 0.36 * sum(heights) + 0.4 * len(panels) + 0.7, heights)
    for axes, (role, rows) in zip(grid, panels.items(), strict=True):
        axes.set_title(ROLE_TITLES[role], loc="left", fontsize=10, fontweight="bold")
        if len(rows) > 1 and (mean := found.means.get(role)):
            axes.axvline(100 * mean.change, color="grey", linewidth=1, linestyle=":")
        for y, (_, row) in enumerate(rows):
            bounds = [100 * bound for bound in row.interval]
            low, high = np.clip(bounds, -most, most).tolist()
            axes.barh(y, 100 * row.change, color=colour_of_bits(row), height=0.6)
            if row.files > 1:
                axes.plot([low, high], [y, y], color="black", linewidth=1.2)
            for shown, bound, arrow in zip((low, high), bounds, "<>", strict=True):
                if shown != bound and row.files > 1:
                    axes.plot([shown], [y], color="black", marker=arrow, markersize=5)
            told = f"  ({row.bpb_before:.2f} → {row.bpb_after:.2f})" if width >= WIDE_ENOUGH else ""
            write_beside(axes, y, f"{100 * row.change:+.1f}%{told}")
        axes.set_yticks(range(len(rows)), [plain_label(language_title(name, row.title)) for name, row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.axvline(0, color="black", linewidth=0.8)
        strip(axes)
    bounds = [100 * bound for rows in panels.values() for _, row in rows for bound in (*row.interval, row.change)]
    low, high = max(min(*bounds, -1), -most), min(max(*bounds, 1), most)
    grid[-1].set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    what = "change of bits per byte, %" if width >= WIDE_ENOUGH else "bits per byte, %"
    grid[-1].set_xlabel(f"← better  ·  {what}  ·  worse →", fontsize=FONT_SIZE)
    return figure


def training_plot(records: list[dict[str, Any]], held_out: list[dict[str, Any]], width: float = 8) -> Figure:
    """Loss, that on held-out text where it was measured, and router balance over the tokens trained on."""
    tokens = [record["tokens"] / 1000 for record in records]
    bands = {kind: _load_band(records, f"{kind}_load") for kind in ("segment", "token")}
    bands = {kind: band for kind, band in bands.items() if band is not None}
    figure, panels = stacked(width, 4.6 if bands else 2.6, [1] * (2 if bands else 1))
    panels[0].plot(tokens, [record["loss"] for record in records], color=BLUE, label="training text")
    if held_out:
        points = [record["tokens"] / 1000 for record in held_out]
        panels[0].plot(points, [record["loss"] for record in held_out], color=ORANGE, marker=".", label="held-out text")
    panels[0].set_ylabel("loss", fontsize=FONT_SIZE)
    if bands:
        for kind, (lows, highs) in bands.items():
            colour = ORANGE if kind == "token" else PURPLE
            panels[1].fill_between(tokens, lows, highs, color=colour, alpha=0.4, label=f"{kind} experts, least to most")
        panels[1].axhline(1, color="black", linewidth=0.8)
        panels[1].set_ylabel("load / fair share", fontsize=FONT_SIZE)
    panels[-1].set_xlabel("thousand tokens", fontsize=FONT_SIZE)
    for axes in panels:
        strip(axes)
        place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1)}
        axes.legend(**place, ncols=2 if width >= WIDE_ENOUGH else 1, fontsize=FONT_SIZE, frameon=False)
    return figure


def expert_heat_map(
    routing: Routing, key: str, titles: Mapping[str, str], width: float = 8, label: str | None = None
) -> Figure | None:
    """Share of tokens (`token_load`, without the shared expert) or segments (`segment_load`) that each expert serves.

    Languages by layers and experts; None where no layer has such experts. Many experts make it wider. `label` is of
    the colours, where they show something else.
    """
    layers = list(next(iter(routing.values()), {}))
    loads_NLE = np.array([[_loads(summaries[layer], key) for layer in layers] for summaries in routing.values()])
    if not loads_NLE.size:
        return None
    num_names, num_layers, num_experts = loads_NLE.shape
    wide_enough = max(width, 0.22 * num_layers * num_experts + 2)
    figure = Figure(figsize=(wide_enough, 0.4 * num_names + 1.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(loads_NLE.reshape(num_names, -1), aspect="auto", cmap="YlGnBu", vmin=0)
    axes.set_yticks(range(num_names), [plain_label(titles.get(name, name)) for name in routing])
    centres = [index * num_experts + (num_experts - 1) / 2 for index in range(num_layers)]
    axes.set_xticks(centres, [str(layer) for layer in layers])
    for index in range(1, num_layers):
        axes.axvline(index * num_experts - 0.5, color=PAPER, linewidth=2)
    label = label or f"share of the {'tokens' if key == 'token_load' else 'segments'}"
    axes.set_xlabel(f"layer ({num_experts} expert{'s' if num_experts > 1 else ''} each)", fontsize=FONT_SIZE)
    figure.colorbar(image, ax=axes).set_label(label, fontsize=FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE)
    return figure


_Row = tuple[str, Cell, Cell | None, str]
"""Title of a language, its cell, the cell of the model before where there is one, and the colour of the bar."""


def verdict_plot(verdict: Verdict, width: float = 8) -> Figure:
    """pass@1 by language with 95% intervals, a panel for each benchmark; with one before, that model in grey above.

    A bar is green or red where it differs from the one before by more than noise. Of few problems the count is told,
    without an interval.
    """
    panels = _verdict_panels(verdict)
    heights = [len(rows) * (0.6 if verdict.before is not None else 0.4) + 0.3 for rows in panels.values()]
    figure, grid = stacked(width, sum(heights) + 0.3 * len(panels) + 0.8, heights)
    for axes, (benchmark, rows) in zip(grid, panels.items(), strict=True):
        _draw_bars(axes, rows)
        axes.set_title(plain_label(benchmark), loc="left", fontsize=10, fontweight="bold")
    grid[-1].set_xlim(0, 100)
    grid[-1].set_xlabel("programs that pass their tests, %  ·  better →", fontsize=FONT_SIZE)
    if missing := [language_title(name) for name in verdict.not_scored]:
        figure.supxlabel(plain_label(f"not scored: {', '.join(missing)}"), fontsize=FONT_SIZE, color=WORSE)
    return figure


def _verdict_panels(verdict: Verdict) -> dict[str, list[_Row]]:
    """Rows by benchmark, top to bottom: languages to learn, to keep, others."""
    panels: dict[str, list[_Row]] = {}
    order = ["learn", "keep", None]
    for name, row, benchmark, cell in sorted(verdict.cells(), key=lambda found: order.index(found[1].role)):
        old = verdict.before and verdict.before.cell(name, benchmark)
        change = verdict.comparison and verdict.comparison.cell(name, benchmark)
        colour = colour_of_programs(change) if change is not None and not is_few(change.tasks) else BLUE
        panels.setdefault(benchmark, []).append((language_title(name, row.title), cell, old, colour))
    return panels or {"nothing was scored": []}


def _draw_bars(axes: Axes, rows: list[_Row]) -> None:
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


def stacked(width: float, height: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure, in inches, of panels below each other on one scale from left to right; `heights` are their ratios."""
    figure = Figure(figsize=(width, height), layout="constrained")
    ratios = {"height_ratios": heights}
    return figure, figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw=ratios)[:, 0].tolist()


def plain_label(title: str) -> str:
    """A title that matplotlib does not read as a formula."""
    return title.replace("$", r"\$")


def write_beside(axes: Axes, y: float, text: str) -> None:
    """Write a number to the right of the axes, where no bar can be."""
    place: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "xytext": (6, 0), "textcoords": "offset points"}
    axes.annotate(text, (1, y), ha="left", va="center", fontsize=FONT_SIZE, annotation_clip=False, **place)


def strip(axes: Axes) -> None:
    """Take away what says nothing; small letters are 12 pixels high."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=FONT_SIZE)


def _loads(summary: dict[str, Any], key: str) -> list[float]:
    loads = summary.get(key, [])
    return loads[:-1] if key == "token_load" else loads


def _load_band(records: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]] | None:
    """Least and greatest load over layers and experts in each record, as multiples of the mean load in its layer."""
    lows, highs = [], []
    for record in records:
        layers = [loads for summary in record["routers"].values() if any(loads := _loads(summary, key))]
        ratios = [load / (sum(loads) / len(loads)) for loads in layers for load in loads]
        if not ratios:
            return None
        lows.append(min(ratios))
        highs.append(max(ratios))
    return lows, highs
