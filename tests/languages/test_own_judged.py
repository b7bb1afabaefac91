"""A language of the user's own: the documented example works, and what is wrong with an entry is told."""

import json
from pathlib import Path

import pytest
import yaml

from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.references import check_references, prepare_reference_set
from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.languages.own import add_languages
from multipl_moe.languages.toolchains import TOOLCHAINS
from multipl_moe.recipe.recipe import load_recipe, validate_recipe

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tables():
    """The tables of this process, without the example's language afterwards."""
    yield
    for table in (TOOLCHAINS, HARNESSES):
        table.pop("lua", None)


def lua() -> dict:
    return yaml.safe_load((ROOT / "recipes" / "lua.yaml").read_text())


def test_the_documented_example_judges_its_references(bubblewrap, tables, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe = load_recipe(Path("recipes/lua.yaml"))
    metrics = check_references(recipe, prepare_reference_set(recipe, EvalOptions()), tmp_path, EvalOptions())
    cell = metrics["languages"]["lua"]["benchmarks"]["lua"]
    assert (cell["tasks"], cell["outcomes"]["passed"], metrics["flags"], metrics["not_scored"]) == (2, 2, {}, {})
    broken = [json.loads(line) for line in (tmp_path / "broken" / "results.jsonl").read_text().splitlines()]
    assert {line["outcome"] for line in broken} == {"runtime_error"}


def test_an_entry_is_part_of_the_saved_recipe(tmp_path):
    recipe = load_recipe(ROOT / "recipes" / "lua.yaml")
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_what_is_wrong_with_an_entry_is_told():
    values = lua()
    entry = values["own_languages"]["lua"]
    entry["toolchain"]["runs"] = entry["toolchain"].pop("run")
    with pytest.raises(ConfigError, match=r"own_languages\.lua\.toolchain: unknown key runs; known keys: executables"):
        validate_recipe(values)
    entry["toolchain"]["run"] = entry["toolchain"].pop("runs")
    del entry["harness"]["ending"]
    with pytest.raises(ConfigError, match=r"own_languages\.lua\.harness"):
        validate_recipe(values)


def test_another_entry_under_a_name_of_this_process_is_refused(tables):
    recipe = load_recipe(ROOT / "recipes" / "lua.yaml")
    add_languages(recipe.own_languages)
    add_languages(recipe.own_languages)
    values = lua()
    values["own_languages"]["lua"]["harness"]["comment"] = "#"
    with pytest.raises(ConfigError, match=r"own_languages\.lua: there is a language of that name already"):
        add_languages(validate_recipe(values).own_languages)
