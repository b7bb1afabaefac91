def sum_of_digits(n: int) -> int:
    """Return the sum of the decimal digits of n.

    A minus sign is ignored.

    >>> sum_of_digits(472)
    13
    """
# --- solution
    return sum(int(digit) for digit in str(abs(n)))
