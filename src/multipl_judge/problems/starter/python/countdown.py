def countdown(n: int) -> str:
    """Return the numbers from n down to 1, and then the word go!

    They are joined by a comma and a space; n is not negative.

    >>> countdown(3)
    '3, 2, 1, go!'
    """
# --- solution
    return ", ".join([str(number) for number in range(n, 0, -1)] + ["go!"])
# --- tests
assert countdown(3) == "3, 2, 1, go!"
assert countdown(1) == "1, go!"
assert countdown(0) == "go!"
assert countdown(10) == "10, 9, 8, 7, 6, 5, 4, 3, 2, 1, go!"
