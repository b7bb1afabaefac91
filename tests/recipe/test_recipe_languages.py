"""The languages of a recipe: known, each once, in one role, and all problems of them told at once."""

import pytest

from tests.recipe.refusals import problems_of


@pytest.mark.parametrize(
    "values", [{"learn": ["rust", "cobol"]}, {"keep": ["cobol"]}, {"train": {"weights": {"cobol": 1.0, "go": 1.0}}}]
)
def test_an_unknown_language_is_refused_with_the_known_ones(values):
    (problem,) = problems_of(values)
    assert problem.startswith("recipe: unknown languages cobol; known: cpp, english, go, java, python, ruby, rust")


def test_a_language_both_to_learn_and_to_keep_is_refused():
    (problem,) = problems_of({"learn": ["go", "java", "rust"], "keep": ["java", "rust"]})
    assert problem == "recipe: languages both to learn and to keep: java, rust"


def test_a_language_given_twice_is_refused_and_a_seed_that_nothing_takes():
    (problem,) = problems_of({"learn": ["go", "rust", "go"]})
    assert problem == "recipe: learn: go given twice"
    (problem,) = problems_of({"seed": 2**32})
    assert problem.startswith("recipe: seed: 4294967296: ")


def test_all_problems_of_languages_are_told_at_once():
    (problem,) = problems_of({"learn": ["go", "go", "cobol"], "keep": ["go"]})
    for part in ("unknown languages cobol", "learn: go given twice", "both to learn and to keep: go"):
        assert part in problem
