import random
from collections.abc import Mapping

import pytest
from datatrove.data import Document

from multipl_moe.corpus.clean.minified import MinifiedFiles, minified_measure
from multipl_moe.languages.table import LANGUAGES, Language
from tests.corpus.conftest import program

MINIFIED = {
    "a line of 1,001 characters": "x = 1\n" * 300 + "y = '" + "ab c" * 249 + "'\n",
    "long lines": "\n".join(["function(a,b){return a+b};var c=1;if(c){d(c)} " * 4] * 30),
    "a table of signs": "0x,;{}[]<>()+-*/\n" * 5 + "{{ {}, {} }, {{}, {}}},\n" * 100,
    "encoded data": "\n".join(
        "".join(random.Random(line).choices("abcdefghijklmnopqrstuvwxyz0123456789+/", k=76)) for line in range(60)
    ),
}


@pytest.mark.parametrize("name", MINIFIED)
def test_minified_code_and_encoded_data_are_found(name):
    assert minified_measure(MINIFIED[name]) is not None


@pytest.mark.parametrize("text", [program(1), "", "x", "# коммент\n" * 30, "\tif x {\n\t\tcall()\n\t}\n" * 30])
def test_ordinary_text_is_not_minified(text):
    assert minified_measure(text) is None


def dropped(text: str, language: str, table: Mapping[str, Language] = LANGUAGES) -> str | None:
    """The detail with which a text is dropped; None for one that is kept."""
    document = Document(text=text, id="1", metadata={"language": language, "path": "a/b/c"})
    kept = MinifiedFiles(table).filter(document)
    assert kept in (True, (False, "minified"))
    return document.metadata.get("detail")


PARAGRAPH = "A paragraph on one line. " * 60


def test_natural_language_may_have_long_lines():
    assert dropped(PARAGRAPH, "english") is None
    assert dropped(PARAGRAPH, "ruby") == "a line of 1500 characters"


def test_a_language_of_the_recipe_is_code_unless_it_says_otherwise():
    own = {"german": Language("German", (".de",), is_code=False), "rules": Language("Rules", (".rules",))}
    assert dropped(PARAGRAPH, "german", LANGUAGES | own) is None
    assert dropped(PARAGRAPH, "rules", LANGUAGES | own) == "a line of 1500 characters"
