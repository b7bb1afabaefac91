"""What `--source` may name."""

from pathlib import Path
from typing import Any

from multipl_moe.errors import ConfigError

_HUB = "hub:"


def parse_sources(texts: list[str] | None) -> list[dict[str, Any]] | None:
    """What `--source` names, as entries of `corpus.sources`; what a path is shows in its content and its ending.

    Raises:
        ConfigError: a text names nothing that can be read.
    """
    return [_source(text) for text in texts] if texts else None


def _source(text: str) -> dict[str, Any]:
    from multipl_moe.corpus.read.archives import ARCHIVE_ENDINGS
    from multipl_moe.corpus.read.row_files import ROW_ENDINGS

    path = Path(text)
    if text == "toolchains":
        return {"kind": "toolchains"}
    if text.startswith(_HUB):
        name, _, revision = text.removeprefix(_HUB).partition("@")
        return {"kind": "hub", "path": name} | ({"revision": revision} if revision else {})
    if path.is_dir():
        return {"kind": "git" if _is_repository(path) else "folder", "path": text}
    for kind, endings in {**ROW_ENDINGS, "archive": ARCHIVE_ENDINGS}.items():
        if path.is_file() and path.name.lower().endswith(endings):
            return {"kind": kind, "path": text}
    folder, _, revision = text.rpartition("@")
    if folder and revision and Path(folder).is_dir():
        return {"kind": "git", "path": folder, "revision": revision}
    raise ConfigError(
        f"--source: {text} is no folder, archive, .jsonl or .parquet file, nor REPOSITORY@REVISION, {_HUB}DATASET or "
        "`toolchains`"
    )


def _is_repository(path: Path) -> bool:
    """Whether a folder is a git work tree or a bare repository."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())
