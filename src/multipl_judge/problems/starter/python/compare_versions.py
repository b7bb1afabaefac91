from itertools import zip_longest


def compare_versions(a: str, b: str) -> int:
    """Return -1, 0 or 1 as version a is older than, equal to or newer than b.

    Versions are whole numbers joined by dots, compared number by number; a number that is missing
    is 0.

    >>> compare_versions("1.10", "1.9")
    1
    >>> compare_versions("2.0", "2")
    0
    """
# --- solution
    pairs = zip_longest(a.split("."), b.split("."), fillvalue="0")
    for left, right in pairs:
        if int(left) != int(right):
            return -1 if int(left) < int(right) else 1
    return 0
