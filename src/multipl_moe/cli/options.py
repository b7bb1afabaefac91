"""Flags that several verbs share, what turns them into a recipe, and what checks them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console
from multipl_moe.errors import ConfigError, OutputError, UserError
from multipl_moe.system.launch import is_main
from multipl_moe.system.staging import empty_folder, held_folder, is_unused

if TYPE_CHECKING:
    from multipl_moe.recipe.recipe import Recipe

RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="Recipe: a YAML file with any of the settings; flags override it.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set any key of the recipe, such as train.learning_rate=1e-3; may be repeated.",
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        help="Base model: hub id, folder, GGUF file, or by name from PyPI: smollm2-135m, gemma-3-270m, "
        "qwen2.5-coder-0.5b-instruct, qwen2.5-coder-1.5b-instruct. [smollm2-135m]"
    ),
]
Seed = Annotated[int | None, typer.Option(help="Random seed for sampling, shuffling and initialisation. [0]")]
Unsafe = Annotated[
    bool,
    typer.Option(
        "--unsafe-no-sandbox",
        help="Run programs without the sandbox (bubblewrap): they see this machine's files and network.",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Number of programs to run at a time. [one per processor]")]
Learn = Annotated[str | None, typer.Option(help="New languages to learn, comma-separated. [rust,go,ruby]")]
Keep = Annotated[
    str | None, typer.Option(help="Known languages not to forget, comma-separated. [python,java,cpp,english]")
]


_LISTS = ("learn", "keep", "programs.languages")


def parse_bytes(text: str) -> int:
    """The bytes that a text such as 500MB names; 0 where it names none."""
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        return 0


def recipe_from_flags(
    file: Path | None, settings: list[str] | None, flags: dict[str, Any], defaults: dict[str, Any] | None = None
) -> "Recipe":
    """The recipe of a file with `--set` and flags on top; `defaults` count only where there is no file."""
    from multipl_moe.recipe.recipe import NULL, load_recipe, parse_value

    overrides = {key: split_names(flag) if key in _LISTS else flag for key, flag in flags.items() if flag is not None}
    for setting in settings or []:
        key, separator, value = setting.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set: {setting!r} is not KEY=VALUE")
        overrides.pop(key, None)  # so that it goes last: a later setting wins, of a key or of its section
        overrides[key] = NULL if (parsed := parse_value(value)) is None else parsed
    if file is None:
        overrides = {key: value for key, value in (defaults or {}).items() if key not in overrides} | overrides
    return load_recipe(file, overrides)


@contextmanager
def entered_run(
    output: Path, resume: bool, last_file: str, differs: "Callable[[Recipe], str]", *progress: str
) -> Iterator[None]:
    """Enter a run folder that may be used, and keep other processes out; it is removed again where it stays empty.

    Args:
        resume: whether an existing one may be gone on in.
        last_file: what a finished run has.
        differs: tells what keeps a run of another recipe from being gone on with, if anything does.
        progress: patterns of what there is to resume; it is told where there is nothing.

    Raises:
        OutputError: it exists, is finished, was begun with another recipe, cannot be written, or is in use.
    """
    if not is_main():  # the main process checks for all, and may have made the folder by now
        yield
        return
    _require_run_to_enter(output, output.exists(), resume, last_file, differs)
    with held_folder(output):
        _require_run_to_enter(output, not is_unused(output), resume, last_file, differs)  # as others may have left it
        if resume and not any(any(output.glob(pattern)) for pattern in progress):
            console.print(f"--resume: {output} holds nothing to go on from; this is the start", soft_wrap=True)
        yield


def _require_run_to_enter(
    output: Path, is_there: bool, resume: bool, last_file: str, differs: "Callable[[Recipe], str]"
) -> None:
    from multipl_moe.recipe.recipe import load_recipe

    if is_there and not resume:
        raise OutputError(f"output: {output} exists; choose another folder, or go on with --resume")
    if is_there and not output.is_dir():
        raise OutputError(f"output: {output} is a file; choose a folder")
    if (output / last_file).exists():
        raise OutputError(f"output: {output} holds a finished run; choose another folder")
    begun = output / "recipe.yaml"
    if begun.exists():
        if how := differs(load_recipe(begun)):
            raise OutputError(f"output: {output} holds a run of another recipe ({how}); go on with its own, {begun}")
    elif is_there and not all(path.name.startswith(".") for path in output.iterdir()):  # what was half written
        raise OutputError(f"output: {output} holds no run; choose another folder")


@contextmanager
def removed_if_refused(output: Path, *costly: str) -> Iterator[None]:
    """Leave nothing behind where the input turned out to be at fault before a file of what costs time was begun."""
    is_new = is_unused(output)
    try:
        yield
    except UserError:
        files = [file for pattern in costly for file in output.glob(pattern)]
        if is_new and not any(file.is_file() and file.stat().st_size for file in files):
            empty_folder(output)
        raise


def split_names(text: str | None) -> list[str] | None:
    """Names with commas as a list; None stays None."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def refuse_where(*checks: tuple[object, str]) -> None:
    """Raise ConfigError with the lines of all checks whose first part is true."""
    if problems := [problem for is_wrong, problem in checks if is_wrong]:
        raise ConfigError(problems)


def require_folders(**folders: Path) -> None:
    """Raise ConfigError with a line for each folder that is missing."""
    refuse_where(*((not path.is_dir(), f"{name}: {path} is not a folder") for name, path in folders.items()))


def model_folder(model: Path) -> Path:
    """The folder of a model or a pack, as given; of a base by name that which holds it, fetched if need be.

    Raises ConfigError where it is neither, or a run, whose model has a folder of its own.
    """
    if not model.is_dir():
        from multipl_moe.checkpoints.packaged import PACKAGED_BASES

        if str(model) in PACKAGED_BASES:
            from multipl_moe.checkpoints.base import resolve_base

            return resolve_base(str(model))
        raise ConfigError(f"model: {model} is not a folder, nor a base by name ({', '.join(PACKAGED_BASES)})")
    own = model / "model"
    is_run = (own / "config.json").is_file() and not (model / "config.json").is_file()
    refuse_where((is_run, f"model: {model} is the folder of a run; give {own}"))
    return model


def require_token(token: str | None) -> None:
    """Raise ConfigError for a bearer token that no header of HTTP can hold."""
    if token is not None and not re.fullmatch("[!-~]+", token):
        raise ConfigError("--token: it must have visible ASCII characters and no spaces")


def named_packs(where: str, given: Sequence[str]) -> dict[str, Path]:
    """Folders of packs by name: NAME=FOLDER, or FOLDER under its own, or its run's where that is `pack`.

    Raises ConfigError, which names `where`.
    """
    from multipl_moe.runs.folder import pack_name  # and with it the recipe, which not all verbs need

    named = []
    for text in given:
        name, sign, folder = text.partition("=")
        is_named = sign and "/" not in name  # a path may hold a sign of its own
        named.append((name, Path(folder)) if is_named else (pack_name(Path(text)), Path(text)))
    names = [name for name, _ in named]
    refuse_where(
        (len(set(names)) < len(names), f"{where}: two have one name; give them as NAME=FOLDER"),
        *((not folder.is_dir(), f"{where}: {folder} is not a folder") for _, folder in named),
    )
    return dict(named)
