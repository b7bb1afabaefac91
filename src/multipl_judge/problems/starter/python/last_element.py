def last_element(numbers: list[int]) -> int:
    """Return the last of the given numbers.

    There is at least one.

    >>> last_element([3, 1, 2])
    2
    """
# --- solution
    return numbers[-1]
