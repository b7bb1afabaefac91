def rectangle_area(width: int, height: int) -> int:
    """Return the area of a rectangle with the given sides.

    >>> rectangle_area(3, 4)
    12
    """
# --- solution
    return width * height
