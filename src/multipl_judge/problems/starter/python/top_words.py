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
