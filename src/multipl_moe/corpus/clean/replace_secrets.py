"""Replacing keys, passwords, e-mail and IP addresses by words that stand for them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_moe.corpus.clean.personal_data import find_personal_data
from multipl_moe.corpus.clean.private_keys import private_key_runs
from multipl_moe.corpus.clean.secret_detectors import Span, find_secrets

# Addresses stay addresses: RFC 2606, 5737 and 3849 keep these for examples. All else becomes REDACTED_KIND, which is a
# name in every language, so that what could be parsed still can.
_ADDRESSES = {"email": "email@example.com"}
_IPV4, _IPV6 = "192.0.2.1", "2001:db8::1"


def without_secrets(text: str) -> tuple[str, Counter[str]]:
    """The text with its secrets and personal data replaced, and the number of replacements by kind.

    It depends on nothing but the text, and a second pass changes nothing.
    """
    spans = _without_overlaps([*find_secrets(text), *find_personal_data(text)])
    edits = [(span.start, span.end, _replacement(text, span)) for span in spans]
    counts = Counter(span.kind for span in spans)
    for runs in private_key_runs(text):
        counts["private_key"] += 1
        first, last = runs[0][0], runs[-1][1]
        edits = [edit for edit in edits if edit[1] <= first or edit[0] >= last]
        edits += [(start, end, "" if number else "REDACTED_PRIVATE_KEY") for number, (start, end) in enumerate(runs)]
    if not edits:
        return text, counts
    pieces, place = [], 0
    for start, end, replacement in sorted(edits):
        pieces += [text[place:start], replacement]
        place = end
    return "".join([*pieces, text[place:]]), counts


class ReplaceSecrets(PipelineStep):
    """Replaces secrets and personal data in each document; counts them as `replaced/KIND/LANGUAGE`."""

    name = "Secrets"
    type = "✂️ - FORMAT"

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield every document, with its secrets replaced."""
        for document in data:
            with self.track_time():
                document.text, counts = without_secrets(document.text)
            for kind, number in counts.items():
                self.stat_update(f"replaced/{kind}/{document.metadata['language']}", value=number)
            yield document


def _without_overlaps(spans: list[Span]) -> list[Span]:
    """Of spans that overlap the one that begins first, then the longest, then the one whose kind says more than
    that a name in front calls it a password."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.kind == "password")):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _replacement(text: str, span: Span) -> str:
    if span.kind == "ip_address":
        return _IPV6 if ":" in text[span.start : span.end] else _IPV4
    return _ADDRESSES.get(span.kind) or f"REDACTED_{span.kind.upper()}"
