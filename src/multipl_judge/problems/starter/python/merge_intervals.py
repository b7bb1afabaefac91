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
# --- tests
assert merge_intervals([(5, 8), (1, 3), (2, 4)]) == [(1, 4), (5, 8)]
assert merge_intervals([(1, 2), (2, 3)]) == [(1, 3)]
assert merge_intervals([(1, 2), (3, 4)]) == [(1, 2), (3, 4)]
assert merge_intervals([]) == []
assert merge_intervals([(1, 9), (2, 3), (4, 5)]) == [(1, 9)]
assert merge_intervals([(0, 0), (-5, -1)]) == [(-5, -1), (0, 0)]
assert merge_intervals([(4, 6), (4, 6), (3, 4)]) == [(3, 6)]
