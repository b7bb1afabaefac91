"""The tokenised documents of one language on disk: datatrove's .ds files, memory-mapped, with their indices."""

import hashlib
from functools import cached_property
from pathlib import Path

import numpy as np

from multipl_moe.errors import CorpusError

_READ_TOKENS = 2**24


class TokenFiles:
    """All tokens of a language as one row of places, file after file, and where its documents end.

    datatrove's own dataset finds positions by reading the index from its start on each step backwards, and its open
    files are shared by forked workers, which then read each other's bytes. Here files are memory-mapped and document
    ends are in memory, 8 bytes each: any order costs the same, in any number of workers.

    The folder holds *.ds and *.ds.index, of answers also *.ds.loss; CorpusError where it does not, or they are broken.

    Attributes:
        document_ends: (D,) place after each document's last token, int64, ascending.
        file_ends: (F,) place after each file's last token; no document lies in two files.
    """

    def __init__(self, folder: Path) -> None:
        self._files = files = sorted(folder.glob("*.ds"))
        if not files:
            raise CorpusError(f"{folder}: no tokens (*.ds); build the corpus with `multipl-moe corpus`")
        ends = [_read_document_ends(file) for file in files]
        self._tokens = [_map_tokens(file, int(ends_D[-1])) for file, ends_D in zip(files, ends, strict=True)]
        self._counts = [_map_counts(file, len(tokens)) for file, tokens in zip(files, self._tokens, strict=True)]
        self.file_ends = np.cumsum([len(tokens) for tokens in self._tokens])
        self._file_starts = np.concatenate([[0], self.file_ends[:-1]])
        self.document_ends = np.concatenate(
            [ends_D + start for ends_D, start in zip(ends, self._file_starts, strict=True)]
        )

    @property
    def num_tokens(self) -> int:
        """Tokens of all files."""
        return int(self.file_ends[-1])

    @cached_property
    def sha256(self) -> str:
        """Hash of where documents and files end: other documents, or others in between, hardly keep it."""
        digest = hashlib.sha256(self.document_ends.tobytes())
        digest.update(self.file_ends.tobytes())
        return digest.hexdigest()

    def require_ids_below(self, vocabulary: int) -> None:
        """Read all tokens once; raises CorpusError where an id is none of so many, as of a damaged file."""
        for tokens, file in zip(self._tokens, self._files, strict=True):
            for begin in range(0, len(tokens), _READ_TOKENS):
                if (largest := int(tokens[begin : begin + _READ_TOKENS].max())) >= vocabulary:
                    raise CorpusError(
                        f"{file}: token {largest} is none of the model's {vocabulary:,}: the file is damaged, or of "
                        "another tokenizer; build the corpus again"
                    )

    def read(self, start: int, length: int) -> np.ndarray:
        """(length,) token ids from a place on, all of them in one file."""
        file, begin = self._place(start)
        return self._tokens[file][begin : begin + length]

    def counted(self, start: int, length: int) -> np.ndarray | bool:
        """(length,) whether each of these tokens counts in the loss; of files, which are no answers, True: all do."""
        file, begin = self._place(start)
        counts = self._counts[file]
        return True if counts is None else counts[begin : begin + length]

    def _place(self, start: int) -> tuple[int, int]:
        file = int(np.searchsorted(self.file_ends, start, side="right"))
        return file, start - int(self._file_starts[file])


def _read_document_ends(file: Path) -> np.ndarray:
    index = file.with_name(f"{file.name}.index")
    ends = np.fromfile(index, np.uint64).astype(np.int64) if index.is_file() else np.empty(0, np.int64)
    if ends.size == 0:
        raise CorpusError(f"{index}: missing or empty; build the corpus again")
    return ends


def _map_counts(file: Path, num_tokens: int) -> np.ndarray | None:
    counts = file.with_name(f"{file.name}.loss")
    if not counts.is_file():
        return None
    if counts.stat().st_size != num_tokens:
        raise CorpusError(f"{counts}: is not of the {num_tokens} tokens beside it; build the corpus again")
    return np.memmap(counts, bool, mode="r")


def _map_tokens(file: Path, num_tokens: int) -> np.ndarray:
    """The tokens, 2 bytes each up to 65,536 ids and else 4: whichever makes the file as long as its index says."""
    sizes = {num_tokens * 2: np.uint16, num_tokens * 4: np.uint32}
    dtype = sizes.get(file.stat().st_size)
    if num_tokens == 0 or dtype is None:
        raise CorpusError(f"{file}: does not have the {num_tokens} tokens of its index; build the corpus again")
    return np.memmap(file, dtype, mode="r")
