"""The pictures of the documentation are made from the numbers that are stored beside them."""

import runpy
import shutil
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_every_picture_is_written_from_stored_numbers(tmp_path: Path):
    stored = ("images/demo.json", "programs.json", "results/comparison.json", "replay/comparison.json")
    for name in stored:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(_ROOT / "docs" / name, tmp_path / name)
    runpy.run_path(str(_ROOT / "scripts" / "write_pictures.py"))["write_pictures"](tmp_path)
    pictures = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")}
    compared = {f"{folder}/comparison{kind}.png" for folder in ("results", "replay") for kind in ("", "-rest")}
    assert pictures == {"images/demo.png", "images/programs.png", "results/comparison-cost.png"} | compared
    assert all((_ROOT / "docs" / name).is_file() for name in pictures)
