def double_number(n: int) -> int:
    """Return twice n.

    >>> double_number(4)
    8
    """
# --- solution
    return 2 * n
