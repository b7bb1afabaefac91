"""Packs know the file endings of their own languages, by which requests are picked."""

from typing import Any, cast

import pytest

from multipl_moe.gate import Opened
from multipl_moe.packs.files import Pack
from multipl_moe.serve.picking import Pick, Picker


def test_a_file_of_a_language_that_the_package_does_not_know_picks_its_pack():
    def pack(languages: list[str], endings: dict[str, list[str]]) -> Pack:
        return Pack.model_construct(languages=languages, endings=endings)

    packs = {"pay": pack(["rules"], {"rules": [".rules", ".pay.txt"]}), "rust": pack(["rust"], {})}
    picker = Picker.of(cast(Any, None), packs)  # no gate is asked where a file's name decides
    picked = {name: picker.pick("auto", None, f"# hr/{name}\n") for name in ("a.rules", "b.pay.txt", "c.rs", "d.py")}
    assert picked == {
        "a.rules": Pick("pay", "file"),
        "b.pay.txt": Pick("pay", "file"),
        "c.rs": Pick("rust", "file"),
        "d.py": Pick(None, "file"),
    }


@pytest.mark.parametrize(
    ("opened", "picked"),
    [
        ({"rust": Opened(0.25, None), "lua": Opened(0.2, 3)}, "lua"),
        ({"rust": Opened(0.9, 0), "lua": Opened(0.4, 3)}, "rust"),
        ({"rust": Opened(0.25, None), "lua": Opened(0.0, None)}, None),
    ],
)
def test_of_the_packs_that_are_on_the_one_that_is_open_furthest_is_picked(
    opened: dict[str, Opened], picked: str | None
):
    class Gates:
        def after(self, text: str, *, at_once: bool) -> dict[str, Opened]:
            return opened

    languages = {"rust": ["rust"], "lua": ["lua"]}
    assert Picker(cast(Any, Gates()), languages).pick("auto", None, "a text") == Pick(picked, "text")
