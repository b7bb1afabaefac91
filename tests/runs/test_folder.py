"""What makes a folder that of a run."""

from pathlib import Path

import pytest

from multipl_moe.errors import OutputError
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.folder import open_run, read_json, write_json
from multipl_moe.runs.journal import append_to_journal
from tests.fixtures import interrupt


def test_the_recipe_comes_last_so_that_a_folder_that_has_one_is_whole(tmp_path: Path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.runs.folder.environment", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_run(tmp_path / "run", Recipe())
    assert list((tmp_path / "run").iterdir()) == []
    open_run(tmp_path / "run", Recipe(seed=3))
    assert load_recipe(tmp_path / "run" / "recipe.yaml").seed == 3
    assert "packages" in read_json(tmp_path / "run" / "environment.json")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_result_that_is_no_number_is_not_stored(tmp_path: Path, number: float):
    for write in (write_json, lambda file, values: append_to_journal(file, [values])):
        with pytest.raises(OutputError, match=r"out: a result is NaN or infinite"):
            write(tmp_path / "out", {"rows": [1.0, {"loss": number}]})
    assert list(tmp_path.iterdir()) == []
