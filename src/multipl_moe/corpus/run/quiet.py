"""Keeping datatrove's log out of the terminal."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from datatrove.utils.logging import logger, setup_default_logger


@contextlib.contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """Send what datatrove tells the terminal to a file: it adds a handler on sys.stderr before and after each task."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / "terminal.log").open("a", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
            try:
                logger.remove()
                logger.add(stream)
                yield
            finally:
                logger.remove()
    finally:
        setup_default_logger()
