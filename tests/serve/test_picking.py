"""Packs know the file endings of their own languages, by which requests are picked."""

from typing import Any, cast

from multipl_moe.packs.files import Pack
from multipl_moe.serve.picking import Pick, Picker
from tests.conftest import tiny_moe


def test_a_file_of_a_language_that_the_package_does_not_know_picks_its_pack():
    def pack(languages: list[str], endings: dict[str, list[str]]) -> Pack:
        return Pack(languages, {}, tiny_moe("single"), {}, None, {}, {}, endings)

    packs = {"pay": pack(["rules"], {"rules": [".rules", ".pay.txt"]}), "rust": pack(["rust"], {})}
    picker = Picker.of(cast(Any, None), packs)  # no gate is asked where a file's name decides
    picked = {name: picker.pick("auto", None, f"# hr/{name}\n") for name in ("a.rules", "b.pay.txt", "c.rs", "d.py")}
    assert picked == {
        "a.rules": Pick("pay", "file"),
        "b.pay.txt": Pick("pay", "file"),
        "c.rs": Pick("rust", "file"),
        "d.py": Pick(None, "file"),
    }
