"""Hooks of mkdocs that make the pages of docs/ read the same in the site as on a forge.

A page links to README.md, a recipe, a test or a folder. A forge has them all, the site has only docs/. So whatever a
page links to becomes a page of the site: Markdown as it is, other text as a block of code, a folder as a list of names.
Links are rewritten on the way. A link to nothing is left as it is, and mkdocs refuses it.

A forge begins a list or a table right below a paragraph; Python-Markdown wants an empty line between.
"""

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_FOLDER = "repository"  # of the site, for what lies outside of docs/
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
_FENCE = re.compile(r"^\s*(```|~~~)")
_BEGINS_BLOCK = re.compile(r"^(?:[-*+] |1\. |\|)")
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json", ".jsonl": "json", ".sh": "sh", ".toml": "toml"}
_sources: dict[str, Path] = {}  # by address of a page in the site: the file or folder that it shows


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for everything outside of docs/ that pages link to, and for what those link to."""
    docs = Path(config.docs_dir)
    _sources.clear()
    _sources.update({file.src_uri: docs / file.src_uri for file in files.documentation_pages()})
    waiting = list(_sources.values())
    while waiting:
        for target in _targets(waiting.pop(), docs.parent):
            address = _address(target, docs)
            if address in _sources or files.get_file_from_path(address) is not None:
                continue
            _sources[address] = target
            files.append(File.generated(config, address, content=_shown(target)))
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page, and put empty lines where Python-Markdown needs them."""
    docs, address = Path(config.docs_dir), page.file.src_uri
    source = _sources[address]

    def rewritten(match: re.Match[str]) -> str:
        path, hash_sign, anchor = match[0].partition("#")
        target = _target(source, path, docs.parent)
        if target is None:
            return match[0]
        return os.path.relpath(_address(target, docs), Path(address).parent) + hash_sign + anchor

    lines: list[str] = []
    is_code = False
    for line in markdown.splitlines():
        if _FENCE.match(line):
            is_code = not is_code
        elif not is_code:
            line = _LINK.sub(rewritten, line)
            if _BEGINS_BLOCK.match(line) and lines and _is_text(lines[-1]):
                lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _is_text(line: str) -> bool:
    """Whether a line ends a paragraph or a fenced block, and not a list or table."""
    return bool(line.strip()) and not _BEGINS_BLOCK.match(line) and not line.startswith((" ", "#"))


def _targets(page: Path, root: Path) -> list[Path]:
    """What a file of Markdown links to and the repository has."""
    if page.suffix != ".md" or not page.is_file():
        return []
    paths = [link.partition("#")[0] for link in _LINK.findall(page.read_text(encoding="utf-8"))]
    return [target for path in paths if (target := _target(page, path, root)) is not None]


def _target(source: Path, path: str, root: Path) -> Path | None:
    """The file or folder of the repository that a relative link names; None for any other link."""
    if not path or "://" in path or path.startswith(("/", "mailto:")):
        return None
    target = Path(os.path.normpath(source.parent / path))
    return target if target.exists() and target.is_relative_to(root) else None


def _address(target: Path, docs: Path) -> str:
    """Where the site shows a file or a folder."""
    if target.is_file() and target.is_relative_to(docs):
        return target.relative_to(docs).as_posix()
    place = Path(_FOLDER) / target.relative_to(docs.parent)
    if target.is_dir():
        return (place / "index.md").as_posix()
    return place.as_posix() if target.suffix == ".md" else f"{place.as_posix()}.md"


def _shown(target: Path) -> str:
    """A page that shows a file or a folder."""
    if target.suffix == ".md":
        return target.read_text(encoding="utf-8")
    title = f"---\nsearch:\n  exclude: true\n---\n# {target.name}\n\n"
    if target.is_dir():
        shown = [path for path in sorted(target.iterdir()) if not path.name.startswith(("_", "."))]
        names = [f"{path.name}/" if path.is_dir() else path.name for path in shown]
        return title + "".join(f"- `{name}`\n" for name in names)
    return f"{title}~~~~{_LANGUAGES.get(target.suffix, 'text')}\n{target.read_text(encoding='utf-8')}\n~~~~\n"
