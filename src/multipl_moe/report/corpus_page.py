"""inspect.html: one self-contained page on what a corpus holds, what was left out of it and why."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter, StrMethodFormatter

from multipl_moe.corpus.fim import FIM_FORMS
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest, LanguageCounts
from multipl_moe.report.colours import BETTER, BLUE, GOLD, ORANGE, PALE, PAPER, PURPLE, UNSURE, WORSE
from multipl_moe.report.corpus_tables import over_budget_note
from multipl_moe.report.page import picture, rendered
from multipl_moe.report.plots import FONT_SIZE, WIDE_ENOUGH, plain_label, stacked, strip
from multipl_moe.runs.folder import write_text

_MOST = 30
_SUMMED = (
    *("train_files", "train_bytes", "train_tokens"),
    *("validation_files", "validation_bytes", "normalised_files"),
)
DROPPED_GROUPS = {
    "duplicates": (ORANGE, ("exact_duplicate", "near_duplicate")),
    "problems of benchmarks": (WORSE, ("contaminated",)),
    "vendored, generated, minified": (GOLD, ("vendored", "generated", "minified")),
    "licence": (PURPLE, ("licence",)),
    "unusable": (UNSURE, ("binary", "encoding", "too_large", "too_small", "unreadable")),
    "beyond the budget": (PALE, ("over_budget",)),
}


@dataclass(frozen=True)
class CountsTable:
    """Label, a count for each language, and their sum, the largest first; so many smaller ones have no row."""

    rows: list[tuple[str, list[int], int]]
    left_off: int = 0


def write_corpus_page(file: Path, inspection: Inspection) -> None:
    """Write the page, whole or not at all.

    It quotes files that strangers wrote, as text alone: nothing in the page runs, and it loads nothing.
    """
    manifest, titles = inspection.manifest, inspection.titles
    sequence_tokens = inspection.recipe.train.sequence_tokens
    page = rendered(
        "inspect.html.j2",
        corpus=inspection.folder.resolve().name,
        manifest=manifest,
        titles=titles,
        seed=inspection.seed,
        totals={key: sum(getattr(row, key) for row in manifest.languages.values()) for key in _SUMMED},
        dropped=_table(manifest.languages, lambda row: row.dropped, DROP_REASONS),
        licences=_table(manifest.languages, lambda row: row.licences),
        replaced=_table(manifest.languages, lambda row: row.replaced),
        fim=_table(manifest.languages, lambda row: row.fim, FIM_FORMS),
        sources=_table(inspection.documents.sources, lambda counts: counts),
        refused_licences=_table(inspection.dropped.licences, lambda counts: counts) if inspection.dropped else None,
        over_budget=over_budget_note(manifest, inspection.recipe),
        dropped_samples=inspection.dropped.samples if inspection.dropped else None,
        duplicates=inspection.duplicates,
        duplicate_sources=inspection.duplicates.sources.most_common(_MOST) if inspection.duplicates else [],
        checked={name: row for name, row in manifest.decontamination.items() if row.status == "checked"},
        partly_checked=inspection.partly_checked,
        unchecked=inspection.unchecked,
        lengths={name: _length_cells(lengths_D, sequence_tokens) for name, lengths_D in inspection.lengths.items()},
        sequence_tokens=sequence_tokens,
        documents=inspection.documents.samples,
        fate_plot=picture("fate", "What became of the files found", partial(_fate_plot, manifest, titles)),
        length_plot=picture(
            "length-plot", "Tokens of the documents", partial(_length_plot, inspection.lengths, titles, sequence_tokens)
        ),
        has_near_duplicates=inspection.recipe.corpus.near_duplicates,
        has_replaced_secrets=inspection.recipe.corpus.replace_secrets,
        recipe=inspection.recipe.to_yaml(),
    )
    write_text(file, page)


def _table(
    by_language: Mapping[str, Any], counts_of: Callable[[Any], Mapping[str, int]], order: Iterable[str] = ()
) -> CountsTable:
    """Counts of all languages, those of each label in a row; `order` is that of labels whose sums are equal."""
    columns = [counts_of(row) for row in by_language.values()]
    labels = dict.fromkeys([*order, *sorted({label for column in columns for label in column})])
    rows = [(label, [column.get(label, 0) for column in columns]) for label in labels]
    summed = [(label, numbers, sum(numbers)) for label, numbers in rows if any(numbers)]
    summed.sort(key=lambda row: -row[2])
    return CountsTable(summed[:_MOST], max(0, len(summed) - _MOST))


def _length_cells(lengths_D: np.ndarray, sequence_tokens: int) -> dict[str, float]:
    median, high = np.percentile(lengths_D, [50, 90])
    return {
        "documents": len(lengths_D),
        "tokens": int(lengths_D.sum()),
        "median": float(median),
        "high": float(high),
        "longest": int(lengths_D.max()),
        "over": float((lengths_D > sequence_tokens).mean()),
    }


def _fate_plot(manifest: CorpusManifest, titles: Mapping[str, str], width: float = 8) -> Figure:
    """Of all files found of each language the shares that training reads, that are held out, and that were left out."""
    names = list(manifest.languages)
    fates = [_fates(row) for row in manifest.languages.values()]
    totals = [sum(fate.values()) for fate in fates]
    colours = {"training": BETTER, "held out": BLUE} | {name: colour for name, (colour, _) in DROPPED_GROUPS.items()}
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


def _length_plot(
    lengths: Mapping[str, np.ndarray], titles: Mapping[str, str], sequence_tokens: int, width: float = 8
) -> Figure:
    """How many tokens training documents have: a histogram of the (D,) lengths of each language, in doublings."""
    figure, panels = stacked(width, 0.8 * len(lengths) + 1, [1] * len(lengths))
    longest = max(int(lengths_D.max()) for lengths_D in lengths.values())
    edges = 2.0 ** np.arange(longest.bit_length() + 1)
    for axes, (name, lengths_D) in zip(panels, lengths.items(), strict=True):
        counts, _ = np.histogram(lengths_D, edges)
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BETTER, edgecolor=PAPER, linewidth=0.5)
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
