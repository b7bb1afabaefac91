"""The nonce cannot be foreseen and does not stand in the program."""

import pytest

from multipl_moe.languages.nonce import Nonce


def test_the_text_is_the_exclusive_or_of_the_two_numbers():
    assert Nonce(12, 10).text == "nonce 6"


def test_two_nonces_differ_in_both_numbers_and_in_their_text():
    one, other = Nonce.draw(), Nonce.draw()
    assert one.first != other.first
    assert one.second != other.second
    assert one.text != other.text


@pytest.mark.parametrize("_", range(20))
def test_numbers_fit_a_signed_64_bit_integer(_):
    nonce = Nonce.draw()
    assert 0 <= nonce.first < 2**63
    assert 0 <= nonce.second < 2**63
