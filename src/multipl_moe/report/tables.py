"""Tables for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.languages.table import LANGUAGES, Language, language_title
from multipl_moe.train.freezing import Audit

_ROLE_TITLES = {"learn": "to learn", "keep": "to keep"}


def result_table(metrics: dict[str, Any]) -> Table:
    """Bits per byte before and after by language, the change with its interval, and the means."""
    table = Table(title="Bits per byte on held-out files (lower is better)")
    table.add_column("language")
    table.add_column("role")
    for title in ("before", "after", "change", "95% interval"):
        table.add_column(title, justify="right")
    for role, title in _ROLE_TITLES.items():
        for name, row in metrics["languages"].items():
            if row["role"] == role:
                before, after = f"{row['bpb_before']:.4f}", f"{row['bpb_after']:.4f}"
                table.add_row(language_title(name, row), title, before, after, *_change_cells(row))
        if role in metrics["means"]:
            cells = _change_cells(metrics["means"][role])
            table.add_row(Text("mean of code", "bold"), title, "", "", *cells, end_section=True)
    return table


def scores_table(metrics: dict[str, Any]) -> Table:
    """Bits per byte of one model by language."""
    table = Table(title="Bits per byte on held-out files (lower is better)")
    table.add_column("language")
    table.add_column("role")
    for title in ("bits per byte", "files", "bytes"):
        table.add_column(title, justify="right")
    for name, row in metrics["languages"].items():
        cells = (f"{row['bpb']:.4f}", f"{row['files']:,}", f"{row['bytes']:,}")
        table.add_row(language_title(name, row), _ROLE_TITLES[row["role"]], *cells)
    return table


def corpus_table(manifest: CorpusManifest, languages: Mapping[str, Language] = LANGUAGES) -> Table:
    """Files, bytes and tokens of a corpus by language, and what was left out.

    Args:
        manifest: of the corpus.
        languages: the table of languages, with those that the recipe added.
    """
    table = Table(title="Corpus")
    table.add_column("language")
    for title in ("training files", "MB", "tokens", "held-out files", "left out"):
        table.add_column(title, justify="right")
    for name, row in manifest.languages.items():
        dropped = ", ".join(f"{reason} {count:,}" for reason, count in row.dropped.items() if count)
        cells = (f"{row.train_files:,}", f"{row.train_bytes / 1e6:.1f}", f"{row.train_tokens:,}")
        title = languages[name].title
        table.add_row(title, *cells, f"{row.validation_files:,}", dropped)
    return table


def audit_table(audit: Audit) -> Table:
    """What trains and what stays frozen."""
    table = Table(title="What trains")
    table.add_column("part")
    table.add_column("parameters", justify="right")
    for group, count in audit.trained.items():
        table.add_row(group, f"{count:,}")
    table.add_row(Text("trained", "bold"), f"{audit.num_trained:,}", end_section=True)
    table.add_row("frozen: everything else", f"{audit.frozen:,}")
    return table


def _change_cells(row: dict[str, Any]) -> tuple[Text, str]:
    low, high = row["interval"]
    style = "green" if high < 0 else "red" if low > 0 else "yellow"
    return Text(f"{row['change']:+.1%}", style), f"{low:+.1%} to {high:+.1%}"
