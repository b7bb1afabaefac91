def unique_in_order(numbers: list[int]) -> list[int]:
    """Return the given numbers without repeats.

    Of equal numbers only the first is kept; the order stays.

    >>> unique_in_order([3, 1, 3, 2, 1])
    [3, 1, 2]
    """
# --- solution
    return list(dict.fromkeys(numbers))
