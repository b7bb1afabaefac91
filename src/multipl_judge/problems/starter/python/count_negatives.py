def count_negatives(numbers: list[int]) -> int:
    """Return how many of the given numbers are below zero.

    >>> count_negatives([3, -1, -2])
    2
    """
# --- solution
    return sum(1 for number in numbers if number < 0)
