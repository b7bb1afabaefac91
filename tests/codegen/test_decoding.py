"""A row ends where its text does, cut exactly whatever its tokens; and it is drawn by its own numbers."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.generation.logits_process import TopPLogitsWarper

from multipl_judge.problems.problem import cut_at_stop
from multipl_moe.codegen.completer import Finish
from multipl_moe.codegen.decoding import Row, RowDraws, settled_stop
from tests.codegen.problems import merging_tokenizer, spacing_tokenizer

WORDS = ["a}", "\n}", "}\n\n", "é}", " b", "ab", "b\n"]
TOKENIZER: Any = merging_tokenizer(*WORDS)
ENDS = frozenset({TOKENIZER.eos_token_id})
PIECES = [*WORDS, "a", "b", "\n", "}", " "]
texts = st.text("ab\n}", max_size=20)
stop_strings = st.lists(st.text("ab\n}é ", min_size=1, max_size=5), max_size=3)


def tokens_of(pieces):
    vocabulary = TOKENIZER.get_vocab()
    spelled = {TOKENIZER.decode([index]): index for index in vocabulary.values()}
    single = [TOKENIZER.convert_tokens_to_ids(TOKENIZER.tokenize(piece)) for piece in pieces]
    return [
        token
        for piece, tokens in zip(pieces, single, strict=True)
        for token in ([spelled[piece]] if piece in spelled else tokens)
    ]


def row_of(stops=(), max_new_tokens=50, seed=0, prompt=(0,)):
    return Row(list(prompt), stops, max_new_tokens, seed, TOKENIZER, ENDS)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=30), stop_strings)
def test_stops_are_cut_exactly_and_end_the_row_at_once(pieces, stops):
    tokens, row = tokens_of(pieces), row_of(stops)
    num_taken = 0
    while row.finish is None and num_taken < len(tokens):
        row.take(tokens[num_taken])
        num_taken += 1
    seen, before = (TOKENIZER.decode(tokens[:number]) for number in (num_taken, num_taken - 1))
    settled = settled_stop(seen, stops) is not None if stops else False
    assert (row.finish == Finish.stop) == settled
    assert not stops or settled_stop(before, stops) is None
    if not settled:
        row.take(TOKENIZER.eos_token_id)
    whole = "".join(pieces)
    completion = row.completion()
    assert completion.text == cut_at_stop(whole, stops)
    assert completion.finish == (Finish.end if completion.text == whole else Finish.stop)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=30), stop_strings)
def test_any_bytes_give_the_text_that_decoding_them_gives(tokens, stops):
    row = row_of(stops, len(tokens))
    for token in tokens:
        row.take(token)
    completion = row.completion()
    assert completion.text == cut_at_stop(TOKENIZER.decode(row.new), stops)
    assert completion.finish == (Finish.stop if completion.text != TOKENIZER.decode(tokens) else Finish.length)


def test_a_stop_does_not_begin_in_the_prompt():
    row = row_of(["\n}"], 2, prompt=tokens_of(["a", "\n"]))
    for token in tokens_of(["}", "b"]):
        row.take(token)
    assert row.completion().text == "}b"


def test_the_space_between_prompt_and_completion_is_kept():
    tokenizer: Any = spacing_tokenizer("▁return", "▁a", "▁b", "(")
    prompt = tokenizer("return a", add_special_tokens=False)["input_ids"]
    new = tokenizer.convert_tokens_to_ids(["▁b", "(", "▁a"])
    assert tokenizer.decode(new) == "b( a"
    row = Row(prompt, ["(x"], 3, 0, tokenizer, frozenset())
    for token in new:
        row.take(token)
    assert row.completion().text == " b( a"


class Numbered(Row):
    """A row with a given number to draw by."""

    def __init__(self, number):
        self.number = number

    @property
    def draw(self) -> float:
        return self.number


def drawn(logits, numbers, temperature=1.0, top_p=1.0):
    scores = RowDraws([Numbered(number) for number in numbers], temperature, top_p)(None, logits)
    assert (scores.isfinite().sum(dim=1) == 1).all()
    return scores.argmax(dim=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_as_often_as_they_are_likely(temperature):
    num_draws = 10_000
    logits = torch.randn(1, 7)
    numbers = ((torch.arange(num_draws) + 0.5) / num_draws).tolist()
    tokens = drawn(logits.expand(num_draws, -1).contiguous(), numbers, temperature)
    share = torch.bincount(tokens, minlength=7) / num_draws
    torch.testing.assert_close(share, (logits[0] / temperature).softmax(0), rtol=0, atol=2 / num_draws)


@pytest.mark.parametrize("spread", [0.0, 0.1, 1.0, 5.0])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95])
def test_top_p_of_a_large_vocabulary_is_that_of_all_its_tokens_sorted(spread, top_p):
    """However flat they are: with a spread of 0.1 the nucleus is larger than what is looked at first."""
    logits, numbers = torch.randn(16, 5000, dtype=torch.float64) * spread, torch.rand(16).tolist()
    logits += torch.linspace(0, 1e-6, 5000)  # no two alike
    kept = TopPLogitsWarper(top_p)(None, logits)  # type: ignore[arg-type]
    bounds = kept.softmax(dim=-1).cumsum(dim=-1)
    slow = (bounds <= torch.tensor(numbers)[:, None]).sum(dim=-1)
    assert torch.equal(drawn(logits, numbers, top_p=top_p), slow)


@given(texts, texts, stop_strings)
def test_what_is_settled_no_continuation_changes(text, continuation, stops):
    place = settled_stop(text, stops)
    if place is not None:
        assert text[:place] == cut_at_stop(text, stops) == cut_at_stop(text + continuation, stops)


@given(texts, stop_strings)
def test_what_is_not_settled_some_continuation_changes(text, stops):
    if settled_stop(text, stops) is None:
        cut = cut_at_stop(text, stops)
        ends = [stop[size:] for stop in stops for size in range(len(stop))]
        assert cut == text or any(cut_at_stop(text + end, stops) != cut for end in ends)
