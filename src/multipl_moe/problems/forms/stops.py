"""Cutting a completion where its benchmark says that it ends."""

from collections.abc import Iterable


def cut_at_stop(completion: str, stop: Iterable[str]) -> str:
    """The completion up to the earliest of the stop strings, which is left out; all of it where none occurs."""
    found = [completion.find(text) for text in stop]
    return completion[: min((index for index in found if index >= 0), default=len(completion))]
