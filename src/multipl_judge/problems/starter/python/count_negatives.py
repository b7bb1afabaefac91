def count_negatives(numbers: list[int]) -> int:
    """Return how many of the given numbers are below zero.

    >>> count_negatives([3, -1, -2])
    2
    """
# --- solution
    return sum(1 for number in numbers if number < 0)
# --- tests
assert count_negatives([3, -1, -2]) == 2
assert count_negatives([0, 5]) == 0
assert count_negatives([]) == 0
assert count_negatives([-7, -7, 0, 7]) == 2
