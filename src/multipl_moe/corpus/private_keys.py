"""Finding the secret part of private keys in PEM form, also where they stand in string literals."""

import re
from collections.abc import Iterator

_KEY = re.compile(
    r"-----BEGIN (?P<form>(?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?)-----"
    r"(?P<body>.{0,20000}?)"
    r"-----END (?P=form)-----",
    re.DOTALL,
)
# A line of the key; the n of an escaped newline does not belong to it.
_RUN = re.compile(r"(?<!\\)(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{16,}|(?<=\\n)[A-Za-z0-9+/=]{16,}")


def private_key_runs(text: str) -> Iterator[list[tuple[int, int]]]:
    """For each private key the start and end of its runs of base64: without quotes, escapes and signs between."""
    if "PRIVATE KEY" not in text:
        return
    for match in _KEY.finditer(text):
        if runs := [run.span() for run in _RUN.finditer(text, *match.span("body"))]:
            yield runs
