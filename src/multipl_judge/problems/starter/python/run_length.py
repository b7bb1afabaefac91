from itertools import groupby


def run_length(text: str) -> str:
    """Return text with each run of an equal letter as its length and the letter.

    A letter that stands alone gets no number. The text holds letters only.

    >>> run_length("aaab")
    '3ab'
    >>> run_length("xyz")
    'xyz'
    """
# --- solution
    runs = ((letter, len(list(run))) for letter, run in groupby(text))
    return "".join(f"{length}{letter}" if length > 1 else letter for letter, length in runs)
