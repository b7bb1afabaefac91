"""The corpus section of a recipe."""

import pytest

from tests.recipe.refusals import problems_of


def test_slurm_needs_a_partition():
    (problem,) = problems_of({"corpus": {"executor": {"kind": "slurm"}}})
    assert problem == "recipe: corpus.executor: slurm: needed for kind slurm; give at least its partition"


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
