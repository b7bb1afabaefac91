def transpose(rows: list[list[int]]) -> list[list[int]]:
    """Return the columns of a table as its new rows.

    All rows are of the same length, which is at least 1; there may be no rows.

    >>> transpose([[1, 2, 3], [4, 5, 6]])
    [[1, 4], [2, 5], [3, 6]]
    """
# --- solution
    return [list(column) for column in zip(*rows, strict=True)]
