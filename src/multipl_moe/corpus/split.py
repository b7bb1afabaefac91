"""Which files are for training and which are held out."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from multipl_judge.languages.answers import parts_of


def mark_held_out(marks: Path, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
    """Step of a pipeline: leave a file of a language's name where one of its documents is of a held-out source."""
    marks.mkdir(parents=True, exist_ok=True)
    for document in data:
        if document.metadata.get("held_out"):
            (marks / document.metadata["language"]).touch()
        yield document


class SplitByFile(PipelineStep):
    """Marks each document with its split: of each language a share, to within one file, and whole sources are held out.

    As documents come in the order of the draw, which hashes seed and path, this is a random choice that the seed
    fixes. It has to come after deduplication, which compares the documents of all languages and sources: then the two
    splits share no near duplicate, as only one of each cluster is left. The first document of a language is for
    training, the second is held out. Answers to one prompt go the way of the first of them. Statistics:
    `SPLIT_files/LANGUAGE`, `SPLIT_bytes/LANGUAGE`, `licences/LANGUAGE/LICENCE`.

    Args:
        validation_share: of a language's documents, those of whole sources that are held out among them.
        marks: folder where `mark_held_out` left a mark for each language that has documents of such sources.
        learn: languages, and names of answers in them, of which, where they have that mark, nothing else is held out.
            Of the others such a source may hold a few files by the way (a README), too few to measure by.
    """

    name = "Split"
    type = "✂️ - SPLIT"

    def __init__(self, validation_share: float, marks: Path, learn: Collection[str]):
        super().__init__()
        self.validation_share, self.marks, self.learn = validation_share, marks, learn

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """Yield every document with `split` in its metadata."""
        num_seen: Counter[str] = Counter()
        num_held_out: Counter[str] = Counter()
        by_prompt: dict[bytes, bool] = {}
        for document in data:
            language = document.metadata["language"]
            num_seen[language] += 1
            is_held_out = document.metadata.get("held_out", False) or (
                not (language in self.learn and (self.marks / language).exists())
                and self._is_held_out(num_seen[language], num_held_out[language])
            )
            if cuts := document.metadata.get("cuts"):
                prompt = f"{language} {parts_of(document.text, cuts)[0]}".encode()
                of_prompt = by_prompt.setdefault(hashlib.blake2b(prompt, digest_size=16).digest(), is_held_out)
                is_held_out = of_prompt or document.metadata.get("held_out", False)
            num_held_out[language] += is_held_out
            split = "validation" if is_held_out else "train"
            document.metadata["split"] = split
            self.stat_update(f"{split}_files/{language}", f"licences/{language}/{document.metadata['licence']}")
            self.stat_update(f"{split}_bytes/{language}", value=len(document.text.encode("utf-8")))
            yield document

    def _is_held_out(self, num_seen: int, num_held_out: int) -> bool:
        return num_seen > 1 and num_held_out < self.validation_share * num_seen
