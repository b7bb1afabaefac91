"""What makes a folder that of a run."""

from pathlib import Path

import pytest

from multipl_moe.errors import OutputError
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.folder import open_run, read_json


def test_the_recipe_comes_last_so_that_a_folder_that_has_one_is_whole(tmp_path: Path, monkeypatch):
    def stop() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.runs.folder.environment", stop)
        with pytest.raises(KeyboardInterrupt):
            open_run(tmp_path / "run", Recipe())
    assert list((tmp_path / "run").iterdir()) == []
    open_run(tmp_path / "run", Recipe(seed=3))
    assert load_recipe(tmp_path / "run" / "recipe.yaml").seed == 3
    assert "packages" in read_json(tmp_path / "run" / "environment.json")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"run cannot be created \(Not a directory\); choose another folder"):
        open_run(tmp_path / "file" / "run", Recipe())
