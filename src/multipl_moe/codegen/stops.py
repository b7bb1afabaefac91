"""Stop strings in a text that is still being written."""

from collections.abc import Sequence


def settled_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the earliest stop string of a growing text begins, once nothing that follows can change it.

    A stop that is complete does not yet decide: with the stops "bc" and "abcd" the text "abc" may still turn out to
    have its first stop at "a". So the cut does not depend on the size of the pieces in which the text comes.

    Args:
        text: what there is so far.
        stops: strings that end the text; none is empty.

    Returns:
        Its index, or None while there is no stop or an earlier one may still be completed.
    """
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if not places:
        return None
    first = min(places)
    for stop in stops:
        for size in range(1, len(stop)):
            if len(text) - size < first and text.endswith(stop[:size]):
                return None
    return first
