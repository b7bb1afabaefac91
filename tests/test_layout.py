"""The order of the folders, as AGENTS.md draws it: every import runs down, and every folder has its place."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_SOURCE = _ROOT / "src"
_AGENTS = (_ROOT / "AGENTS.md").read_text(encoding="utf-8")
_PROBLEMS_FOR_MODELS = "multipl_judge/problems/starter/"


def drawn_floors(page: str) -> dict[str, int]:
    """Floor of each folder and file in the drawing, counted from the ground."""
    match = re.search(r"## The order of the folders\n.*?\n```\n(.*?)\n```", page, re.DOTALL)
    assert match is not None
    lines = [line.split() for line in match[1].splitlines()]
    names = [name for line in lines for name in line]
    assert len(names) == len(set(names)), "drawn twice"
    return {name: floor for floor, line in enumerate(reversed(lines)) for name in line}


@cache
def package() -> Mapping[str, str]:
    """Text of each module by its path in multipl_moe; the path of one of multipl_judge begins with this name."""
    files = {file.relative_to(_SOURCE).as_posix(): file for file in sorted(_SOURCE.rglob("*.py"))}
    return {
        path.removeprefix("multipl_moe/"): file.read_text(encoding="utf-8")
        for path, file in files.items()
        if not path.startswith(_PROBLEMS_FOR_MODELS)
    }


def place_of(path: str, floors: Mapping[str, int]) -> str | None:
    """What the drawing calls a module: the file itself or the nearest folder around it."""
    around = [path, *(parent.as_posix() for parent in Path(path).parents)]
    return next((name for name in around if name in floors), None)


def imported_modules(path: str, text: str, modules: Mapping[str, str]) -> Iterator[str]:
    """Paths of the packages' modules that a module imports, wherever in its text and for whatever purpose."""
    folders = Path(path).parts[:-1]
    here = [*folders] if folders[:1] == ("multipl_judge",) else ["multipl_moe", *folders]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = here[: len(here) - node.level + 1] if node.level else []
            origin += node.module.split(".") if node.module else []
            names = [[*origin, alias.name] for alias in node.names]
        else:
            continue
        for root, *parts in names:
            if root == "multipl_moe":
                yield _module_at(parts, modules)
            elif root == "multipl_judge":
                yield _module_at([root, *parts], modules)


def _module_at(parts: list[str], modules: Mapping[str, str]) -> str:
    """The module that a dotted name means; the last part may be something in it."""
    for length in range(len(parts), -1, -1):
        stem = "/".join(parts[:length])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py".lstrip("/")):
            if candidate in modules:
                return candidate
    raise AssertionError(parts)


def imports_up(
    texts: Mapping[str, str], floors: Mapping[str, int], modules: Mapping[str, str] | None = None
) -> list[str]:
    """Every import of these texts that leads from a folder to one that does not lie below it, by default among them."""
    modules, found = modules or texts, []
    for path, text in texts.items():
        own = place_of(path, floors)
        for target in imported_modules(path, text, modules):
            other = place_of(target, floors)
            if own != other and (own is None or other is None or floors[other] >= floors[own]):
                found.append(f"{path} imports {target}")
    return found


def test_every_import_runs_down():
    assert imports_up(package(), drawn_floors(_AGENTS)) == []


def test_imports_that_run_up_or_sideways_are_found():
    wrong = {
        "model/hybrid.py": ("from multipl_moe.train.loop import fit", "train/loop.py"),
        "model/gated.py": ("def late():\n    from multipl_moe.cli import app", "cli/app.py"),
        "model/cache.py": ("if TYPE_CHECKING:\n    from multipl_moe.recipe.recipe import Recipe", "recipe/recipe.py"),
        "model/families.py": ("from multipl_moe import MoeConfig", "__init__.py"),
        "runs/folder.py": ("from ..report import html", "report/html.py"),
        "train/loop.py": ("from multipl_moe.upcycle.convert import upcycle", "upcycle/convert.py"),
        "corpus/read/git.py": ("from multipl_moe.corpus.pipeline import build_corpus", "corpus/pipeline.py"),
        "errors.py": ("from multipl_moe.spdx import UNKNOWN", "spdx.py"),
        "multipl_judge/judge/sandbox.py": ("import multipl_judge.problems.rows", "multipl_judge/problems/rows.py"),
        "multipl_judge/judge/answers.py": ("from ..problems import own", "multipl_judge/problems/own.py"),
        "multipl_judge/judge/judge.py": ("from multipl_moe.errors import DiskError", "errors.py"),
    }
    texts = {path: f"{package()[path]}\n{line}\n" for path, (line, _) in wrong.items()}
    expected = [f"{path} imports {target}" for path, (_, target) in wrong.items()]
    assert imports_up(texts, drawn_floors(_AGENTS), package()) == expected


def test_all_modules_are_drawn_and_nothing_else_and_a_folder_with_all_of_its_parts_or_none():
    floors = drawn_floors(_AGENTS)
    places = {path: place_of(path, floors) for path in package()}
    assert [path for path, place in places.items() if place is None] == []
    assert set(places.values()) == set(floors)
    drawn = {name for name in floors if "/" in name}
    divided = {Path(name).parent for name in drawn}
    assert {folder for folder in _folders() if Path(folder).parent in divided} == drawn


def test_the_table_has_a_line_for_every_folder():
    table = [line.split("|")[1] for line in _AGENTS.splitlines() if line.startswith("| `")]
    named = {name for cell in table for name in re.findall(r"`([\w/]+)`", cell)}
    assert _folders() - named == set()


def _folders() -> set[str]:
    return {Path(path).parent.as_posix() for path in package()} - {"."}
