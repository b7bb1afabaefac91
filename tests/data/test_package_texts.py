"""Texts of installed packages: which files are read, in what order."""

from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

from multipl_moe.data.package_texts import package_texts


def _install(folder: Path, name: str, files: dict[str, bytes]) -> Distribution:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    record = folder / f"{name}-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (record / "RECORD").write_text("".join(f"{path},,\n" for path in [*files, f"{record.name}/long.md"]))
    (record / "long.md").write_text("licence " * 100)
    return PathDistribution(record)


def _text(word: str, count: int = 300) -> bytes:
    return (word * count)[:count].encode()


def test_distributions_are_taken_in_turn_and_what_is_no_text_is_passed_over(tmp_path: Path):
    one = _install(
        tmp_path,
        "one",
        {"one/a.md": _text("a"), "one/b.md": _text("b"), "one/c.md": b"\xff" * 300, "one/d.md": _text("short", 50)},
    )
    two = _install(tmp_path, "two", {"two/x.md": _text("x"), "two/y.json": _text("y", 9000), "two/z.py": _text("z")})
    found = package_texts([".md", ".json", ".css"], 9, [two, one])
    assert [text[0] for text in found[".md"]] == ["a", "x", "b"]
    assert [len(text) for text in found[".json"]] == [4096]
    assert found[".css"] == []
    assert [text[0] for text in package_texts([".md"], 2, [two, one])[".md"]] == ["a", "x"]


def test_what_is_installed_here_has_texts():
    assert package_texts([".pyi"], 3)[".pyi"]
