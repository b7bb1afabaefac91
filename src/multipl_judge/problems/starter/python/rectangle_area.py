def rectangle_area(width: int, height: int) -> int:
    """Return the area of a rectangle with the given sides.

    >>> rectangle_area(3, 4)
    12
    """
# --- solution
    return width * height
# --- tests
assert rectangle_area(3, 4) == 12
assert rectangle_area(5, 5) == 25
assert rectangle_area(7, 0) == 0
assert rectangle_area(1, 9) == 9
