"""Pages name files, functions and each other; all of them exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs"
_PAGES = [
    *(path for path in sorted(_DOCS.rglob("*.md")) if not path.is_relative_to(_DOCS / "results")),
    *(_ROOT / name for name in ("README.md", "AGENTS.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
]
_CITING = [
    *(_DOCS / name for name in ("architecture.md", "design.md", "judge.md", "life-of-a-run.md")),
    *sorted((_DOCS / "guides").glob("*.md")),
    *sorted((_DOCS / "images").glob("*.svg")),
]
_FORBIDDEN = "utils.py"  # AGENTS.md names it to say so
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CITED = re.compile(r"(?<![\w/.])([\w/]+\.py)(?::([A-Za-z_][\w.]*\w))?")


def _name(path: Path) -> str:
    return path.relative_to(_ROOT).as_posix()


@pytest.mark.parametrize("page", _CITING, ids=_name)
def test_every_file_and_function_that_a_page_cites_exists(page: Path):
    cited = _CITED.findall(page.read_text(encoding="utf-8"))
    assert cited
    assert [f"{path}:{name}" for path, name in cited if not _exists(path, name)] == []


def test_what_does_not_exist_is_noticed():
    assert _exists("train/trainer.py", "train_model")
    assert _exists("tests/test_docs_paths.py", "")
    assert not _exists("train/trainer.py", "train_models")
    assert not _exists("train/trainers.py", "")
    assert not _exists("recipe/recipe.py", "Recipe.no_such_method")


@pytest.mark.parametrize("page", [_ROOT / "AGENTS.md", _DOCS / "promises.md"], ids=_name)
def test_every_file_exists_that_a_page_names_without_its_folder(page: Path):
    files = {file for folder in ("src", "tests", "scripts", "benchmarks") for file in (_ROOT / folder).rglob("*.py")}
    cited = [Path(path).parts for path, _ in _CITED.findall(page.read_text(encoding="utf-8")) if path != _FORBIDDEN]
    assert cited
    assert ["/".join(parts) for parts in cited if not any(file.parts[-len(parts) :] == parts for file in files)] == []


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_every_relative_link_of_a_page_leads_somewhere(page: Path):
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not _leads_somewhere(page, link)] == []


def test_the_index_of_the_docs_names_every_page():
    index = _DOCS / "README.md"
    named = {(_DOCS / link).resolve() for link in _LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {page for page in _PAGES if page.is_relative_to(_DOCS)} - {index}
    assert [_name(page) for page in sorted(pages - named)] == []


def _exists(path: str, name: str) -> bool:
    """Whether the repository, or a package in it, has a file, and the file a function, class, method or table."""
    places = (_ROOT, _ROOT / "src/multipl_moe", _ROOT / "src/multipl_judge")
    file = next((folder / path for folder in places if (folder / path).is_file()), None)
    return file is not None and (not name or name in _names_in(file))


@cache
def _names_in(file: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in _anchors_of(target))


@cache
def _anchors_of(page: Path) -> frozenset[str]:
    """The anchors that a forge makes of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)
