"""Finding the secret part of private keys in PEM form, also where they stand in string literals."""

import re
from collections.abc import Iterator

_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?P<body>(?:(?!-----).){1,20000})(?P<end>-----END )?",
    re.DOTALL,
)
# A line of the key; the n of an escaped newline does not belong to it.
_RUN = re.compile(r"(?<!\\)(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{16,}|(?<=\\n)[A-Za-z0-9+/=]{16,}")
_BETWEEN = re.compile(r"(?:\\[nr]|[^A-Za-z0-9]){1,80}")  # two lines of a key
_HEADERS = 300  # characters that may stand before the first: Proc-Type, DEK-Info
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z]).{32}")


def private_key_runs(text: str) -> Iterator[list[tuple[int, int]]]:
    """For each private key the start and end of its runs of base64: without quotes, escapes and signs between."""
    if "PRIVATE KEY" not in text:
        return
    for match in _KEY.finditer(text):
        runs = list(_RUN.finditer(text, *match.span("body")))
        if match["end"] is None:
            runs = _first_lines(runs, match.start("body"))
        if runs:
            yield [run.span() for run in runs]


def _first_lines(runs: list[re.Match[str]], begin: int) -> list[re.Match[str]]:
    """Of a key without an end the lines up to the last: all are as long as the first, but for that one."""
    first = next((index for index, run in enumerate(runs) if _RANDOM.match(run[0])), None)
    if first is None or runs[first].start() - begin > _HEADERS:
        return []
    lines = [runs[first]]
    for run in runs[first + 1 :]:
        is_next = _BETWEEN.fullmatch(run.string, lines[-1].end(), run.start())
        if not is_next or len(lines[-1][0]) != len(lines[0][0]) or len(run[0]) > len(lines[0][0]):
            break
        lines.append(run)
    return lines
