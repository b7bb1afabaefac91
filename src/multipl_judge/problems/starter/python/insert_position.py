from bisect import bisect_left


def insert_position(numbers: list[int], target: int) -> int:
    """Return the index of the first number that is not below target.

    The numbers are in ascending order. If all are below target, the result is how many there are.

    >>> insert_position([10, 20, 30], 20)
    1
    >>> insert_position([10, 20, 30], 25)
    2
    """
# --- solution
    return bisect_left(numbers, target)
# --- tests
assert insert_position([10, 20, 30], 20) == 1
assert insert_position([10, 20, 30], 25) == 2
assert insert_position([], 5) == 0
assert insert_position([10, 20], 99) == 2
assert insert_position([10, 20], -1) == 0
assert insert_position([4, 4, 4, 4, 9], 4) == 0
assert insert_position([1, 4, 4, 4, 9], 4) == 1
assert insert_position([1], 1) == 0
assert insert_position([1, 2, 2, 2, 2, 2, 2, 3], 3) == 7
