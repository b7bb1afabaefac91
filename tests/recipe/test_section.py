"""What all sections have in common: nulls that mean something are written down, unknown keys refused."""

from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from multipl_moe.recipe.recipe import load_recipe, validate_recipe
from tests.recipe.refusals import problems_of


def _with_nulls(part: Any) -> Any:
    """The part of a recipe with null for every setting that may be null."""
    if isinstance(part, list):
        return [_with_nulls(entry) for entry in part]
    if isinstance(part, dict):
        return {key: _with_nulls(entry) for key, entry in part.items()}
    if not isinstance(part, BaseModel):
        return part
    nullable = {name for name, field in type(part).model_fields.items() if type(None) in get_args(field.annotation)}
    return part.model_copy(update={name: None if name in nullable else _with_nulls(value) for name, value in part})


def test_every_null_survives_the_saved_recipe(tmp_path):
    recipe = _with_nulls(validate_recipe({"own_languages": {"tcl": {"title": "Tcl"}}}))
    assert recipe.corpus.fim.piece_characters is None
    assert recipe.own_languages["tcl"].title is None
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["rust", "go", "ruby", "python"]), st.none() | st.integers(1, 10**12)))
def test_budgets_by_language_survive_the_saved_recipe(budgets):
    recipe = validate_recipe({"corpus": {"max_bytes_per_language": budgets}})
    again = validate_recipe(yaml.safe_load(recipe.to_yaml()))
    assert again == recipe
    assert {name: again.corpus.max_bytes_of(name) for name in budgets} == budgets
    assert again.corpus.max_bytes_of("java") == 4_000_000


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "4 MB", {"rust": 0}, {"rust": "all"}, [1]], ids=str)
def test_a_budget_that_is_none_is_refused_in_one_line(value):
    (problem,) = problems_of({"corpus": {"max_bytes_per_language": value}})
    assert "corpus.max_bytes_per_language: " in problem
    assert "must be a number of bytes above 0, or null for all files" in problem
