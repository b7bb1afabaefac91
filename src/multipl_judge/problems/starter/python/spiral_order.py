def spiral_order(rows: list[list[int]]) -> list[int]:
    """Return the numbers of a table in a clockwise spiral.

    The spiral starts at the top left, runs along the outside and ends in the middle. All rows are
    of the same length, which is at least 1; there may be no rows.

    >>> spiral_order([[1, 2, 3], [4, 5, 6]])
    [1, 2, 3, 6, 5, 4]
    """
# --- solution
    spiral: list[int] = []
    while rows:
        spiral += rows[0]
        rows = [list(column) for column in zip(*rows[1:], strict=True)][::-1]
    return spiral
