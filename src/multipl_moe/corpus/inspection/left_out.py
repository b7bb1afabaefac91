"""What a build left out: duplicates by their clusters, other files by the step that dropped them."""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from multipl_moe.corpus.documents import broken_is_an_error
from multipl_moe.corpus.dropped import DROPPED_NAME
from multipl_moe.corpus.duplicates.removal import CLUSTERS_NAME
from multipl_moe.corpus.inspection.documents import drawn, require_told, source_of
from multipl_moe.corpus.manifest import DROP_REASONS, CorpusManifest
from multipl_moe.corpus.read.row_files import rows_of

_NUM_LARGEST = 10
_PATHS_SHOWN = 20


@dataclass(frozen=True)
class Cluster:
    """Files that resemble each other: how many, in which languages, and the paths of the first, of which one stayed."""

    size: int
    languages: list[str]
    paths: list[str]


@dataclass
class Duplicates:
    """What a corpus's list of clusters tells.

    Attributes:
        num_files: in all clusters; one each stayed.
        across_sources, across_languages: clusters with files of more than one.
        sources: number of files left out, by their source and that of the file that stayed.
        largest: some clusters, the largest first.
    """

    num_clusters: int = 0
    num_files: int = 0
    across_sources: int = 0
    across_languages: int = 0
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    largest: list[Cluster] = field(default_factory=list)


def inspect_duplicates(folder: Path, manifest: CorpusManifest) -> Duplicates | None:
    """Read duplicates.jsonl once, None where there is none; CorpusError as for documents."""
    file = folder / CLUSTERS_NAME
    if not file.exists():
        return None
    found = Duplicates()
    with broken_is_an_error(file):
        found.largest = heapq.nlargest(_NUM_LARGEST, _clusters(file, found), key=lambda cluster: cluster.size)
    require_told(file, "clusters", found.num_clusters, manifest.duplicate_clusters)
    dropped = sum(
        row.dropped.get(reason, 0)
        for row in manifest.languages.values()
        for reason in ("exact_duplicate", "near_duplicate")
    )
    require_told(file, "files that are left out", found.num_files - found.num_clusters, dropped)
    return found


def _clusters(file: Path, found: Duplicates) -> Iterator[Cluster]:
    for row in rows_of(file):
        sources, languages = [source_of(path) for path in row["paths"]], sorted(set(row["languages"]))
        found.sources.update((source, sources[0]) for source in sources[1:])
        found.num_clusters += 1
        found.num_files += len(sources)
        found.across_sources += len(set(sources)) > 1
        found.across_languages += len(languages) > 1
        yield Cluster(len(sources), languages, row["paths"][:_PATHS_SHOWN])


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

    The seed chooses the samples, `num_samples` of each reason and language; CorpusError as for documents.
    """
    file = folder / DROPPED_NAME
    if not file.exists():
        return None
    told = {
        (reason, language): 0 if reason == _ONLY_COUNTED else row.dropped.get(reason, 0)
        for reason in DROP_REASONS
        for language, row in manifest.languages.items()
    }
    shown = {key: drawn(f"{seed} {' '.join(key)}", number, num_samples) for key, number in told.items()}
    samples: dict[tuple[str, str], list[DroppedSample]] = {key: [] for key in told}
    dropped = Dropped(licences={language: Counter() for language in manifest.languages})
    counts = Counter[tuple[str, str]]()
    with broken_is_an_error(file):
        for row in rows_of(file):
            reason, language = key = row["reason"], row["language"]
            if counts[key] in shown[key]:
                samples[key].append(DroppedSample(row["path"], row["detail"], row["excerpt"]))
            counts[key] += 1
            if reason == "licence":
                dropped.licences[language][row["detail"]] += 1
    for (reason, language), number in told.items():
        require_told(file, f"files in {language} dropped as {reason}", counts[reason, language], number)
        if found := samples[reason, language]:
            dropped.samples.setdefault(reason, {})[language] = found
    return dropped
