#!/usr/bin/env python
"""Write the pictures of README.md and the docs anew, from the stored numbers beside them.

    .venv/bin/python scripts/write_pictures.py [--model runs/demo/model]

docs/images/demo.png is made from demo.json, programs.png from docs/programs.json, and the pictures in docs/results,
docs/default and docs/replay from their comparison.json. With the model of a demo, docs/images/explore.png is a
photograph of `explore` in Chromium. Run it whenever the numbers, the plots or the page change.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from multipl_moe.report.colours import BETTER, UNSURE
from multipl_moe.report.comparison_page import write_comparison_pictures
from multipl_moe.report.plots import FONT_SIZE, gain_plot, strip, write_beside
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.result import Changes

DOCS = Path(__file__).parents[1] / "docs"
_DPI = 150
_PROGRAMS = {  # rows of programs.json, and what the picture calls them
    "Y4": "Ruby: 344 answers of a teacher",
    "Y8": "Ruby: 724, 380 of them once it had learnt",
    "Y6": "Ruby, base of 1.5B: 344 answers of its own",
    "S2": "Rust: 255 answers of a teacher",
    "G1": "Go: 294 answers of a teacher",
    "lua, 260 answers of the 1.5B, default pack": "Lua: 260 answers of a teacher",
    "lua, practice": "Lua: 542 answers of its own",
    "ocaml, base of 1.5B, 77 of its own answers": "OCaml, base of 1.5B: 77 answers of its own",
    "ocaml, 370 answers of the 1.5B that had learnt its own": "OCaml: 370 answers of that 1.5B",
    "racket, answers of the 1.5B": "Racket: 117 answers of a teacher",
}


def write_pictures(docs: Path) -> None:
    """Write the pictures into a folder laid out as docs/, which holds the numbers."""
    images = docs / "images"
    file = images / "demo.json"
    gain_plot(Changes.part_of(read_json(file), file)).savefig(images / "demo.png", dpi=_DPI)
    programs_plot(read_json(docs / "programs.json")["rows"]).savefig(images / "programs.png", dpi=_DPI)
    for folder in (docs / "results", docs / "default", docs / "replay"):
        write_comparison_pictures(folder, ComparisonResult.read(folder / "comparison.json"))


def programs_plot(rows: list[dict[str, Any]], width: float = 8) -> Figure:
    """The share of problems that pass, before (a ring) and after (a dot), with the 95% interval of the change."""
    found = {row["name"]: row for row in rows}
    figure = Figure(figsize=(width, 0.36 * len(_PROGRAMS) + 0.9), layout="constrained")
    axes = figure.subplots()
    for y, row in enumerate(found[name] for name in _PROGRAMS):
        colour, before, after = UNSURE if row["is_noise"] else BETTER, 100 * row["before"], 100 * row["after"]
        axes.plot([before + 100 * bound for bound in row["interval"]], [y, y], color="black", linewidth=1.2, zorder=3)
        axes.plot([before, after], [y, y], color=colour, linewidth=5, solid_capstyle="butt", zorder=2)
        axes.plot([before], [y], "o", color="white", markeredgecolor=colour, markersize=8, zorder=4)
        axes.plot([after], [y], "o", color=colour, markersize=8, zorder=4)
        write_beside(axes, y, f"{before:.1f}% → {after:.1f}%")
    axes.set_yticks(range(len(_PROGRAMS)), list(_PROGRAMS.values()))
    axes.set_ylim(len(_PROGRAMS) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("programs that pass their tests, %  ·  better →", fontsize=FONT_SIZE)
    strip(axes)
    return figure


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
