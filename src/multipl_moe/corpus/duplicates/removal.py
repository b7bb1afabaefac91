"""What the corpus counts as a duplicate: equal texts, and texts whose MinHash signatures meet; which of them stays."""

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers.disk_base import DiskWriter

from multipl_moe.corpus.duplicates.pool import Entry, PoolOrder
from multipl_moe.corpus.read.row_files import rows_of

CLUSTERS_NAME = "duplicates.jsonl"


def list_exact_duplicates(
    index: Path, exact: Path, order: PoolOrder, data: None = None, rank: int = 0, world_size: int = 1
) -> None:
    """Step of a pipeline: list the documents whose text an earlier one of the whole pool has.

    It reads the pool's index and writes the lists, one for each task of the pool, into the folder `exact`.
    """
    assert world_size == 1, "equal texts in different tasks would both stay"
    first: dict[bytes, str] = {}
    removals: list[_Removal] = []
    for entry in order.entries(index):
        kept = first.setdefault(bytes.fromhex(entry.digest), entry.path)
        if kept is not entry.path:
            removals.append((entry.task, entry.position, "exact_duplicate", kept))
    _write_removals(exact, removals)


class DuplicateClusters(PipelineStep):
    """Decides which of the duplicates stays, lists the others and reports the clusters.

    A cluster is what MinHash found alike, each with its exact copies. The first in the order of the draw stays, of
    whatever task it is. duplicates.jsonl has a line for each cluster: cluster (its number), kept (a path), and paths
    and languages of all, those of the one that stays first. Statistics: `duplicate_clusters`.

    Args:
        exact: lists of `list_exact_duplicates`.
        near: datatrove's cluster ids of the documents without those listed, or None where none were looked for.
        removed: folder of the lists to write.
        report: the file of the clusters.
    """

    name = "Clusters"
    type = "🫂 - DEDUP"

    def __init__(self, index: Path, exact: Path, near: Path | None, removed: Path, report: Path, order: PoolOrder):
        super().__init__()
        self.index, self.exact, self.near, self.removed = index, exact, near, removed
        self.report, self.order = report, order

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the lists and the report."""
        removals: list[_Removal] = []
        clusters: list[list[Entry]] = []
        for entry, reason, cluster in self._members():
            if cluster:
                removals.append((entry.task, entry.position, reason, cluster[0].path))
            else:
                clusters.append(cluster)
            cluster.append(entry)
        _write_removals(self.removed, removals)
        with self.report.open("wb") as lines:
            for number, cluster in enumerate(clusters):
                lines.write(orjson.dumps(_described(number, cluster), option=orjson.OPT_APPEND_NEWLINE))
        self.stat_update("duplicate_clusters", value=len(clusters))

    def _members(self) -> Iterator[tuple[Entry, str, list[Entry]]]:
        """Each document that has duplicates, in order, with the members of its cluster so far."""
        exact = [removed_places(self.exact, task) for task in range(self.order.num_tasks)]
        near = [_cluster_ids(self.near, task) for task in range(self.order.num_tasks)]
        copied = {kept for places in exact for _, kept in places.values()}
        by_id: defaultdict[int, list[Entry]] = defaultdict(list)
        by_copied: dict[str, list[Entry]] = {}
        num_signed: Counter[int] = Counter()
        for entry in self.order.entries(self.index):
            if entry.position in exact[entry.task]:
                _, kept = exact[entry.task][entry.position]
                yield entry, "exact_duplicate", by_copied[kept]
                continue
            cluster_id = near[entry.task].get(num_signed[entry.task])
            num_signed[entry.task] += 1
            cluster = by_id[cluster_id] if cluster_id is not None else []
            if entry.path in copied:
                by_copied.setdefault(entry.path, cluster)
            if cluster_id is not None or entry.path in copied:
                yield entry, "near_duplicate", cluster


class WithoutRemoved(BaseFilter):
    """Drops the listed documents of the pool; the detail is the path of the one that stays."""

    name = "Duplicates"

    def __init__(self, removed: Path, exclusion_writer: DiskWriter | None = None):
        super().__init__(exclusion_writer)  # pyright: ignore[reportArgumentType]  # datatrove's own default is None
        self.removed = removed
        self._places: dict[int, dict[int, tuple[str, str]]] = {}

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Whether a document stays."""
        task, position = doc.metadata.pop("place")
        if task not in self._places:
            self._places[task] = removed_places(self.removed, task)
        if position not in self._places[task]:
            return True
        reason, doc.metadata["detail"] = self._places[task][position]
        return False, reason


def removed_places(folder: Path, task: int) -> dict[int, tuple[str, str]]:
    """Of the listed documents of a task of the pool, by line: reason, and path of the one that stays."""
    file = folder / f"{task:05d}.jsonl"
    return {position: (reason, kept) for position, reason, kept in rows_of(file)} if file.is_file() else {}


_Removal = tuple[int, int, str, str]
"""Of a document to leave out: task and line in the pool, the reason, and the path of the one that stays."""


def _write_removals(folder: Path, removals: list[_Removal]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for task, rows in groupby(sorted(removals), key=itemgetter(0)):
        lines = [orjson.dumps(row[1:], option=orjson.OPT_APPEND_NEWLINE) for row in rows]
        (folder / f"{task:05d}.jsonl").write_bytes(b"".join(lines))


def _cluster_ids(near: Path | None, task: int) -> dict[int, int]:
    """Cluster of each document of a task that has near duplicates, by its number among those signed."""
    file = near / f"{task:06d}.clusters" if near is not None else None
    if file is None or not file.is_file():
        return {}
    return dict(struct.iter_unpack("<2I", file.read_bytes()))


def _described(number: int, cluster: list[Entry]) -> dict[str, Any]:
    return {
        "cluster": number,
        "kept": cluster[0].path,
        "paths": [entry.path for entry in cluster],
        "languages": [entry.language for entry in cluster],
    }
