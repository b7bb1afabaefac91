"""The corpus section of a recipe."""

import pytest

from multipl_moe.recipe.recipe import load_recipe, validate_recipe
from tests.recipe.refusals import problems_of


def test_a_corpus_without_a_budget_is_written_and_read_back_without_one(tmp_path):
    recipe = validate_recipe({"corpus": {"max_bytes_per_language": None}})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    assert load_recipe(tmp_path / "recipe.yaml") == recipe


def test_slurm_needs_a_partition():
    (problem,) = problems_of({"corpus": {"executor": {"kind": "slurm"}}})
    assert problem == "recipe: corpus.executor: slurm: needed for kind slurm; give at least its partition"


def test_where_tasks_run_does_not_decide_the_corpus_but_parts_do():
    recipe, elsewhere, parts = (
        validate_recipe({"corpus": {"executor": executor}})
        for executor in ({}, {"kind": "ray", "workers": 9}, {"parts": 2})
    )
    assert recipe.same_corpus(elsewhere)
    assert not recipe.same_corpus(parts)


@pytest.mark.parametrize(
    ("tokens", "problem"),
    [
        (["<p>", "<m>", "<p>"], "corpus.fim: tokens: prefix, middle and suffix need three different ones"),
        (["<p>", "<m>"], "corpus.fim.tokens: "),
        (["<p>", "", "<s>"], "corpus.fim.tokens.1: "),
    ],
)
def test_fill_in_the_middle_needs_three_different_tokens(tokens, problem):
    (found,) = problems_of({"corpus": {"fim": {"tokens": tokens}}})
    assert problem in found


def test_licences_that_spdx_does_not_know_are_refused_with_the_nearest():
    problems = problems_of({"corpus": {"licences": {"allow": ["MTI", "BSD-*"], "deny": ["GLP-*"]}}})
    assert problems == [
        "recipe: corpus.licences: unknown SPDX licence 'MTI'; did you mean 'MIT'?; no SPDX licence matches 'GLP-*'"
    ]


@pytest.mark.parametrize("kind", ["folder", "git", "jsonl", "parquet"])
def test_a_source_other_than_the_toolchains_needs_a_path(kind):
    (problem,) = problems_of({"corpus": {"sources": [{"kind": kind}]}})
    assert problem == f"recipe: corpus.sources.0: path: needed for kind {kind}"
