"""The corpus section of a recipe."""

import pytest

from multipl_moe.recipe.recipe import validate_recipe
from tests.recipe.refusals import problems_of


def test_sizes_that_leave_no_file_are_refused():
    (problem,) = problems_of({"corpus": {"min_file_bytes": 500, "max_file_bytes": 499}})
    assert problem == "recipe: corpus: min_file_bytes: 500: must be at most max_file_bytes"
    assert validate_recipe({"corpus": {"min_file_bytes": 500, "max_file_bytes": 500}})


@pytest.mark.parametrize("kind", ["folder", "git", "jsonl", "parquet"])
def test_a_source_other_than_the_toolchains_needs_a_path(kind):
    (problem,) = problems_of({"corpus": {"sources": [{"kind": kind}]}})
    assert problem == f"recipe: corpus.sources.0: path: needed for kind {kind}"


def test_a_key_of_a_source_that_its_kind_does_not_have_is_refused():
    for key, value, kinds in (
        ("revision", "v1", {"git", "hub"}),
        ("subset", "small", {"hub"}),
        ("split", "validation", {"hub"}),
        ("text_key", "body", {"jsonl", "parquet", "hub"}),
        ("path", "some/where", {"folder", "git", "archive", "jsonl", "parquet", "hub"}),
    ):
        for kind in ("toolchains", "folder", "git", "archive", "jsonl", "parquet", "hub"):
            source = {"kind": kind, key: value} | ({} if kind == "toolchains" else {"path": "some/where"})
            if kind in kinds:
                recipe = validate_recipe({"corpus": {"sources": [source]}})
                assert validate_recipe(recipe.to_values()) == recipe
            else:
                (problem,) = problems_of({"corpus": {"sources": [source]}})
                assert problem.startswith(f"recipe: corpus.sources.0: {key}: ")
