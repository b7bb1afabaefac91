"""What each step leaves out: written by the tasks, gathered into dropped.jsonl.gz, counted for the manifest.

Files of a corpus are equal when what is in them is, so no compressed one has a name or a time in it.
"""

import gzip
import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.writers import JsonlWriter
from fsspec.compression import register_compression

from multipl_moe.corpus.read.candidates import draw_order
from multipl_moe.corpus.read.row_files import rows_of

DROPPED_NAME = "dropped.jsonl.gz"
_EXCERPT_CHARACTERS = 300


class DroppedWriter(JsonlWriter):
    """Takes the documents that a filter drops: path, language, reason, detail and how the text begins.

    `work` has the intermediate files, and no other filter has the name.
    """

    def __init__(self, work: Path, name: str):
        super().__init__(str(work / "dropped" / name), "${language}/${rank}.jsonl", compression=None)

    def _default_adapter(self, document: Document) -> dict[str, Any]:
        return {
            "path": document.metadata["path"],
            "language": document.metadata["language"],
            "reason": document.metadata["filter_reason"],
            "detail": document.metadata.get("detail", ""),
            "excerpt": document.text[:_EXCERPT_CHARACTERS],
        }


class DropFor(BaseFilter):
    """Drops, for one reason, the documents of which a function tells a detail; they are written into `work`."""

    def __init__(self, reason: str, detail_of: Callable[[Document], str | None], work: Path):
        super().__init__(DroppedWriter(work, reason))
        self.name, self.reason, self.detail_of = f"Left out: {reason}", reason, detail_of

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Keep the documents without a detail."""
        if (detail := self.detail_of(doc)) is None:
            return True
        doc.metadata["detail"] = detail
        return False, self.reason


def gather_dropped(work: Path, output: Path, languages: Iterable[str], seed: int) -> Counter[str]:
    """Write what all tasks dropped into one file, by language in the order of the draw, a line at a time.

    Returns the number of files by `REASON/LANGUAGE`.
    """
    counts: Counter[str] = Counter()
    with (output / DROPPED_NAME).open("wb") as raw, _compressed(raw, "wb") as lines:
        for language in languages:
            files = sorted((work / "dropped").glob(f"*/{language}/*.jsonl"))
            for row in heapq.merge(*map(rows_of, files), key=lambda row: draw_order(seed, row["path"])):
                counts[f"{row['reason']}/{language}"] += 1
                lines.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return counts


_COMPRESSION = "gzip-reproducible"


def _compressed(file: Any, mode: Any) -> gzip.GzipFile:
    return gzip.GzipFile("", mode, 6, file, mtime=0)


# Registered beside the class that asks for it, so that every process that unpickles one knows it.
register_compression(_COMPRESSION, lambda file, mode, **_: _compressed(file, mode), extensions=[], force=True)


class ReproducibleWriter(JsonlWriter):
    """Compressed JSON Lines whose bytes depend on the documents alone.

    In `name`, of a document's file below `folder`, `${KEY}` stands for its metadata.
    """

    def __init__(self, folder: Path, name: str):
        super().__init__(str(folder), name, compression=_COMPRESSION)
