#!/usr/bin/env python
"""Write the pictures of README.md and docs/results.md anew, from the stored numbers beside them.

    .venv/bin/python scripts/write_pictures.py

docs/images/demo.png is made from demo.json, and comparison.png and comparison-rest.png in docs/results and docs/replay
from their comparison.json. Run it whenever the numbers or the plots change.
"""

from pathlib import Path

from multipl_moe.report.comparison_plot import comparison_plot, comparison_rest_plot
from multipl_moe.report.plots import gain_plot
from multipl_moe.runs.folder import read_json

DOCS = Path(__file__).parents[1] / "docs"
_DPI = 150


def write_pictures(docs: Path) -> None:
    """Write the pictures into a folder laid out as docs/, which holds the numbers."""
    images = docs / "images"
    gain_plot(read_json(images / "demo.json")).savefig(images / "demo.png", dpi=_DPI)
    for folder in (docs / "results", docs / "replay"):
        result = read_json(folder / "comparison.json")
        comparison_plot(result).savefig(folder / "comparison.png", dpi=_DPI)
        if (rest := comparison_rest_plot(result)) is not None:
            rest.savefig(folder / "comparison-rest.png", dpi=_DPI)


if __name__ == "__main__":
    write_pictures(DOCS)
