"""The steps between reading and the search for duplicates."""

from datatrove.data import Document

from multipl_moe.corpus.content import LicenceHeaders, content_steps
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.languages.table import LANGUAGES

from .conftest import recipe_of

SOURCE = {"kind": "toolchains"}


def test_licence_headers_are_left_out_in_their_language(tmp_path):
    metadata = {"language": "python"}
    documents = [
        Document("# Copyright Me\n\nx = 1\n", "a", metadata=metadata),
        Document("y = 2\n", "b", metadata=metadata),
    ]
    assert [document.text for document in LicenceHeaders(LANGUAGES).run(iter(documents))] == ["x = 1\n", "y = 2\n"]


def test_every_step_is_there_and_each_can_be_left_out(tmp_path):
    steps = [type(step).__name__ for step in content_steps(recipe_of(SOURCE), tmp_path, BenchmarkIndex([]))]
    assert steps == [
        "VendoredFiles",
        "GeneratedFiles",
        "LicenceFilter",
        "MinifiedFiles",
        "LicenceHeaders",
        "ReplaceSecrets",
        "Decontaminate",
    ]
    bare = recipe_of(SOURCE, strip_licence_headers=False, drop=[], replace_secrets=False)
    assert [type(step).__name__ for step in content_steps(bare, tmp_path, BenchmarkIndex([]))] == [
        "LicenceFilter",
        "Decontaminate",
    ]
