def common_prefix(words: list[str]) -> str:
    """Return the longest text that all words begin with.

    For no words at all, that is the empty text.

    >>> common_prefix(["storm", "story", "stop"])
    'sto'
    """
# --- solution
    if not words:
        return ""
    shortest = min(words, key=len)
    for index, letter in enumerate(shortest):
        if any(word[index] != letter for word in words):
            return shortest[:index]
    return shortest
