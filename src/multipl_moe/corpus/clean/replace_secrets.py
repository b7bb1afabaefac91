"""Replacing keys, passwords in URLs, e-mail and IP addresses by words that stand for them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_judge.languages.answers import cuts_of, parts_of
from multipl_moe.corpus.clean.secret_detectors import ADDRESSES, Span, find_secrets

# Addresses stay addresses: RFC 2606 and 5737 keep these for examples. All else becomes REDACTED_KIND, which is a name
# in every language, so that what could be parsed still can.
_ADDRESSES = {"email": "email@example.com", "ip_address": "192.0.2.1"}

# The library knows only the first line of a private key. Here are its lines, also in string literals.
_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?P<body>(?:(?!-----).){1,20000})(?P<end>-----END )?",
    re.DOTALL,
)
# A line of the key; the n of an escaped newline does not belong to it.
_RUN = re.compile(r"(?<!\\)(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{16,}|(?<=\\n)[A-Za-z0-9+/=]{16,}")
_BETWEEN = re.compile(r"(?:\\[nr]|[^A-Za-z0-9]){1,80}")  # two lines of a key
_HEADERS = 300  # characters that may stand before the first: Proc-Type, DEK-Info
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z]).{32}")


class ReplaceSecrets(PipelineStep):
    """Replaces secrets and personal data in each document; counts them as `replaced/LANGUAGE/KIND`."""

    name = "Secrets"
    type = "✂️ - FORMAT"

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield every document, with its secrets replaced."""
        for document in data:
            with self.track_time():
                replaced = [
                    without_secrets(part) for part in parts_of(document.text, document.metadata.get("cuts", ()))
                ]
            parts, counts = [part for part, _ in replaced], sum((found for _, found in replaced), Counter[str]())
            document.text = "".join(parts)
            if "cuts" in document.metadata:
                document.metadata["cuts"] = cuts_of(parts)
            for kind, number in counts.items():
                self.stat_update(f"replaced/{document.metadata['language']}/{kind}", value=number)
            yield document


def without_secrets(text: str) -> tuple[str, Counter[str]]:
    """The text with its secrets and personal data replaced, and the number of replacements by kind.

    It depends on nothing but the text, and a second pass changes nothing.
    """
    spans = _without_overlaps(find_secrets(text))
    edits = [(span.start, span.end, _ADDRESSES.get(span.kind, f"REDACTED_{span.kind.upper()}")) for span in spans]
    counts = Counter(span.kind for span in spans)
    for runs in _private_keys(text):
        counts["private_key"] += 1
        first, last = runs[0][0], runs[-1][1]
        edits = [edit for edit in edits if edit[1] <= first or edit[0] >= last]
        edits += [(start, end, "" if number else "REDACTED_PRIVATE_KEY") for number, (start, end) in enumerate(runs)]
    pieces, place = [], 0
    for start, end, replacement in sorted(edits):
        pieces += [text[place:start], replacement]
        place = end
    return "".join([*pieces, text[place:]]), counts


def _without_overlaps(spans: list[Span]) -> list[Span]:
    """Of spans that overlap the one that begins first, then what is no address, then the longest."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, span.kind in ADDRESSES, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _private_keys(text: str) -> Iterator[list[tuple[int, int]]]:
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
