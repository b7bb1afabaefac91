"""What each step leaves out: written by the tasks, gathered into dropped.jsonl.gz, counted for the manifest."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
from datatrove.data import Document
from datatrove.pipeline.writers import JsonlWriter

from multipl_moe.corpus.jsonl import reproducible_gzip
from multipl_moe.corpus.read.draw import draw_order

DROPPED_NAME = "dropped.jsonl.gz"
_EXCERPT_CHARACTERS = 300


class DroppedWriter(JsonlWriter):
    """Takes the documents that a filter drops: path, language, reason, detail and how the text begins."""

    def _default_adapter(self, document: Document) -> dict[str, Any]:
        return {
            "path": document.metadata["path"],
            "language": document.metadata["language"],
            "reason": document.metadata["filter_reason"],
            "detail": document.metadata.get("detail", ""),
            "excerpt": document.text[:_EXCERPT_CHARACTERS],
        }


def dropped_writer(work: Path, step_name: str) -> DroppedWriter:
    """The `exclusion_writer` of a filter.

    Args:
        work: folder of the build's intermediate files.
        step_name: name of the filter, a word in snake_case that no other filter of the build has.
    """
    return DroppedWriter(str(work / "dropped" / step_name), "${language}/${rank}.jsonl", compression=None)


def gather_dropped(work: Path, output: Path, languages: Iterable[str], seed: int) -> Counter[str]:
    """Write what all tasks dropped into one file, by language in the order of the draw, a line at a time.

    Returns:
        Number of files by `REASON/LANGUAGE`.
    """
    counts: Counter[str] = Counter()
    with reproducible_gzip(output / DROPPED_NAME) as lines:
        for language in languages:
            files = sorted((work / "dropped").glob(f"*/{language}/*.jsonl"))
            for row in heapq.merge(*map(_rows, files), key=lambda row: draw_order(seed, row["path"])):
                counts[f"{row['reason']}/{language}"] += 1
                lines.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return counts


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        yield from map(orjson.loads, lines)
