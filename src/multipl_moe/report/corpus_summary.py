"""What a corpus holds, as a table for the terminal; inspect.html has the rest."""

from rich.table import Table
from rich.text import Text

from multipl_moe.corpus.inspection.inspection import Inspection


def corpus_summary(inspection: Inspection) -> Table:
    """Files, bytes, tokens and bytes per token by language, how many files were left out, and what was not checked."""
    table = Table(title="Corpus", caption=_caption(inspection))
    table.add_column("language", no_wrap=True)
    for title in ("files", "MB", "tokens", "B/token", "held out", "left out"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in inspection.manifest.languages.items():
        size = (f"{row.train_bytes / 1e6:.1f}", f"{row.train_tokens:,}", f"{row.train_bytes / row.train_tokens:.2f}")
        counts = (row.validation_files, sum(row.dropped.values()))
        table.add_row(Text(inspection.titles[name]), f"{row.train_files:,}", *size, *(f"{count:,}" for count in counts))
    return table


def _caption(inspection: Inspection) -> Text | None:
    checks = inspection.manifest.decontamination
    partly = [
        f"{name} ({checks[name].problems_searchable:,} of {checks[name].problems_total:,})"
        for name in inspection.partly_checked
    ]
    notes = {"partly checked for problems of": partly, "not checked for problems of": list(inspection.unchecked)}
    lines = [f"{note} {', '.join(names)}" for note, names in notes.items() if names]
    return Text("\n".join(lines), "yellow") if lines else None
