import re
from collections import Counter


def top_words(text: str, count: int) -> list[str]:
    """Return the most frequent words of text, the most frequent first.

    A word is a run of letters; it counts and is returned in lower case. Equally frequent words are
    in alphabetical order. There are count of them, or all if text holds fewer.

    >>> top_words("The cat saw the dog.", 2)
    ['the', 'cat']
    """
# --- solution
    frequencies = Counter(re.findall("[a-z]+", text.lower()))
    return sorted(frequencies, key=lambda word: (-frequencies[word], word))[:count]
# --- tests
assert top_words("The cat saw the dog.", 2) == ["the", "cat"]
assert top_words("b a c", 3) == ["a", "b", "c"]
assert top_words("", 3) == []
assert top_words("one two", 0) == []
assert top_words("Go, go; GO! stop", 5) == ["go", "stop"]
assert top_words("x1y x_z 42", 3) == ["x", "y", "z"]
assert top_words("d c c b b a", 2) == ["b", "c"]
