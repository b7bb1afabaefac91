"""Rows of a data set of the Hugging Face hub, streamed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection


def read_hub(source: SourceSection) -> Iterator[dict[str, Any]]:
    """Rows of a data set's split, in its order; nothing is downloaded beforehand.

    Unlike a broken file, a connection that fails ends the build: a corpus that lacks what a server did not send today
    would be another one tomorrow.

    Raises:
        CorpusError: the library is missing, or the data set cannot be opened or read on.
    """
    try:
        import datasets
    except ImportError:
        raise CorpusError(
            "corpus.sources: kind hub needs the library datasets; pip install 'multipl-moe[hub]'"
        ) from None
    try:
        yield from _open(datasets, source)
    except Exception as error:  # the library passes on whatever its many back ends raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise CorpusError(f"corpus.sources: {source.path}: the data set cannot be read ({reason})") from None


def _open(datasets: Any, source: SourceSection) -> Any:
    """The stream of rows; a subset is a configuration of the data set or else a folder in it."""
    assert source.path is not None
    options: dict[str, Any] = {"split": source.split, "revision": source.revision, "streaming": True}
    name = str(source.path)
    if source.subset is None:
        return datasets.load_dataset(name, **options)
    if Path(name, source.subset).is_dir():
        return datasets.load_dataset(name, data_dir=source.subset, **options)
    try:
        return datasets.load_dataset(name, source.subset, **options)
    except ValueError:  # no such configuration
        return datasets.load_dataset(name, data_dir=source.subset, **options)
