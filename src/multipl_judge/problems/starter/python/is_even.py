def is_even(n: int) -> bool:
    """Return whether n is an even number.

    >>> is_even(4)
    True
    >>> is_even(7)
    False
    """
# --- solution
    return n % 2 == 0
