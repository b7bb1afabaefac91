"""pyproject.toml names every library that the package imports: one that others bring along may be gone tomorrow."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def _imported() -> dict[str, Path]:
    """Each module from outside that src imports, wherever in a file, with a file that does."""
    found: dict[str, Path] = {}
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            found |= {name.split(".")[0]: path for name in names}
    return found


def _wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    return [Requirement(one) for one in wanted]


def test_make_installs_versions_in_the_ranges():
    lines = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().split()]
    pinned: dict[str, str] = {canonicalize_name(name): version for name, _, version in lines}
    wanted = [one for one in _wanted() if one.name != "multipl-moe"]
    assert {one.name for one in wanted} - set(pinned) == {"trackio", "wandb"}, "no test runs with these"
    assert not [one for one in wanted if one.name in pinned and pinned[one.name] not in one.specifier]


def test_every_library_that_is_imported_is_named():
    named = {canonicalize_name(one.name) for one in _wanted()}
    brought_by, ours = packages_distributions(), {"multipl_moe", "multipl_judge"}
    ours |= {"pydantic_core"}  # a part of pydantic, which pins it
    unnamed = {
        module: str(path.relative_to(ROOT))
        for module, path in _imported().items()
        if module not in ours | sys.stdlib_module_names
        and not {name.lower().replace("_", "-") for name in brought_by.get(module, [module])} & named
    }
    assert not unnamed
