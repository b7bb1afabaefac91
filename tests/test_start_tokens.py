"""The token in front of every text is found, whatever else the tokenizer adds and names."""

import pytest
from transformers import AutoTokenizer

from multipl_moe.start_tokens import start_tokens
from tests.fixtures import save_beginning_texts, save_tokenizer


@pytest.mark.parametrize(
    ("template", "num_starts"), [("{} $A", 1), ("{0} $A {0}", 1), ("$A {}", 0), ("$A", 0), ("{0} {0} $A", 2)]
)
def test_what_stands_in_front_of_a_text_counts_and_not_what_closes_it_or_is_only_named(tmp_path, template, num_starts):
    save_tokenizer(tmp_path)
    assert start_tokens(AutoTokenizer.from_pretrained(tmp_path)) == [], "it adds nothing"
    start = save_beginning_texts(tmp_path, tmp_path / "started", template=template)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "started")
    assert tokenizer.bos_token_id == start
    assert start_tokens(tokenizer) == [start] * num_starts
