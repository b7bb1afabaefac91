#!/usr/bin/env python
"""Write the pictures of README.md and the docs anew, from the stored numbers beside them.

    .venv/bin/python scripts/write_pictures.py [--model runs/demo/model]

docs/images/demo.png is made from demo.json, and the pictures in docs/results and docs/replay from their
comparison.json. With the model of a demo, docs/images/explore.png is a photograph of `explore` in Chromium.
Run it whenever the numbers, the plots or the page change.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from multipl_moe.report.comparison_page import write_comparison_pictures
from multipl_moe.report.plots import gain_plot
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.result import Changes

DOCS = Path(__file__).parents[1] / "docs"
_DPI = 150


def write_pictures(docs: Path) -> None:
    """Write the pictures into a folder laid out as docs/, which holds the numbers."""
    images = docs / "images"
    file = images / "demo.json"
    gain_plot(Changes.part_of(read_json(file), file)).savefig(images / "demo.png", dpi=_DPI)
    for folder in (docs / "results", docs / "replay"):
        write_comparison_pictures(folder, ComparisonResult.read(folder / "comparison.json"))


def photograph(model: Path, file: Path) -> None:
    """Open `explore` in Chromium and write what it shows at first."""
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "multipl_moe", "explore", str(model), "--port", "0"]
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no Chromium here: apt install chromium, as `make test` does")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        assert server.stdout is not None
        try:
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://[\d.:]+", line)))
            page = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]).new_page(
                viewport={"width": 1200, "height": 820}
            )
            page.goto(address)
            page.locator("#shown .reading span").first.wait_for(timeout=60_000)
            page.screenshot(path=file)
        finally:
            server.terminate()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of a demo's model, to photograph")
    options = parser.parse_args()
    write_pictures(DOCS)
    if options.model is not None:
        photograph(options.model, DOCS / "images" / "explore.png")
