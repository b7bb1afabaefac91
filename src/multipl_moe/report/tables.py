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
    """Bits per byte before and after by language, the change with its interval, and the means."""
    rows = []
    for role, title in _ROLE_TITLES.items():
        for name, row in found.languages.items():
            if row.role == role:
                both = f"{row.bpb_before:.4f}", f"{row.bpb_after:.4f}"
                rows.append([language_title(name, row.title), title, *both, *_change_cells(row)])
        if role in found.means:
            cells = _change_cells(found.means[role])
            rows += [[Text("mean of code", "bold"), title, "", "", *cells], None]
    return Grid(_BITS_PER_BYTE, ["language", "role", "before", "after", "change", "95% interval"], rows, num_labels=2)


def measure_table(measure: Measure, found: Any) -> Grid:
    """What a measure found."""
    return Grid(measure.title, measure.columns, measure.rows(found))


def scores_table(found: Scores) -> Grid:
    """Bits per byte of one model by language."""
    rows = [
        [
            language_title(name, row.title),
            _ROLE_TITLES[row.role],
            f"{row.bpb:.4f}",
            f"{row.files:,}",
            f"{row.bytes:,}",
        ]
        for name, row in found.languages.items()
    ]
    return Grid(_BITS_PER_BYTE, ["language", "role", "bits per byte", "files", "bytes"], rows, num_labels=2)


def audit_table(audit: TrainableParameters) -> Grid:
    """What trains and what stays frozen."""
    rows = [[group, f"{count:,}"] for group, count in audit.trained.items()]
    rows += [[Text("trained", "bold"), f"{audit.num_trained:,}"], None]
    rows.append(["frozen: everything else", f"{audit.frozen:,}"])
    return Grid("What trains", ["part", "parameters"], rows)


def _change_cells(row: Change) -> tuple[Text, str]:
    low, high = row.interval
    return Text(f"{row.change:+.1%}", style_of_bits(row)), f"{low:+.1%} to {high:+.1%}"
