"""What stays of a text when its disguise is taken off: its words, or the structure of its code.

*Words* (`text_ngrams`): letters and digits in lower case. Case, white space, comment marks, punctuation and the
underscores of snake_case do not count, so a problem's text is the same in any language's comments.

*Structure* (`code_ngrams`): the tokens of code without comments, commas, semicolons and braces; literals are all alike,
and an identifier is only the distance to where it stood before, so renaming changes nothing, but which variable is used
where does (parameterised matching: Baker 1993). The n-grams of a language match only those of the same one.
"""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from multipl_judge.languages.source_text import marked_code
from multipl_moe.corpus.decontamination.hashing import Bytes, Hashes, ngram_hashes, spread, word_hashes

TEXT_WORDS = 8
CODE_TOKENS = 12

_WORD_BYTES = np.zeros(256, bool)
_WORD_BYTES[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *range(128, 256)]] = True
_SIGN_BYTES = ~_WORD_BYTES
_SIGN_BYTES[[*range(33), 127, *b",;{}"]] = False
_DIGITS = np.zeros(256, bool)
_DIGITS[[*b"0123456789"]] = True
_NUMBER, _NAME = (np.uint64(0xA5A5_0000_0000_0000 + number) for number in (1, 2))
KEYWORDS = re.findall(
    r"\w+",
    """
    and as assert async await begin bool boolean break byte case catch char class const continue def default defer
    defined del do double else elif elsif end ensure enum except extends extern false False final finally float fn for
    from func function global go goto if impl implements import in include instanceof int interface is lambda let long
    loop map match module mod mut namespace new next nil None nonlocal not null nullptr operator or package pass private
    protected public raise range redo require rescue retry return select self Self short signed sizeof static struct
    super switch template this throw throws trait true True try type typedef typename union unless unsafe unsigned until
    use using var virtual void when where while with yield
    """,
)


def text_ngrams(text: str) -> NDArray[np.uint32]:
    """The hash of each `TEXT_WORDS` consecutive words, in order."""
    data = np.frombuffer(text.replace("_", "").lower().encode("utf-8", "surrogatepass"), np.uint8)
    return ngram_hashes(word_hashes(data, *_spans(_WORD_BYTES[data])), TEXT_WORDS)


def code_ngrams(text: str, language: str) -> NDArray[np.uint32]:
    """The hash of the structure of each `CODE_TOKENS` consecutive tokens, in order."""
    code = marked_code(text, language).encode("utf-8", "surrogatepass")
    tokens, previous = _tokens(np.frombuffer(code, np.uint8))
    return ngram_hashes(tokens, CODE_TOKENS, previous=previous, salt=_salt(language))


def _tokens(data: Bytes) -> tuple[Hashes, NDArray[np.int64]]:
    """The hash of each token (all numbers alike, all names alike), and where the same name stood before, or -1.

    Places that are too far back to be in one n-gram are -1 too.
    """
    begins, ends = _spans(_WORD_BYTES[data])
    words = word_hashes(data, begins, ends)
    is_number = _DIGITS[data[begins]]
    keywords = _keyword_hashes()
    is_name = ~is_number & (keywords[np.searchsorted(keywords[:-1], words)] != words)
    words[is_number] = _NUMBER
    signs = np.flatnonzero(_SIGN_BYTES[data])
    order = np.argsort(np.concatenate([begins, signs]), kind="stable")  # two sorted runs: they are merged
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    previous = _previous(ranks[: len(begins)][is_name], words[is_name], len(order))
    words[is_name] = _NAME
    return spread(np.concatenate([words, data[signs].astype(np.uint64)])[order]), previous


def _previous(ranks: NDArray[np.int64], names: Hashes, count: int) -> NDArray[np.int64]:
    """For each of `count` tokens where the same name stood before, or -1."""
    bits = np.uint64(count.bit_length())
    # Sorted by name and then by place, in one number: what is cut off a hash is no loss within one text.
    ordered = np.sort((names >> bits << bits) | ranks.astype(np.uint64))
    places = (ordered & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
    is_near = (np.diff(ordered >> bits) == 0) & (np.diff(places) < CODE_TOKENS)
    previous = np.full(count, -1, np.int64)
    previous[places[1:][is_near]] = places[:-1][is_near]
    return previous


def _spans(is_inside: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    edges = np.flatnonzero(np.diff(is_inside, prepend=False, append=False))
    return edges[::2], edges[1::2]


@lru_cache(maxsize=1)
def _keyword_hashes() -> Hashes:
    return np.sort(np.concatenate([_hash_of(word) for word in KEYWORDS]))


@lru_cache(maxsize=256)
def _salt(language: str) -> int:
    return int(_hash_of(language)[0])


def _hash_of(word: str) -> Hashes:
    data = np.frombuffer(word.encode(), np.uint8)
    return word_hashes(data, np.array([0]), np.array([len(data)]))
