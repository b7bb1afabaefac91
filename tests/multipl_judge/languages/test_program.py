"""The nonce cannot be foreseen and fits the integers of every language; what it names and asks with is as new."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.languages.program import Nonce, own_words, python_literal, with_drawn_names


def test_numbers_are_random_and_fit_a_signed_64_bit_integer_and_the_text_is_their_exclusive_or():
    assert Nonce(12, 10).text == "nonce 6"
    numbers = [number for nonce in (Nonce.draw() for _ in range(20)) for number in (nonce.first, nonce.second)]
    assert len(set(numbers)) == 40
    assert 2**58 < max(numbers) < 2**63
    assert min(numbers) >= 0


def test_names_and_numbers_of_controls_are_new_each_time_and_tell_nothing_of_the_nonce():
    nonces = [Nonce.draw() for _ in range(20)]
    assert len({nonce.name for nonce in nonces}) == 20
    assert len({number for nonce in nonces for number in nonce.numbers(2)}) > 30
    assert Nonce(12, 10).numbers(2) == Nonce(12, 10).numbers(2)
    for nonce in nonces:
        one, two = nonce.numbers(2)
        assert one != two
        assert not {str(one), str(two), nonce.name} & {str(nonce.first), str(nonce.second)}


@given(st.text(), st.sampled_from(["harness_tests()", "Harness", "a harness", "arness", ""]), st.text())
def test_what_others_wrote_comes_out_as_it_was_and_the_harness_is_called_otherwise(before, word, after):
    theirs = before + word + after
    program = with_drawn_names(f"{own_words(theirs)}\0harness_tests();", Nonce(1, 2))
    assert program == f"{theirs}\0harness{Nonce(1, 2).name}_tests();"


@given(st.text(), st.sampled_from(["\x1arness", "\udc8arness", "\nrness", "harness", "\\arness"]), st.text())
def test_no_escape_of_what_others_wrote_is_a_name_of_the_harness(before, word, after):
    theirs = before + word + after
    literal = with_drawn_names(python_literal(own_words(theirs)), Nonce(1, 2))
    assert ast.literal_eval(literal) == theirs
