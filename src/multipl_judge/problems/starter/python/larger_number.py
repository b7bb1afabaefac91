def larger_number(a: int, b: int) -> int:
    """Return the larger of the two numbers.

    >>> larger_number(3, 8)
    8
    """
# --- solution
    return max(a, b)
