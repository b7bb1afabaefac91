def sum_of_list(numbers: list[int]) -> int:
    """Return the sum of the given numbers.

    The sum of none is 0.

    >>> sum_of_list([1, 2, 3])
    6
    """
# --- solution
    return sum(numbers)
