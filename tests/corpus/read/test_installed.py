"""Which folders of installed packages hold files of a language."""

from pathlib import Path

from multipl_moe.corpus.read.installed import installed_folders


def _package(lists: Path, name: str, folder: str, number: int, ending: str = ".mine") -> None:
    lines = [folder, *(f"{folder}/{index % 3}/{index}{ending}" for index in range(number))]
    (lists / f"{name}.list").write_text("\n".join(lines) + "\n")


def test_folders_with_most_files_come_first_and_none_lies_in_another(tmp_path: Path):
    for name, folder, number in [
        ("few", "/usr/share/few", 19),
        ("some", "/usr/share/some", 20),
        ("many", "/usr/lib/many", 60),
        ("inside", "/usr/lib/many/inside", 90),
        ("documents", "/usr/share/doc/mine", 70),
        ("wide", "/usr/share", 80),
        ("more", "/opt/more", 40),
        ("last", "/opt/last", 30),
    ]:
        _package(tmp_path, name, folder, number)
    _package(tmp_path, "other", "/usr/share/other", 99, ".other")
    assert installed_folders([".mine", ".mn"], tmp_path) == ["/usr/lib/many", "/opt/more", "/opt/last"]
    assert installed_folders([".none"], tmp_path) == []
    assert installed_folders([".mine"], tmp_path / "nowhere") == []
