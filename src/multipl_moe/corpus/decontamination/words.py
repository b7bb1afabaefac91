r"""What stays of a text when its disguise is taken off: its words, or the structure of its code.

*Words* (`text_ngrams`): letters and digits in lower case. Case, white space, comment marks, punctuation and the
underscores of snake_case do not count, so a problem's text is the same in any language's comments. What a string
literal, JSON or a notebook escapes (\n, \", \u003c) is read as what it stands for, and any blank of Unicode as a space.

*Structure* (`code_ngrams`): the tokens of code without comments, commas, semicolons and braces; literals are all alike,
and an identifier is only the distance to where it stood before, so renaming changes nothing, but which variable is used
where does (parameterised matching: Baker 1993). The n-grams of a language match only those of the same one.

Both are hashed whole arrays at a time: a corpus is read at memory speed, not at Python's. All arithmetic is modulo
2^64. A word's hash is that of its bytes alone, wherever it stands, so that equal words have equal hashes; an n-gram's
is cut to 32 bits, of which an index of some 100,000 hits one by chance in 40,000 n-grams.
"""

import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from multipl_judge.languages.source_text import marked_code

TEXT_WORDS = 8
CODE_TOKENS = 12

_Hashes = NDArray[np.uint64]
_Bytes = NDArray[np.uint8]

_BLANKS = re.compile("[\u0085\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff]")
_ESCAPED_SIGN = re.compile(r"(?<!\\)\\++(?:u([0-9a-f]{4})|u\{([0-9a-f]{1,5})\}|x([0-9a-f]{2}))", re.IGNORECASE)

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_SPREAD = np.uint64(0xBF58476D1CE4E5B9)
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
    data = np.frombuffer(_unescaped(text).replace("_", "").lower().encode("utf-8", "surrogatepass"), np.uint8)
    return _ngram_hashes(_word_hashes(data, *_spans(_WORD_BYTES[data])), TEXT_WORDS)


def code_ngrams(text: str, language: str) -> NDArray[np.uint32]:
    """The hash of the structure of each `CODE_TOKENS` consecutive tokens, in order."""
    code = marked_code(_with_plain_spaces(text), language).encode("utf-8", "surrogatepass")
    tokens, previous = _tokens(np.frombuffer(code, np.uint8))
    return _ngram_hashes(tokens, CODE_TOKENS, previous=previous, salt=_salt(language))


def _unescaped(text: str) -> str:
    if "\\" in text:
        for blank in ("\\n", "\\t", "\\r"):
            text = text.replace(blank, " ")
        text = _ESCAPED_SIGN.sub(lambda found: chr(int(found[found.lastindex or 0], 16)), text)
    return _with_plain_spaces(text)


def _with_plain_spaces(text: str) -> str:
    return text if text.isascii() else _BLANKS.sub(" ", text)


def _tokens(data: _Bytes) -> tuple[_Hashes, NDArray[np.int64]]:
    """The hash of each token (all numbers alike, all names alike), and where the same name stood before, or -1.

    Places that are too far back to be in one n-gram are -1 too.
    """
    begins, ends = _spans(_WORD_BYTES[data])
    words = _word_hashes(data, begins, ends)
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
    return _spread(np.concatenate([words, data[signs].astype(np.uint64)])[order]), previous


def _previous(ranks: NDArray[np.int64], names: _Hashes, count: int) -> NDArray[np.int64]:
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
def _keyword_hashes() -> _Hashes:
    return np.sort(np.concatenate([_hash_of(word) for word in KEYWORDS]))


@lru_cache(maxsize=256)
def _salt(language: str) -> int:
    return int(_hash_of(language)[0])


def _hash_of(word: str) -> _Hashes:
    data = np.frombuffer(word.encode(), np.uint8)
    return _word_hashes(data, np.array([0]), np.array([len(data)]))


def _word_hashes(data: _Bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> _Hashes:
    """The hash of each word: `data` are the bytes of a text, in which words lie from `begins` to `ends`, in order."""
    powers, inverses = _powers(_capacity(len(data)))
    sums = np.empty(len(data) + 1, np.uint64)
    sums[0] = 0
    np.cumsum((data + np.uint64(1)) * powers[: len(data)], out=sums[1:])
    return _spread((sums[ends] - sums[begins]) * inverses[begins])


def _ngram_hashes(
    words: _Hashes, size: int, *, previous: NDArray[np.int64] | None = None, salt: int = 0
) -> NDArray[np.uint32]:
    """The hash of each `size` consecutive words, given by their hashes; none if there are fewer.

    Args:
        previous: at each word's place, where it stood before, or -1. An n-gram then depends on where in it a word
            stood before, and on the word itself only if it did not.
        salt: n-grams of different salts differ.
    """
    count = len(words) - size + 1
    if count < 1:
        return np.empty(0, np.uint32)
    powers, inverses = _powers(_capacity(len(words)))
    powers = powers[: len(words)]
    if previous is None:
        totals = _window_sums(words * powers, size)
    else:
        again = np.flatnonzero(previous >= 0)
        before = previous[again]
        coded = words.copy()
        coded[again] = _spread((again - before).astype(np.uint64))
        totals = _window_sums(coded * powers, size)
        # In the n-grams that begin after `before` the word has not stood before: there it counts as itself.
        changes = np.zeros(len(words) + 1, np.uint64)
        difference = (words[again] - coded[again]) * powers[again]
        changes[before + 1] += difference
        changes[again + 1] -= difference
        totals += np.cumsum(changes, dtype=np.uint64)[:count]
    mixed = _spread(totals * inverses[:count] + np.uint64(salt))
    return (mixed >> np.uint64(32)).astype(np.uint32)


def _window_sums(values: _Hashes, size: int) -> _Hashes:
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums[size:] - sums[:-size]


def _spread(values: _Hashes) -> _Hashes:
    """Values whose bits all depend on all bits."""
    values = (values ^ (values >> np.uint64(29))) * _SPREAD
    return values ^ (values >> np.uint64(32))


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[_Hashes, _Hashes]:
    tables = []
    for factor in (_BASE, _INVERSE):
        steps = np.full(count, factor, np.uint64)
        steps[0] = 1
        tables.append(np.cumprod(steps, dtype=np.uint64))
    return tables[0], tables[1]


def _capacity(length: int) -> int:
    """A table's length: a power of two that holds as much, so that few tables are made."""
    return max(1 << 16, 1 << length.bit_length())
