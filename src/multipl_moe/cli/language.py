"""`multipl-moe language`."""

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from multipl_moe.cli.app import console, working
from multipl_moe.cli.corpus import source_named
from multipl_moe.cli.options import Unsafe, split_names
from multipl_moe.errors import ConfigError, OutputError


def language(
    name: Annotated[str, typer.Argument(help="Name of the language, as --learn would have it.")],
    output: Annotated[
        Path | None, typer.Option(help="Recipe to write, or to try if it exists. [NAME.yaml, here]")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="How its programs run: an interpreter reads them from standard input (stdin) or from a file (file), a "
            "compiler makes programs of them (compiled; ml: from a file, with block comments alone), a virtual machine "
            "runs them (vm). [stdin]"
        ),
    ] = None,
    extensions: Annotated[
        str | None, typer.Option(help="Endings of its files, comma-separated, such as .ex,.exs. [.NAME]")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option(help="Source of its text to learn from, named as for `corpus`; may be repeated.")
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(help="Source to measure on and never train on, such as another repository; may be repeated."),
    ] = None,
    unsafe_no_sandbox: Unsafe = False,
) -> None:
    """Begin a language that the package does not know: a commented recipe, tried, and told what is still missing.

    The first call writes NAME.yaml and a first problem, NAME.jsonl; edit both, and call again: it tries the toolchain
    with a right program, a wrong one and one that leaves early, judges the problems' references and looks for files.
    The exit code is 1 as long as something is missing, or toolchain and problem are still the template's.

    Example: `multipl-moe language tcl --kind stdin --extensions .tcl,.tm --source ~/src/project --held-out ~/src/other`
    """
    from multipl_judge.languages.own import valid_name
    from multipl_judge.languages.table import LANGUAGES

    if name in LANGUAGES:
        raise ConfigError(f"{name}: the package knows it; `multipl-moe doctor --languages {name}` tries its toolchain")
    try:
        valid_name(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    file = output or Path(f"{name}.yaml")
    flags = {"--kind": kind, "--extensions": extensions, "--source": source, "--held-out": held_out}
    if not file.exists():
        _write(name, file, kind or "stdin", split_names(extensions) or [], source or [], held_out or [])
    elif given := [flag for flag, value in flags.items() if value]:
        raise OutputError(f"output: {file} exists; edit it, or leave out {', '.join(given)} to try it")
    _try(name, file, unsafe_no_sandbox)


def _write(name: str, file: Path, kind: str, extensions: list[str], sources: list[str], held_out: list[str]) -> None:
    from multipl_judge.languages.table import LANGUAGES
    from multipl_moe.corpus.read.candidates import has_library, installed_folders
    from multipl_moe.recipe.language_template import Kind, first_problem, language_recipe, problems_beside
    from multipl_moe.recipe.recipe import parse_value, validate_recipe
    from multipl_moe.runs.folder import write_text

    if file.suffix not in (".yaml", ".yml"):
        raise OutputError(f"output: {file} must end in .yaml; its problems will lie beside it, in a .jsonl")
    if kind not in get_args(Kind):
        raise ConfigError(f"--kind: {kind} not known; known: {', '.join(get_args(Kind))}")
    chosen = cast(Kind, kind)
    entries = [source_named(text) for text in sources]
    entries += [source_named(text) | {"held_out": True} for text in held_out]
    keep = [known for known, language in LANGUAGES.items() if has_library(language)]
    library = [] if entries else installed_folders(extensions or [f".{name}"])
    text = language_recipe(name, chosen, file, extensions=extensions, sources=entries, keep=keep, library=library)
    validate_recipe(parse_value(text), origin=str(file))
    if not file.parent.is_dir():
        raise OutputError(f"output: {file.parent} is not a folder; create it")
    problems = problems_beside(file)
    written = [file] if problems.exists() else [file, problems]
    if problems in written:
        write_text(problems, first_problem(name, chosen))
    write_text(file, text)
    console.print(f"wrote {' and '.join(map(str, written))}", soft_wrap=True)
    if library:
        told = ", ".join(library)
        console.print(f"library: {told}, of installed packages; take out what is not yours", soft_wrap=True)


def _try(name: str, file: Path, unsafe: bool) -> None:
    from multipl_moe.eval.own_language import parts_of_language
    from multipl_moe.recipe.recipe import load_recipe
    from multipl_moe.report.doctor import language_parts_table

    recipe = load_recipe(file)
    if name not in recipe.own_languages:
        there_are = ", ".join(recipe.own_languages) or "none"
        raise ConfigError(f"{file}: own_languages has no {name}; there are: {there_are}")
    with working("trying the toolchain, judging references, looking for files"):
        parts = parts_of_language(recipe, name, unsafe=unsafe)
    console.print(language_parts_table(recipe.language_table[name].title, parts))
    if not all(part.is_there for part in parts):
        console.print(f"edit {file} and call again: multipl-moe language {name} --output {file}", soft_wrap=True)
        raise typer.Exit(1)
    console.print(
        "nothing is missing that can be tried; are the problems yours? The commands that follow are at the head of the "
        "recipe"
    )
