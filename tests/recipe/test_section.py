"""What all sections of a recipe have in common: nulls that mean something are written down."""

from typing import Any, get_args

from pydantic import BaseModel

from multipl_moe.recipe.recipe import load_recipe, validate_recipe


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
    recipe = _with_nulls(validate_recipe({"own_languages": {"lua": {"title": "Lua"}}}))
    assert recipe.corpus.fim.piece_characters is None
    assert recipe.own_languages["lua"].title is None
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
