"""The n-grams of benchmarks, to be looked up in training files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter
from numpy.typing import NDArray

from multipl_judge.languages.answers import language_of
from multipl_judge.languages.table import Language
from multipl_moe.corpus.decontamination.parts import Kind, Part
from multipl_moe.corpus.decontamination.words import code_ngrams, text_ngrams

THRESHOLDS: dict[Kind, float] = {"prompt": 0.5, "tests": 0.5, "solution": 0.7, "structure": 0.6}
# A structure of few n-grams is often that of an idiom (turn a list round, count what is negative).
LONG_STRUCTURE, THRESHOLD_OF_SHORT_ONE = 50, 0.9
_SLOTS = 1 << 21


@dataclass(frozen=True)
class Match:
    """A problem found in a text: by which `kind` of its parts, and what `share` of that part's n-grams, 0 to 1."""

    benchmark: str
    problem: str
    kind: Kind
    share: float

    def __str__(self) -> str:
        return f"{self.benchmark}/{self.problem} ({self.kind} {self.share:.2f})"


class BenchmarkIndex:
    """Finds the problems whose parts a text holds."""

    def __init__(self, parts: Iterable[Part]):
        self.parts = list(parts)
        sizes = [len(part.sketch) for part in self.parts]
        hashes = np.concatenate([np.empty(0, np.uint32), *(part.sketch for part in self.parts)])
        order = np.argsort(hashes, kind="stable")
        self._owners = np.repeat(np.arange(len(sizes)), sizes)[order]
        self._hashes, begins = np.unique(hashes[order], return_index=True)
        self._begins = np.append(begins, len(hashes))
        self._sizes = np.array(sizes, np.int64)
        self._thresholds = np.array([_threshold(part) for part in self.parts])
        self._may_hold = np.zeros(_SLOTS, bool)
        self._may_hold[self._hashes & np.uint32(_SLOTS - 1)] = True

    def find(self, text: str, language: str, *, is_code: bool = True) -> list[Match]:
        """The problems of which the text holds a part, the best found first; only code has a structure to compare."""
        found = [self._known(text_ngrams(text))]
        if is_code:
            found.append(self._known(code_ngrams(text, language)))
        places = np.unique(np.concatenate(found))
        owners = np.concatenate([np.empty(0, np.int64), *(self._owners_of(place) for place in places)])
        shares = np.bincount(owners, minlength=len(self.parts)) / np.maximum(self._sizes, 1)
        best: dict[tuple[str, str], Match] = {}
        for number in np.flatnonzero(shares >= self._thresholds):
            part, share = self.parts[number], float(shares[number])
            name = (part.benchmark, part.problem)
            if name not in best or share > best[name].share:
                best[name] = Match(*name, part.kind, share)
        return sorted(best.values(), key=lambda match: (-match.share, match.benchmark, match.problem))

    def _known(self, ngrams: NDArray[np.uint32]) -> NDArray[np.int64]:
        if not len(self._hashes):
            return np.empty(0, np.int64)
        likely = ngrams[self._may_hold[ngrams & np.uint32(_SLOTS - 1)]]
        places = np.minimum(np.searchsorted(self._hashes, likely), len(self._hashes) - 1)
        return places[self._hashes[places] == likely]

    def _owners_of(self, place: int) -> NDArray[np.int64]:
        return self._owners[self._begins[place] : self._begins[place + 1]]


def _threshold(part: Part) -> float:
    if part.kind == "structure" and part.num_ngrams < LONG_STRUCTURE:
        return THRESHOLD_OF_SHORT_ONE
    return THRESHOLDS[part.kind]


REASON = "contaminated"
_NAMED_IN_DETAIL = 3


class Decontaminate(BaseFilter):
    """Drops files that hold a part of a benchmark's problem.

    The document's metadata gets `detail`, which names the problems found best. Statistics:
    `contaminated/BENCHMARK/PROBLEM` for each problem of a file.
    """

    name = "🧪 Decontamination"

    def __init__(
        self, index: BenchmarkIndex, table: Mapping[str, Language], exclusion_writer: DiskWriter | None = None
    ):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]  None is datatrove's own default
        self.index, self.table = index, table

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Whether to keep a document."""
        language = language_of(doc.metadata["language"])
        matches = self.index.find(doc.text, language, is_code=self.table[language].is_code)
        if not matches:
            return True
        self.stat_update(*(f"{REASON}/{match.benchmark}/{match.problem}" for match in matches))
        named = ", ".join(map(str, matches[:_NAMED_IN_DETAIL]))
        more = len(matches) - _NAMED_IN_DETAIL
        doc.metadata["detail"] = f"{named} and {more} more" if more > 0 else named
        return False, REASON
