def count_vowels(text: str) -> int:
    """Return how many letters of text are vowels.

    The vowels are a, e, i, o and u, in upper or lower case.

    >>> count_vowels("banana")
    3
    """
# --- solution
    return sum(1 for letter in text.lower() if letter in "aeiou")
