"""Plots of a corpus: what became of the files that were found, and how long the documents are."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter, StrMethodFormatter

from multipl_moe.corpus.manifest import CorpusManifest, LanguageCounts
from multipl_moe.report.plots import plain_label

DROPPED_GROUPS = {
    "duplicates": ("#c2571a", ("exact_duplicate", "near_duplicate")),
    "problems of benchmarks": ("#b3261e", ("contaminated",)),
    "vendored, generated, minified": ("#d9a441", ("vendored", "generated", "minified")),
    "licence": ("#6b4e9b", ("licence",)),
    "unusable": ("#55606e", ("binary", "encoding", "too_large", "too_small", "unreadable")),
    "beyond the budget": ("#dde3ea", ("over_budget",)),
}
_TRAINING, _HELD_OUT = "#2a7f62", "#3b6ea5"


def fate_plot(manifest: CorpusManifest, titles: Mapping[str, str]) -> Figure:
    """Of all files found of each language the shares that training reads, that are held out, and that were left out."""
    names = list(manifest.languages)
    fates = [_fates(row) for row in manifest.languages.values()]
    totals = [sum(fate.values()) for fate in fates]
    colours = {"training": _TRAINING, "held out": _HELD_OUT} | {
        name: colour for name, (colour, _) in DROPPED_GROUPS.items()
    }
    figure = Figure(figsize=(8, 0.45 * len(names) + 1.4), layout="constrained")
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
    axes.set_xlabel("share of the files found")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, fontsize=9, frameon=False)
    return figure


def length_plot(lengths: Mapping[str, np.ndarray], titles: Mapping[str, str], sequence_tokens: int) -> Figure:
    """How many tokens training documents have: a histogram of the (D,) lengths of each language, in doublings."""
    figure = Figure(figsize=(8, 0.8 * len(lengths) + 1), layout="constrained")
    panels = figure.subplots(len(lengths), 1, sharex=True, squeeze=False)[:, 0]
    longest = max(int(lengths_D.max()) for lengths_D in lengths.values())
    edges = 2.0 ** np.arange(int(longest).bit_length() + 1)
    for axes, (name, lengths_D) in zip(panels, lengths.items(), strict=True):
        counts, _ = np.histogram(lengths_D, edges)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_TRAINING, edgecolor="white", linewidth=0.5)
        axes.axvline(sequence_tokens, color="#c2571a", linewidth=1.2)
        axes.set_ylabel(plain_label(titles[name]), rotation=0, ha="right", va="center")
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
    bottom = panels[-1]
    bottom.set_xscale("log", base=2)
    bottom.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    bottom.xaxis.set_minor_locator(NullLocator())
    bottom.set_xlabel(f"tokens of a document (line: a training sequence, {sequence_tokens:,})")
    return figure


def _fates(row: LanguageCounts) -> dict[str, int]:
    """Number of files by what became of them."""
    kept = {"training": row.train_files, "held out": row.validation_files}
    return kept | {
        name: sum(row.dropped.get(reason, 0) for reason in reasons) for name, (_, reasons) in DROPPED_GROUPS.items()
    }
