"""The steps between reading and the search for duplicates."""

from multipl_moe.corpus.content import content_steps
from multipl_moe.corpus.decontamination.index import BenchmarkIndex

from .conftest import recipe_of

SOURCE = {"kind": "toolchains"}


def test_every_step_is_there_and_each_can_be_left_out(tmp_path):
    bare = recipe_of(SOURCE, strip_licence_headers=False, drop=[], replace_secrets=False)
    steps = {
        bool(recipe.corpus.drop): [
            getattr(step, "kind", type(step).__name__) for step in content_steps(recipe, tmp_path, BenchmarkIndex([]))
        ]
        for recipe in (recipe_of(SOURCE), bare)
    }
    assert steps[True] == [
        "vendored", "generated", "LicenceFilter", "minified", "LicenceHeaders", "ReplaceSecrets", "Decontaminate"
    ]  # fmt: skip
    assert steps[False] == ["LicenceFilter", "Decontaminate"]
