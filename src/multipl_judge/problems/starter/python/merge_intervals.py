def merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the given intervals with those that overlap or touch made one.

    Each is a start and an end; they come in any order and leave in the order of their starts.

    >>> merge_intervals([(5, 8), (1, 3), (2, 4)])
    [(1, 4), (5, 8)]
    """
# --- solution
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
