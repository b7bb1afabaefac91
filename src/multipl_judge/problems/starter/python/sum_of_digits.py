def sum_of_digits(n: int) -> int:
    """Return the sum of the decimal digits of n.

    A minus sign is ignored.

    >>> sum_of_digits(472)
    13
    """
# --- solution
    return sum(int(digit) for digit in str(abs(n)))
# --- tests
assert sum_of_digits(472) == 13
assert sum_of_digits(-35) == 8
assert sum_of_digits(0) == 0
assert sum_of_digits(1000) == 1
assert sum_of_digits(99999) == 45
