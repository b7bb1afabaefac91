"""Plots of a run, as matplotlib figures: static, so that a report is one small file that works offline."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from multipl_moe.languages.table import language_title

_LEARN, _KEEP, _ACCENT = "#2a7f62", "#3b6ea5", "#c2571a"
_COLOURS = {"learn": _LEARN, "keep": _KEEP}
_LABELS = {"learn": "languages to learn", "keep": "to keep"}


def gain_plot(metrics: dict[str, Any]) -> Figure:
    """Change of bits per byte by language with 95% intervals: left of zero is better."""
    rows = sorted(metrics["languages"].items(), key=lambda item: (item[1]["role"] != "learn", item[1]["change"]))
    figure = Figure(figsize=(8, 0.5 * len(rows) + 1.6), layout="constrained")
    axes = figure.subplots()
    for y, (_, row) in enumerate(reversed(rows)):
        change, (low, high) = 100 * row["change"], (100 * bound for bound in row["interval"])
        axes.barh(y, change, color=_COLOURS[row["role"]], height=0.62)
        axes.plot([low, high], [y, y], color="black", linewidth=1.2)
        edge = min(low, change, 0)
        label = f"{change:+.1f}%  ({row['bpb_before']:.2f} → {row['bpb_after']:.2f})"
        axes.annotate(label, (edge, y), xytext=(-6, 0), textcoords="offset points", ha="right", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [plain_label(language_title(name, row)) for name, row in reversed(rows)])
    axes.axvline(0, color="black", linewidth=0.8)
    lowest = min(100 * row["interval"][0] for _, row in rows)
    highest = max(100 * row["interval"][1] for _, row in rows)
    axes.set_xlim(min(lowest, -1) * 1.65, max(highest * 1.2, 1))
    axes.set_xlabel("change of bits per byte on held-out files, % (left is better; line: 95% interval)")
    roles = [role for role in _LABELS if any(row["role"] == role for _, row in rows)]
    axes.legend(
        handles=[Patch(color=_COLOURS[role], label=_LABELS[role]) for role in roles], loc="lower left", fontsize=9
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def training_plot(records: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> Figure:
    """Loss, that on held-out text where it was measured, and router balance over the tokens trained on."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    tokens = [record["tokens"] / 1000 for record in records]
    top.plot(tokens, [record["loss"] for record in records], color=_LEARN)
    top.set_ylabel("training loss")
    if held_out:
        points = [record["tokens"] / 1000 for record in held_out]
        top.plot(points, [record["loss"] for record in held_out], color=_KEEP, marker=".", label="held-out text")
        top.legend(fontsize=9)
    _load_band(bottom, records, tokens, "segment_load", _KEEP, "segment experts")
    _load_band(bottom, records, tokens, "token_load", _ACCENT, "token experts")
    bottom.axhline(1, color="black", linewidth=0.8)
    bottom.set_ylabel("expert load / its layer's mean")
    bottom.set_xlabel("thousand tokens")
    if bottom.get_legend_handles_labels()[0]:
        bottom.legend(fontsize=9)
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def expert_heat_map(
    routing: dict[str, dict[int, dict[str, Any]]], key: str, titles: Mapping[str, str]
) -> Figure | None:
    """Share of tokens (`token_load`, without the shared expert) or segments (`segment_load`) that each expert serves.

    Languages by layers and experts; None where no layer has such experts.
    """
    names = list(routing)
    layers = list(routing[names[0]]) if names else []
    loads = {layer: [_loads(routing[name][layer], key) for name in names] for layer in layers}
    if not layers or not loads[layers[0]][0]:
        return None
    num_experts = len(loads[layers[0]][0])
    grid = np.array([[load for layer in layers for load in loads[layer][row]] for row in range(len(names))])
    figure = Figure(figsize=(max(7, 0.22 * grid.shape[1] + 2), 0.4 * len(names) + 1.4), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(grid, aspect="auto", cmap="YlGnBu", vmin=0)
    axes.set_yticks(range(len(names)), [plain_label(titles.get(name, name)) for name in names])
    centres = [index * num_experts + (num_experts - 1) / 2 for index in range(len(layers))]
    axes.set_xticks(centres, [str(layer) for layer in layers])
    for index in range(1, len(layers)):
        axes.axvline(index * num_experts - 0.5, color="white", linewidth=2)
    kind = "tokens" if key == "token_load" else "segments"
    axes.set_xlabel(f"layer ({num_experts} experts each)")
    figure.colorbar(image, ax=axes, label=f"share of the {kind}")
    return figure


def plain_label(title: str) -> str:
    """A title that matplotlib does not read as a formula."""
    return title.replace("$", r"\$")


def _loads(summary: dict[str, Any], key: str) -> list[float]:
    loads = summary.get(key, [])
    return loads[:-1] if key == "token_load" else loads


def _load_band(
    axes: Axes, records: list[dict[str, Any]], tokens: list[float], key: str, colour: str, label: str
) -> None:
    """Span over layers and experts of the load, as a multiple of the mean load in its layer."""
    lows, highs = [], []
    for record in records:
        ratios = []
        for summary in record["routers"].values():
            loads = _loads(summary, key)
            mean = sum(loads) / len(loads) if loads else 0
            ratios += [load / mean for load in loads if mean]
        if not ratios:
            return
        lows.append(min(ratios))
        highs.append(max(ratios))
    axes.fill_between(tokens, lows, highs, color=colour, alpha=0.3, label=f"{label} (least to most)")
