def countdown(n: int) -> str:
    """Return the numbers from n down to 1, and then the word go!

    They are joined by a comma and a space; n is not negative.

    >>> countdown(3)
    '3, 2, 1, go!'
    """
# --- solution
    return ", ".join([str(number) for number in range(n, 0, -1)] + ["go!"])
