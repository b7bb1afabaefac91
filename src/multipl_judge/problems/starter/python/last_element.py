def last_element(numbers: list[int]) -> int:
    """Return the last of the given numbers.

    There is at least one.

    >>> last_element([3, 1, 2])
    2
    """
# --- solution
    return numbers[-1]
# --- tests
assert last_element([3, 1, 2]) == 2
assert last_element([5]) == 5
assert last_element([1, 9, -4]) == -4
assert last_element([2, 8, 0]) == 0
