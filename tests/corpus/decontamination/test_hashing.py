"""Hashes of words and n-grams, against arithmetic on Python's integers."""

import numpy as np

from multipl_moe.corpus.decontamination.hashing import ngram_hashes, word_hashes

MASK = (1 << 64) - 1
BASE = 0x9E3779B97F4A7C15


def spread(value: int) -> int:
    value = (value ^ (value >> 29)) * 0xBF58476D1CE4E5B9 & MASK
    return value ^ (value >> 32)


def words_of(text: bytes) -> np.ndarray:
    ends = np.cumsum([len(word) + 1 for word in text.split(b" ")]) - 1
    begins = np.concatenate([[0], ends[:-1] + 1])
    return word_hashes(np.frombuffer(text, np.uint8), begins, ends)


def test_a_words_hash_is_that_of_its_bytes_wherever_it_stands():
    text = b"one two " * 20_000 + b"one"
    expected = [
        spread(sum((byte + 1) * pow(BASE, i, 1 << 64) for i, byte in enumerate(w)) & MASK) for w in (b"one", b"two")
    ]
    hashes = words_of(text)
    assert hashes.tolist() == (expected * 20_001)[:-1]


def test_an_ngrams_hash_depends_on_all_its_words_and_their_order():
    words = words_of(b"a b c d e a b d c e")
    hashes = ngram_hashes(words, 4).tolist()
    value = sum(int(word) * pow(BASE, place, 1 << 64) for place, word in enumerate(words[1:5])) & MASK
    assert hashes[1] == spread(value) >> 32
    assert len(set(hashes)) == len(hashes) == 7
