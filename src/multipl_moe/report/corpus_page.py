"""inspect.html: one self-contained page on what a corpus holds, what was left out of it and why."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from multipl_moe.corpus.fim import FIM_FORMS
from multipl_moe.corpus.inspection.inspection import Inspection
from multipl_moe.corpus.manifest import DROP_REASONS, LanguageCounts
from multipl_moe.report.corpus_plots import fate_plot, length_plot
from multipl_moe.report.corpus_tables import over_budget_note
from multipl_moe.report.page import picture, rendered
from multipl_moe.runs.folder import write_text

_MOST = 30
_SUMMED = (
    *("train_files", "train_bytes", "train_tokens"),
    *("validation_files", "validation_bytes", "normalised_files"),
)


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
        totals=_totals(manifest.languages.values()),
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
        fate_plot=picture("fate", "What became of the files found", partial(fate_plot, manifest, titles)),
        length_plot=picture(
            "length-plot",
            "Tokens of the documents",
            partial(length_plot, inspection.lengths, titles, sequence_tokens),
        ),
        has_near_duplicates=inspection.recipe.corpus.near_duplicates,
        has_replaced_secrets=inspection.recipe.corpus.replace_secrets,
        recipe=inspection.recipe.to_yaml(),
    )
    write_text(file, page)


def _totals(rows: Iterable[LanguageCounts]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for row in rows:
        totals.update({key: getattr(row, key) for key in _SUMMED})
    return totals


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
