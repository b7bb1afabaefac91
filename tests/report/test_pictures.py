"""The pictures of the documentation are made from the numbers that are stored beside them."""

import runpy
import shutil
from pathlib import Path

import pytest

from multipl_moe.report.colours import BETTER, UNSURE

_ROOT = Path(__file__).parents[2]


def test_every_picture_is_written_from_stored_numbers(tmp_path: Path):
    folders = ("results", "default", "replay")
    stored = ("images/demo.json", "programs.json", *(f"{folder}/comparison.json" for folder in folders))
    for name in stored:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(_ROOT / "docs" / name, tmp_path / name)
    runpy.run_path(str(_ROOT / "scripts" / "write_pictures.py"))["write_pictures"](tmp_path)
    pictures = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    compared = {f"{folder}/comparison.png" for folder in folders}
    rest = {f"{folder}/comparison-rest.png" for folder in ("results", "replay")}  # of a third method on
    costs = {f"{folder}/comparison-cost.png" for folder in ("results", "default")}
    assert pictures == {"images/demo.png", "images/programs.png"} | compared | rest | costs
    assert all((_ROOT / "docs" / name).is_file() for name in pictures)


def test_programs_are_drawn_from_before_to_after_in_the_colour_of_their_certainty():
    script = runpy.run_path(str(_ROOT / "scripts" / "write_pictures.py"))
    names = list(script["_PROGRAMS"])
    rows = [
        {"name": name, "before": 0.1, "after": 0.1 + place / 100, "interval": [0.0, 0.2], "is_noise": place == 1}
        for place, name in enumerate(names, start=1)
    ]
    (axes,) = script["programs_plot"](rows).axes
    drawn = [line for line in axes.lines if line.get_linewidth() == 5]
    assert [list(line.get_xdata()) for line in drawn] == [
        pytest.approx([10, 10 + place]) for place in range(1, len(names) + 1)
    ]
    assert [line.get_color() for line in drawn] == [UNSURE, *[BETTER] * (len(names) - 1)]
