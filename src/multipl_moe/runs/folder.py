"""The folder of a run: its resolved recipe, environment and results, written whole and read back."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from multipl_moe.errors import OutputError
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.disk_errors import write_errors_explained
from multipl_moe.system.staging import create_folder
from multipl_moe.system.versions import environment

RECORD_FILES = ("environment.json", "recipe.yaml")
"""What `record_run` writes."""
PACK_FOLDER = "pack"
"""Where a run keeps what it learnt by itself."""


def pack_name(folder: Path) -> str:
    """What a pack is called where nobody named it: as its folder, or as the run in which it lies."""
    own = folder.resolve()
    return own.parent.name if own.name == PACK_FOLDER else own.name


def open_run(output: Path, recipe: Recipe) -> None:
    """Create a run folder, or enter an existing one, and record the recipe and the environment."""
    create_folder(output, output)
    record_run(output, recipe)


def record_run(output: Path, recipe: Recipe) -> None:
    """Write the environment into a folder and then, as the sign of a run, the resolved recipe with its seed."""
    environment_file, recipe_file = RECORD_FILES
    write_json(output / environment_file, environment())
    write_text(output / recipe_file, recipe.to_yaml())


def write_json(file: Path, values: Any) -> None:
    """Write JSON so that the file exists whole or not at all.

    Raises:
        OutputError: as `write_text`; or a number is not finite, which JSON cannot hold.
    """
    write_text(file, json_text(values, file, indent=2) + "\n")


def json_text(values: Any, file: Path, **how: Any) -> str:
    """The text of JSON that is for a file; raises OutputError where a number is not finite."""
    try:
        return json.dumps(values, allow_nan=False, **how)
    except ValueError as error:
        raise OutputError(f"output: {file}: a result is NaN or infinite ({error}), so it is not written") from None


def read_json(file: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write_text(file: Path, text: str) -> None:
    """Write text so that the file exists whole or not at all, whoever else writes it too.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    write_lines(file, (text,))


def write_lines(file: Path, lines: Iterable[str]) -> None:
    """`write_text` of lines with their breaks, which are not all held in memory."""
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with write_errors_explained(file):
            with partial.open("w", encoding="utf-8") as stream:
                stream.writelines(lines)
            partial.replace(file)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
