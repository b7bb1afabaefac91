"""Token files as datatrove writes them, for tests; all that is read lies in one file."""

from pathlib import Path

import numpy as np

from multipl_moe.corpus.token_files import TokenFiles


def write_tokens(
    folder: Path,
    lengths: list[int],
    dtype: type = np.uint16,
    name: str = "00000.ds",
    *,
    first: int = 0,
    step: int = 100,
    prompts: list[int] | None = None,
) -> np.ndarray:
    """Documents of these lengths, whose tokens tell document and place: step * document + place.

    With the lengths of their prompts they are answers.
    """
    folder.mkdir(exist_ok=True)
    parts = [step * document + np.arange(length) for document, length in enumerate(lengths, start=first)]
    tokens = np.concatenate(parts)
    tokens.astype(dtype).tofile(folder / name)
    np.cumsum(lengths).astype(np.uint64).tofile(folder / f"{name}.index")
    if prompts is not None:
        counts = [np.arange(length) >= prompt for length, prompt in zip(lengths, prompts, strict=True)]
        np.concatenate(counts).tofile(folder / f"{name}.loss")
    return tokens


def token_lists(folder: Path) -> list[list[int]]:
    """The documents of a folder of tokens, in order."""
    files = TokenFiles(folder)
    tokens = files.read(0, files.num_tokens)
    return [document.tolist() for document in np.split(tokens, files.document_ends[:-1])]
