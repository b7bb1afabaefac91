"""The leak that `causality.py` measured: means with intervals, a table, a figure."""

from typing import Any

import numpy as np
from harness import print_table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from multipl_judge.languages.table import LANGUAGES

SEGMENT_TOKENS = 64  # of preset `paper`
COMPARISONS = {"one": "alone", "rows": "in a batch"}

_NUM_PLACES = 8
_SEED, _SAMPLES = 0, 2000
_STYLES: dict[str, dict[str, Any]] = {
    "one": {"marker": "o", "markersize": 4, "linestyle": "-", "linewidth": 1.2},
    "rows": {"marker": "s", "markersize": 4, "linestyle": "--", "linewidth": 1.2},
}
_COLOURS = ("#c2571a", "#2a7f62", "#3b6ea5", "#7a5195")


def mean_and_interval(by_language: list[np.ndarray]) -> dict[str, Any]:
    """Mean over languages of the mean over windows, and its 95% interval: windows are resampled in each language.

    Args:
        by_language: (windows,) values of each language.
    """
    generator = np.random.default_rng(_SEED)
    draws = [
        values[generator.integers(len(values), size=(_SAMPLES, len(values)))].mean(axis=1) for values in by_language
    ]
    mean = float(np.mean([values.mean() for values in by_language]))
    return {"mean": mean, "interval": np.percentile(np.mean(draws, axis=0), [2.5, 97.5]).tolist()}


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Losses and leaks by language, over all, and by place in the segment, in nats per token.

    Args:
        rows: of each window its language, the `places` that are scored, and the losses there: `step` and those of
            `COMPARISONS`.
    """
    names = sorted({row["language"] for row in rows})
    losses = {
        kind: [np.array([row[kind] for row in rows if row["language"] == name]) for name in names]
        for kind in ("step", *COMPARISONS)
    }
    leaks = {kind: [a - b for a, b in zip(losses["step"], losses[kind], strict=True)] for kind in COMPARISONS}
    places = [
        np.array([row["places"] for row in rows if row["language"] == name])
        % SEGMENT_TOKENS
        * _NUM_PLACES
        // SEGMENT_TOKENS
        for name in names
    ]

    def entry(languages: list[int]) -> dict[str, Any]:
        return {
            "windows": sum(len(losses["step"][index]) for index in languages),
            "loss": {kind: float(np.mean([losses[kind][index].mean() for index in languages])) for kind in losses},
            "leak": {
                kind: mean_and_interval([leaks[kind][index].mean(axis=1) for index in languages]) for kind in leaks
            },
        }

    return {
        "all": entry(list(range(len(names)))),
        "languages": {name: entry([index]) for index, name in enumerate(names)},
        "places_in_segment": [
            {
                "first_token": number * SEGMENT_TOKENS // _NUM_PLACES,
                "leak": {
                    kind: mean_and_interval(
                        [
                            leak.mean(axis=1, where=place == number)
                            for leak, place in zip(leaks[kind], places, strict=True)
                        ]
                    )
                    for kind in leaks
                },
            }
            for number in range(_NUM_PLACES)
        ],
        "largest_difference": {kind: max(float(np.abs(leak).max()) for leak in leaks[kind]) for kind in leaks},
    }


def print_leak(name: str, summary: dict[str, Any]) -> None:
    """A table: one row a language."""
    rows = []
    for language, entry in [*summary["languages"].items(), ("all", summary["all"])]:
        losses = [f"{entry['loss'][kind]:.4f}" for kind in ("step", *COMPARISONS)]
        leaks = [entry["leak"][kind] for kind in COMPARISONS]
        rows.append([language, str(entry["windows"]), *losses, *map(_text, leaks)])
    columns = ["language", "windows", "step by step", "alone", "in a batch", "leak, alone", "leak, in a batch"]
    print_table(f"{name}: nats per token", columns, rows)


def _text(leak: dict[str, Any]) -> str:
    low, high = leak["interval"]
    return f"{leak['mean']:+.1e} [{low:+.1e}, {high:+.1e}]"


def leak_plot(summaries: dict[str, dict[str, Any]]) -> Figure:
    """Leak by language and by place in the segment, of each model and against both teacher-forced losses."""
    names = list(next(iter(summaries.values()))["languages"])
    figure = Figure(figsize=(10, 0.5 * len(names) + 2.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    series = [(name, kind) for name in summaries for kind in COMPARISONS]
    for number, (name, kind) in enumerate(series):
        style = _STYLES[kind] | {
            "color": _COLOURS[number // len(COMPARISONS) % len(_COLOURS)],
            "label": f"{name}, teacher-forced {COMPARISONS[kind]}",
        }
        entries = [*(summaries[name]["languages"][language] for language in names), summaries[name]["all"]]
        shift = 0.13 * (number - (len(series) - 1) / 2)
        _draw_languages(left, [entry["leak"][kind] for entry in entries], shift, style)
        _draw_places(right, [entry["leak"][kind] for entry in summaries[name]["places_in_segment"]], style)
    left.set_yticks(range(len(names) + 1), ["all", *(LANGUAGES[name].title for name in reversed(names))])
    left.axvline(0, color="black", linewidth=0.8)
    left.set_xlabel("leak, nats per token (line: 95% interval)")
    right.axhline(0, color="black", linewidth=0.8)
    right.set_xlabel(f"place in a segment of {SEGMENT_TOKENS} tokens")
    right.set_ylabel("leak, nats per token")
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=len(summaries), fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _draw_languages(axes: Axes, leaks: list[dict[str, Any]], shift: float, style: dict[str, Any]) -> None:
    means, bounds = (np.array([leak[key] for leak in leaks]) for key in ("mean", "interval"))
    ys = np.arange(len(leaks))[::-1] - shift
    axes.plot(means, ys, **dict(style, linestyle=""))
    axes.hlines(ys, bounds[:, 0], bounds[:, 1], color=style["color"], linewidth=1.2)


def _draw_places(axes: Axes, leaks: list[dict[str, Any]], style: dict[str, Any]) -> None:
    centres = (np.arange(_NUM_PLACES) + 0.5) * SEGMENT_TOKENS / _NUM_PLACES
    bounds = np.array([leak["interval"] for leak in leaks])
    axes.plot(centres, [leak["mean"] for leak in leaks], **style)
    axes.fill_between(centres, bounds[:, 0], bounds[:, 1], color=style["color"], alpha=0.12, linewidth=0)
