"""What the steps of a build left out: counts and samples."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from multipl_moe.corpus.dropped import DROPPED_NAME
from multipl_moe.corpus.inspection.reservoir import Reservoir
from multipl_moe.corpus.inspection.rows import broken_is_an_error, require_told, rows_of
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest

_ONLY_COUNTED = "over_budget"


@dataclass(frozen=True)
class DroppedSample:
    """A file that was left out: path, why in one line (or nothing), and how it begins."""

    path: str
    detail: str
    excerpt: str


@dataclass(frozen=True)
class Dropped:
    """What was left out.

    Attributes:
        samples: by reason, then by language; none for those that the budget left out, which nothing was read of.
        licences: number of files whose licence was not allowed, by language and licence.
    """

    samples: dict[str, dict[str, list[DroppedSample]]] = field(default_factory=dict)
    licences: dict[str, Counter[str]] = field(default_factory=dict)


def inspect_dropped(folder: Path, manifest: CorpusManifest, seed: int, num_samples: int) -> Dropped | None:
    """Read dropped.jsonl.gz once; None where there is none: as it quotes files, it may have been removed on purpose.

    Args:
        folder: the corpus.
        manifest: its own, to which the list must fit.
        seed: chooses the samples.
        num_samples: of each reason and language.

    Raises:
        CorpusError: it is broken, or lists other files than the manifest tells of.
    """
    file = folder / DROPPED_NAME
    if not file.exists():
        return None
    chosen = {
        (reason, language): Reservoir[DroppedSample](num_samples, f"{seed} {reason} {language}")
        for reason in DROP_REASONS
        for language in manifest.languages
    }
    licences = {language: Counter[str]() for language in manifest.languages}
    with broken_is_an_error(file):
        for row in rows_of(file):
            chosen[row["reason"], row["language"]].add(DroppedSample(row["path"], row["detail"], row["excerpt"]))
            if row["reason"] == "licence":
                licences[row["language"]][row["detail"]] += 1
    samples: dict[str, dict[str, list[DroppedSample]]] = {}
    for (reason, language), reservoir in chosen.items():
        told = 0 if reason == _ONLY_COUNTED else manifest.languages[language].dropped.get(reason, 0)
        require_told(file, f"files in {language} dropped as {reason}", reservoir.num_seen, told)
        if reservoir.items:
            samples.setdefault(reason, {})[language] = reservoir.items
    return Dropped(samples, licences)
