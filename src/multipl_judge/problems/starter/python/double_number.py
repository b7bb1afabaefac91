def double_number(n: int) -> int:
    """Return twice n.

    >>> double_number(4)
    8
    """
# --- solution
    return 2 * n
# --- tests
assert double_number(4) == 8
assert double_number(0) == 0
assert double_number(-3) == -6
assert double_number(21) == 42
