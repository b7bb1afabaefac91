"""Tables of what a run measured and trained."""

from typing import Any

from rich.text import Text

from multipl_judge.languages.table import language_title
from multipl_moe.eval.measures import Measure
from multipl_moe.report.colours import style_of_bits
from multipl_moe.report.grid import Grid
from multipl_moe.runs.result import Change, Changes, Scores
from multipl_moe.train.freezing import TrainableParameters

_BITS_PER_BYTE = "Bits per byte on held-out files (lower is better)"
_ROLE_TITLES = {"learn": "to learn", "keep": "to keep"}


def result_table(found: Changes) -> Grid:
    """The change of bits per byte by language with its interval, both of them, and the means.

    What matters most comes first: a narrow screen cuts off the last columns.
    """
    rows = []
    for role, title in _ROLE_TITLES.items():
        for name, row in found.languages.items():
            if row.role == role:
                both = f"{row.bpb_before:.4f}", f"{row.bpb_after:.4f}"
                rows.append([language_title(name, row.title), *_change_cells(row, row.files), *both, title])
        if role in found.means:
            cells = _change_cells(found.means[role])
            rows += [[Text("mean of code", "bold"), *cells, "", "", title], None]
    return Grid(_BITS_PER_BYTE, ["language", "change", "95% interval", "before", "after", "role"], rows)


def measure_table(measure: Measure, found: Any) -> Grid:
    """What a measure found."""
    return Grid(measure.title, measure.columns, measure.rows(found))


def scores_table(found: Scores) -> Grid:
    """Bits per byte of one model by language."""
    rows = []
    for name, row in found.languages.items():
        counts = f"{row.bpb:.4f}", f"{row.files:,}", f"{row.bytes:,}"
        rows.append([language_title(name, row.title), _ROLE_TITLES[row.role], *counts])
    return Grid(_BITS_PER_BYTE, ["language", "role", "bits per byte", "files", "bytes"], rows, num_labels=2)


def audit_table(audit: TrainableParameters) -> Grid:
    """What trains and what stays frozen."""
    rows = [[group, f"{count:,}"] for group, count in audit.trained.items()]
    rows += [[Text("trained", "bold"), f"{audit.num_trained:,}"], None]
    rows.append(["frozen: everything else", f"{audit.frozen:,}"])
    return Grid("What trains", ["part", "parameters"], rows)


def _change_cells(row: Change, files: int | None = None) -> tuple[Text, str]:
    low, high = row.interval
    interval = "one file: none" if files == 1 else f"{low:+.1%} to {high:+.1%}"
    return Text(f"{row.change:+.1%}", style_of_bits(row)), interval
