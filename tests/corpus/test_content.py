"""The steps between reading and the search for duplicates."""

from datatrove.data import Document

from multipl_moe.corpus.content import LicenceHeaders, content_steps
from multipl_moe.languages import LANGUAGES

from .conftest import recipe_of

SOURCE = {"kind": "toolchains"}


def test_licence_headers_are_left_out_in_their_language(tmp_path):
    metadata = {"language": "python"}
    documents = [
        Document("# Copyright Me\n\nx = 1\n", "a", metadata=metadata),
        Document("y = 2\n", "b", metadata=metadata),
    ]
    assert [document.text for document in LicenceHeaders(LANGUAGES).run(iter(documents))] == ["x = 1\n", "y = 2\n"]


def test_licence_headers_stay_if_asked(tmp_path):
    assert not content_steps(recipe_of(SOURCE, strip_licence_headers=False), tmp_path)
    assert [type(step) for step in content_steps(recipe_of(SOURCE), tmp_path)] == [LicenceHeaders]
