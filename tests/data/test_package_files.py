"""Files of installed distributions: which are taken, in which order, and what is passed over."""

import os
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from multipl_moe.corpus.documents import TextFile
from multipl_moe.data.package_files import folder_files, package_files

LONG = "some text, " * 30
_KINDS = {"JSON": (".json",), "CSS": (".css",), "Markdown": (".md", ".rst"), "HTML": (".html",)}


def _install(site: Path, name: str, files: dict[str, str | bytes]) -> Distribution:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    return Distribution.at(info)


def _found(left_out: Iterable[str], installed: Iterable[Distribution] | None = None) -> dict[str, list[TextFile]]:
    return package_files(_KINDS, list(left_out), most_files=8, most_of_one=2, installed=installed)


def _paths(found: dict) -> dict[str, list[str]]:
    return {kind: [file.path for file in files] for kind, files in found.items()}


def test_at_most_eight_a_kind_and_two_of_one_distribution_in_alphabetical_order(tmp_path):
    installed = [
        _install(tmp_path, name, {f"{name}/{file}.json": f"{name} {file} {LONG}" for file in ("c", "a", "b")})
        for name in ("zeta", "beta", "alpha", "gamma", "delta")
    ]
    found = _found([], installed)
    names = ["alpha", "beta", "delta", "gamma"]
    assert _paths(found) == {"JSON": [f"{name}/{name}/{file}.json" for name in names for file in "ab"]}
    assert found["JSON"][0].text == f"alpha a {LONG}"
    assert _found([], reversed(installed)) == found


def test_a_file_is_of_a_language_to_leave_out_whatever_the_case_of_its_ending_and_however_many_it_has(tmp_path):
    names = ["a.JSON", "a.blade.json", "a.json", "a.css", "a.yml"]
    installed = [_install(tmp_path, "one", dict.fromkeys(names, LONG))]
    assert _paths(_found([".blade.json", ".css"], installed)) == {"JSON": ["one/a.json"]}
    (tmp_path / "a.css").unlink()
    (tmp_path / "a.yml").unlink()
    assert not folder_files([tmp_path], [".json"], most_files=8)
    assert _paths(folder_files([tmp_path], [".blade.json"], most_files=8)) == {
        ".JSON": [str(tmp_path / "a.JSON")],
        ".json": [str(tmp_path / "a.json")],
    }


def test_what_is_short_binary_missing_or_metadata_is_passed_over_and_long_files_are_cut(tmp_path):
    info = {"a-1.0.dist-info/licence.html": LONG}
    installed = [
        _install(tmp_path, "a", info | {"a/1.html": "short", "a/2.html": b"\xff" * 999, "a/3.html": "é" * 9000}),
        _install(tmp_path, "b", {"b/1.html": LONG, "b/2.html": LONG, "b/3.html": LONG}),
    ]
    (tmp_path / "b" / "1.html").unlink()
    (tmp_path / "left-1.0.dist-info").mkdir()
    installed.append(Distribution.at(tmp_path / "left-1.0.dist-info"))  # of an installation that was interrupted
    found = _found([], installed)
    assert _paths(found) == {"HTML": ["a/a/3.html", "b/b/2.html", "b/b/3.html"]}
    assert found["HTML"][0].text == "é" * 4096


def test_what_is_installed_here_has_files_and_always_the_same():
    found, again = (_found([".py"], [distribution("huggingface-hub")]) for _ in range(2))
    assert all("/huggingface_hub/templates/" in path for path in _paths(found)["Markdown"])
    assert found == again


def test_files_of_folders_are_the_first_of_each_of_the_kinds_named_or_of_one_a_ending(tmp_path: Path):
    for path in ("b/1.css", "b/2.css", "b/3.css", "a/deep/1.css", "a/1.md", "a/1.rst", "a/none", "a/1.py", "c/1.css"):
        (tmp_path / "text" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "text" / path).write_text(path + LONG)
    (tmp_path / "text" / "a" / "link").symlink_to(tmp_path / "text" / "b")
    os.mkfifo(tmp_path / "text" / "a" / "pipe.css")

    def names(**settings: Any) -> dict[str, list[str]]:
        found = folder_files(settings.pop("folders", [tmp_path / "text"]), [".py"], most_files=4, **settings)
        return {
            kind: [Path(file.path).relative_to(tmp_path / "text").as_posix() for file in files]
            for kind, files in found.items()
        }

    css = ["a/deep/1.css", "b/1.css", "c/1.css", "b/2.css"]
    assert names() == {".css": css, ".md": ["a/1.md"], ".rst": ["a/1.rst"]}
    assert names(kinds=_KINDS) == {"CSS": css, "Markdown": ["a/1.md", "a/1.rst"]}
    assert names(kinds={"CSS": (".css",)}) == names(
        folders=[tmp_path / "text", tmp_path / "text" / "b"], kinds={"CSS": (".css",)}
    )
    assert folder_files([tmp_path / "text" / "b", tmp_path / "text" / "c"], [".css"], most_files=4) == {}
