"""The steps between reading and the search for duplicates."""

from datatrove.data import Document

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.content import content_steps
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.licences.header_removal import LicenceHeaders

from .conftest import recipe_of

SOURCE = {"kind": "toolchains"}


def test_licence_headers_are_left_out_in_their_language():
    texts = {"# Copyright Me\n\nx = 1\n": "x = 1\n", "y = 2\n": "y = 2\n"}
    documents = [Document(text, "a", metadata={"language": "python"}) for text in texts]
    assert [document.text for document in LicenceHeaders(LANGUAGES).run(iter(documents))] == [*texts.values()]


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
