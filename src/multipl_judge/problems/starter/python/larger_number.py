def larger_number(a: int, b: int) -> int:
    """Return the larger of the two numbers.

    >>> larger_number(3, 8)
    8
    """
# --- solution
    return max(a, b)
# --- tests
assert larger_number(3, 8) == 8
assert larger_number(8, 3) == 8
assert larger_number(-2, -9) == -2
assert larger_number(5, 5) == 5
assert larger_number(-1, 0) == 0
