def largest_room(plan: list[str]) -> int:
    """Return the number of floor tiles of the largest room on a plan.

    On the plan, a dot is a floor tile and # is wall. Tiles that share a side belong to the same
    room; tiles that touch only at a corner do not. All lines of the plan are of the same length.

    >>> largest_room(["..#", "##.", "..."])
    4
    """
# --- solution
    rest = {(i, j) for i, line in enumerate(plan) for j, tile in enumerate(line) if tile == "."}
    largest = 0
    while rest:
        room = [rest.pop()]
        for i, j in room:
            neighbours = {(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)} & rest
            rest -= neighbours
            room += neighbours
        largest = max(largest, len(room))
    return largest
