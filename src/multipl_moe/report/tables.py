"""Tables of what a run measured and trained."""

from typing import Any

from rich.text import Text

from multipl_judge.languages.table import language_title
from multipl_moe.eval.movement.panel import MOVEMENT_COLUMNS, movement_rows
from multipl_moe.report.colours import style_of_bits
from multipl_moe.report.grid import Grid
from multipl_moe.train.freezing import TrainableParameters

_BITS_PER_BYTE = "Bits per byte on held-out files (lower is better)"
_ROLE_TITLES = {"learn": "to learn", "keep": "to keep"}


def result_table(metrics: dict[str, Any]) -> Grid:
    """Bits per byte before and after by language, the change with its interval, and the means."""
    rows = []
    for role, title in _ROLE_TITLES.items():
        for name, row in metrics["languages"].items():
            if row["role"] == role:
                both = f"{row['bpb_before']:.4f}", f"{row['bpb_after']:.4f}"
                rows.append([language_title(name, row), title, *both, *_change_cells(row)])
        if role in metrics["means"]:
            cells = _change_cells(metrics["means"][role])
            rows += [[Text("mean of code", "bold"), title, "", "", *cells], None]
    return Grid(_BITS_PER_BYTE, ["language", "role", "before", "after", "change", "95% interval"], rows, num_labels=2)


def movement_table(moved: dict[str, Any]) -> Grid:
    """How far a model moved from its base on each kind of text."""
    return Grid("Moved from the base (0: it predicts the same)", MOVEMENT_COLUMNS, movement_rows(moved))


def scores_table(metrics: dict[str, Any]) -> Grid:
    """Bits per byte of one model by language."""
    rows = [
        [
            language_title(name, row),
            _ROLE_TITLES[row["role"]],
            f"{row['bpb']:.4f}",
            f"{row['files']:,}",
            f"{row['bytes']:,}",
        ]
        for name, row in metrics["languages"].items()
    ]
    return Grid(_BITS_PER_BYTE, ["language", "role", "bits per byte", "files", "bytes"], rows, num_labels=2)


def audit_table(audit: TrainableParameters) -> Grid:
    """What trains and what stays frozen."""
    rows = [[group, f"{count:,}"] for group, count in audit.trained.items()]
    rows += [[Text("trained", "bold"), f"{audit.num_trained:,}"], None]
    rows.append(["frozen: everything else", f"{audit.frozen:,}"])
    return Grid("What trains", ["part", "parameters"], rows)


def _change_cells(row: dict[str, Any]) -> tuple[Text, str]:
    low, high = row["interval"]
    return Text(f"{row['change']:+.1%}", style_of_bits(row)), f"{low:+.1%} to {high:+.1%}"
