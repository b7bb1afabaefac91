"""The nonce cannot be foreseen and fits the integers of every language."""

from multipl_moe.languages.program import Nonce


def test_the_text_is_the_exclusive_or_of_the_two_numbers():
    assert Nonce(12, 10).text == "nonce 6"


def test_numbers_are_random_and_fit_a_signed_64_bit_integer():
    numbers = [number for nonce in (Nonce.draw() for _ in range(20)) for number in (nonce.first, nonce.second)]
    assert len(set(numbers)) == 40
    assert 2**58 < max(numbers) < 2**63
    assert min(numbers) >= 0
