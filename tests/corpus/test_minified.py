import random

import pytest
from datatrove.data import Document

from multipl_moe.corpus.minified import MinifiedFiles, minified_measure

from .conftest import program

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


def test_natural_language_may_have_long_lines():
    text = "A paragraph on one line. " * 60
    english = Document(text=text, id="1", metadata={"language": "english", "path": "a/b/c.md"})
    ruby = Document(text=text, id="2", metadata={"language": "ruby", "path": "a/b/c.rb"})
    assert MinifiedFiles().filter(english) is True
    assert MinifiedFiles().filter(ruby) == (False, "minified")
    assert ruby.metadata["detail"] == "a line of 1500 characters"


def test_a_language_of_the_recipe_counts_as_code():
    document = Document(text=MINIFIED["long lines"], id="1", metadata={"language": "ownlang", "path": "a/b/c.own"})
    assert MinifiedFiles().filter(document) == (False, "minified")
