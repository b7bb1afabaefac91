"""Plots of a corpus: what became of the files that were found, and how long the documents are."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter, StrMethodFormatter

from multipl_moe.corpus.manifest import CorpusManifest, LanguageCounts
from multipl_moe.report.colours import BETTER, BLUE, GOLD, ORANGE, PALE, PAPER, PURPLE, UNSURE, WORSE
from multipl_moe.report.plots import FONT_SIZE, WIDE_ENOUGH, plain_label, strip

DROPPED_GROUPS = {
    "duplicates": (ORANGE, ("exact_duplicate", "near_duplicate")),
    "problems of benchmarks": (WORSE, ("contaminated",)),
    "vendored, generated, minified": (GOLD, ("vendored", "generated", "minified")),
    "licence": (PURPLE, ("licence",)),
    "unusable": (UNSURE, ("binary", "encoding", "too_large", "too_small", "unreadable")),
    "beyond the budget": (PALE, ("over_budget",)),
}
_TRAINING, _HELD_OUT = BETTER, BLUE


def fate_plot(manifest: CorpusManifest, titles: Mapping[str, str], width: float = 8) -> Figure:
    """Of all files found of each language the shares that training reads, that are held out, and that were left out."""
    names = list(manifest.languages)
    fates = [_fates(row) for row in manifest.languages.values()]
    totals = [sum(fate.values()) for fate in fates]
    colours = {"training": _TRAINING, "held out": _HELD_OUT} | {
        name: colour for name, (colour, _) in DROPPED_GROUPS.items()
    }
    columns = 3 if width >= WIDE_ENOUGH else 1
    figure = Figure(figsize=(width, 0.45 * len(names) + 0.9 + 0.2 * len(colours) / columns), layout="constrained")
    axes = figure.subplots()
    lefts = np.zeros(len(names))
    for fate, colour in colours.items():
        shares = np.array([fates[index][fate] / totals[index] for index in range(len(names))])
        if shares.any():
            axes.barh(range(len(names)), shares, left=lefts, color=colour, height=0.65, label=fate)
        lefts += shares
    labels = [f"{plain_label(titles[name])} ({total:,})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(len(names)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("share of the files found", fontsize=FONT_SIZE)
    strip(axes)
    figure.legend(loc="outside upper center", ncols=columns, fontsize=FONT_SIZE, frameon=False, handlelength=1)
    return figure


def length_plot(
    lengths: Mapping[str, np.ndarray], titles: Mapping[str, str], sequence_tokens: int, width: float = 8
) -> Figure:
    """How many tokens training documents have: a histogram of the (D,) lengths of each language, in doublings."""
    figure = Figure(figsize=(width, 0.8 * len(lengths) + 1), layout="constrained")
    panels = figure.subplots(len(lengths), 1, sharex=True, squeeze=False)[:, 0]
    longest = max(int(lengths_D.max()) for lengths_D in lengths.values())
    edges = 2.0 ** np.arange(int(longest).bit_length() + 1)
    for axes, (name, lengths_D) in zip(panels, lengths.items(), strict=True):
        counts, _ = np.histogram(lengths_D, edges)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_TRAINING, edgecolor=PAPER, linewidth=0.5)
        axes.axvline(sequence_tokens, color=ORANGE, linewidth=1.2)
        axes.set_ylabel(plain_label(titles[name]), rotation=0, ha="right", va="center", fontsize=FONT_SIZE)
        axes.set_yticks([])
        strip(axes)
        axes.spines["left"].set_visible(False)
    bottom = panels[-1]
    bottom.set_xscale("log", base=2)
    bottom.xaxis.set_major_locator(LogLocator(base=2, numticks=12 if width >= WIDE_ENOUGH else 6))
    bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bottom.xaxis.set_minor_locator(NullLocator())
    bottom.set_xlabel(f"tokens of a document (line: a sequence, {sequence_tokens:,})", fontsize=FONT_SIZE)
    return figure


def _fates(row: LanguageCounts) -> dict[str, int]:
    kept = {"training": row.train_files, "held out": row.validation_files}
    return kept | {
        name: sum(row.dropped.get(reason, 0) for reason in reasons) for name, (_, reasons) in DROPPED_GROUPS.items()
    }
