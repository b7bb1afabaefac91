"""A commented recipe for a language of one's own, from a template for its kind."""

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from multipl_judge.languages.own import OwnLanguage
from multipl_judge.languages.toolchain import Toolchain
from multipl_moe.recipe import templates
from multipl_moe.recipe.recipe import flow_yaml, parse_value

Kind = Literal["stdin", "file", "compiled", "ml", "vm"]
_EXAMPLES: dict[Kind, tuple[str, ...]] = {
    "stdin": ("tcl",),
    "file": ("shell", "sh", "bash", "dash"),
    "compiled": ("c",),
    "ml": ("ocaml",),
    "vm": ("elixir",),
}
"""By which names the language goes that a template's toolchain is of."""
_KEPT_BYTES = 2_500_000
_PLACEHOLDER = "{kind: git, path: /path/to/repository, licence: LicenseRef-Company}    # your files"


def language_recipe(
    name: str,
    kind: Kind,
    file: Path,
    *,
    extensions: Sequence[str] = (),
    sources: Sequence[Mapping[str, Any]] = (),
    keep: Sequence[str] = ("python", "english"),
    library: Sequence[str] = (),
) -> str:
    """The YAML of a recipe that learns one language, judges it and keeps others.

    Args:
        name: key of the language.
        kind: how its programs are run: by an interpreter that reads standard input (`stdin`) or a file (`file`),
            compiled (`compiled`; `ml`: from a file, with block comments alone), on a virtual machine (`vm`).
        file: where the recipe will lie; its problems are expected beside it, in a .jsonl file of the same name.
        extensions: endings of its files, with the dot; default: its name.
        sources: entries of `corpus.sources` with its text; default: a place to fill in.
        keep: known languages, whose text comes from installed toolchains. The domain gate tells the language from
            these, and may open on others like it.
        library: folders here that hold files of the language, to learn from.
    """
    shown = extensions or [f".{name}"]
    installed = [{"kind": "toolchains", "language": name}] if library else []
    lines = [flow_yaml(dict(one)) for one in (*installed, *sources)]
    title = name.replace("_", " ").replace("-", " ").title()
    text = _template("recipe.yaml").replace("<<toolchain>>\n", _template(f"{kind}.yaml"))
    return _filled(
        text,
        name=name,
        key=flow_yaml(name),
        shown=title,
        title=flow_yaml(title),
        file=shlex.quote(str(file)),
        problems=flow_yaml(str(problems_beside(file))),
        tasks=flow_yaml(str(file.with_name(f"{file.stem}-tasks.jsonl"))),
        extensions=flow_yaml(list(shown)),
        library=f"library: {flow_yaml(list(library))}" if library else f"# library: [/usr/share/{name}]",
        sources="\n".join(f"    - {line}" for line in lines or [_PLACEHOLDER]),
        keep=", ".join(keep),
        kept_sources="\n".join(f"    - {{kind: toolchains, language: {one}}}" for one in keep),
        budgets=", ".join([f"{flow_yaml(name)}: null", *(f"{one}: {_KEPT_BYTES}" for one in keep)]),
    )


def first_problem(name: str, kind: Kind) -> str:
    """A problem of the language of the template, as a line of a set of one's own."""
    return _filled(_template(f"{kind}.jsonl"), name=name)


def first_references() -> set[str]:
    """The references of all templates' first problems: whoever has another one has written a problem."""
    return {json.loads(_template(f"{kind}.jsonl"))["reference"] for kind in _EXAMPLES}


def example_left(name: str, toolchain: Toolchain) -> str | None:
    """The name of the language that a toolchain of another one is still of, as its template has it."""
    for kind, names in _EXAMPLES.items():
        values = parse_value(language_recipe(name, kind, Path("x.yaml")))["own_languages"][name]
        if name not in names and OwnLanguage.model_validate(values).toolchain == toolchain:
            return names[0]
    return None


def problems_beside(recipe: Path) -> Path:
    """Where the problems of a language lie."""
    return recipe.with_suffix(".jsonl")


def _template(name: str) -> str:
    return (files(templates) / name).read_text(encoding="utf-8")


def _filled(text: str, **values: str) -> str:
    for key, value in values.items():
        text = text.replace(f"<<{key}>>", value)
    return text
