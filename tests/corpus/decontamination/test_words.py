"""What disguises change of a text's n-grams, and what they do not."""

import re

import numpy as np
import pytest

from multipl_moe.corpus.decontamination.words import CODE_TOKENS, KEYWORDS, TEXT_WORDS, code_ngrams, text_ngrams

PYTHON = '''
def mean_gap(numbers, limit=10):
    """The mean gap."""
    total = 0  # so far
    for index, number in enumerate(sorted(numbers)):
        if number > limit and total != "none":
            total += number - numbers[index - 1]
    return total / len(numbers)
'''
GO = """
func meanGap(numbers []int, limit int) int {
	total := 0 /* so
	far */
	for index, number := range numbers {
		if number > limit && label != 'x' { total += number - numbers[index - 1] }
	}
	return total / len(numbers)
}
"""


def test_case_comment_marks_punctuation_and_line_ends_do_not_change_words():
    one = "Check if, in a GIVEN list of numbers, are any two numbers closer_to each other"
    other = "// check if in a given list\n// of numbers are any (two)\n * numbers closerTo # each other"
    assert len(text_ngrams(one)) == 15 - TEXT_WORDS + 1
    assert np.array_equal(text_ngrams(one), text_ngrams(other))


def test_a_changed_word_changes_only_the_ngrams_that_hold_it():
    words = [f"w{number}" for number in range(40)]
    before = text_ngrams(" ".join(words))
    words[20] = "changed"
    after = text_ngrams(" ".join(words))
    assert np.flatnonzero(before != after).tolist() == list(range(20 - TEXT_WORDS + 1, 21))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "summe"), ("numbers", "xs"), ("index", "i"), ("10", "0x7F"), ("  # so far", ""), ('"none"', "'?'"),
        ('"""The mean gap."""', "'''Another\ntext.'''"), ("    ", "\t"), (" = ", "="),
    ],
)  # fmt: skip
def test_names_literals_comments_and_space_do_not_change_the_structure(old, new):
    assert np.array_equal(code_ngrams(PYTHON, "python"), code_ngrams(PYTHON.replace(old, new), "python"))


def test_two_ngrams_are_equal_exactly_if_their_tokens_and_repetitions_of_names_are():
    text = (PYTHON + PYTHON.replace("total", "limit") + PYTHON.replace("index", "numbers")) * 2
    code = re.sub(r'""".*?"""|#.*', "", text).replace('"none"', '"')
    tokens = [token for token in re.findall(r"\w+|\S", code) if token not in ",;{}"]
    hashes = code_ngrams(text, "python").tolist()
    slow = [slow_ngram(tokens[at : at + CODE_TOKENS]) for at in range(len(tokens) - CODE_TOKENS + 1)]
    assert len(slow) == len(hashes)
    assert len(set(slow)) == len(set(hashes)) == len(set(zip(slow, hashes, strict=True)))


def slow_ngram(tokens: list[str]) -> tuple[str | int, ...]:
    seen: dict[str, int] = {}
    coded: list[str | int] = []
    for place, token in enumerate(tokens):
        if token[0].isdigit():
            coded.append("number")
        elif not token.isidentifier() or token in KEYWORDS:
            coded.append(token)
        else:
            coded.append(place - seen[token] if token in seen else "new name")
            seen[token] = place
    return tuple(coded)


def test_texts_without_a_word_and_odd_ones_have_no_ngrams():
    for text in ("", " \n\t", "é", '"unclosed', "'" * 7, "/* never closed", "\ud800"):
        assert len(text_ngrams(text)) == len(code_ngrams(text, "go")) == 0


def test_a_long_run_of_backslashes_is_read_at_once_and_its_last_sign_decoded():
    slashes = "\\" * 200_000  # read anew from each, they would take days
    words = "one two three four five six seven "
    assert text_ngrams(f"{words}{slashes}u0065ight").tolist() == text_ngrams(f"{words}eight").tolist()
    assert len(text_ngrams(slashes)) == 0
