#!/usr/bin/env python
"""Write the pictures of README.md and docs/results.md anew, from the stored numbers beside them.

    .venv/bin/python scripts/write_pictures.py

docs/images/demo.png is made from demo.json, and comparison.png and comparison-rest.png in docs/results from
comparison.json. Run it whenever the numbers or the plots change.
"""

from pathlib import Path

from multipl_moe.report.comparison_plot import comparison_plot, comparison_rest_plot
from multipl_moe.report.plots import gain_plot
from multipl_moe.runs.folder import read_json

DOCS = Path(__file__).parents[1] / "docs"
_DPI = 150


def write_pictures(docs: Path) -> None:
    """Write the pictures into a folder laid out as docs/, which holds the numbers."""
    images, results = docs / "images", docs / "results"
    gain_plot(read_json(images / "demo.json")).savefig(images / "demo.png", dpi=_DPI)
    result = read_json(results / "comparison.json")
    comparison_plot(result).savefig(results / "comparison.png", dpi=_DPI)
    rest = comparison_rest_plot(result)
    if rest is not None:
        rest.savefig(results / "comparison-rest.png", dpi=_DPI)


if __name__ == "__main__":
    write_pictures(DOCS)
