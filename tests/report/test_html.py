"""report.html: one page that loads nothing, tells everything, and trusts no text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from multipl_moe.report.html import write_report
from tests.eval.measured import SUMMARY, only

_LOADING_ATTRIBUTES = {"src", "href", "xlink:href", "srcset", "data", "poster", "background", "action"}
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class _Page(HTMLParser):
    """Tags, attributes that load something, and whether tags balance."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in _LOADING_ATTRIBUTES]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _write(folder: Path, metrics: dict[str, Any], records: list[dict[str, Any]], **values: Any) -> str:
    arguments = {"recipe_yaml": "seed: 4711\n", "model_folder": Path("runs/mine/model")} | values
    write_report(folder, metrics, records, [], **arguments)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path, metrics, records, recipe) -> str:
    return _write(tmp_path, metrics, records, recipe_yaml=recipe.to_yaml())


def test_page_loads_nothing(page: str):
    parsed = _Page(page)
    assert "script" not in parsed.tags
    assert "link" not in parsed.tags
    assert "iframe" not in parsed.tags
    assert [value for value in parsed.loaded if not value.startswith(("#", "data:"))] == []
    assert re.findall(r"url\((?!#)[^)]*\)", page) == []
    assert "@import" not in page
    assert "@font-face" not in page


def test_page_is_well_formed(page: str):
    assert _Page(page).open == []


def test_page_names_every_language_the_recipe_and_the_seed(page: str, recipe):
    for title in ("Rust", "C++", "Python", "English text"):
        assert f"<td>{title}</td>" in page
    assert recipe.to_yaml().replace("'", "&#39;") in page
    assert "seed: 4711" in page
    assert page.count("<svg") == 4  # gain, training and two heat maps


def test_page_tells_numbers_and_the_verdict(page: str):
    assert "Languages to learn: -15.0% bits per byte; languages to keep: +1.0%" in page
    assert "<td>2.0000</td>" in page
    assert "-20.0% to -20.0%" in page
    assert "12,345 tokens in 67 seconds" in page
    assert "4,321 in all" in page
    assert "abababababababab" in page
    assert "In order" in page
    assert "token experts carry 0.72 to 1.31 times" in page
    assert "segment experts carry 0.61 to 1.73 times" in page
    assert 'folder = "runs/mine/model"' in page
    assert "torch" in page  # versions of the environment


def test_unhealthy_routers_are_called_so(tmp_path: Path, metrics, records):
    metrics["router_health"] |= {"is_healthy": False, "dead_experts": 3}
    page = _write(tmp_path, metrics, records)
    assert "Out of bounds" in page
    assert "3 experts are dead" in page


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a&b"])
def test_markup_in_file_names_recipe_and_environment_is_escaped(tmp_path: Path, metrics, records, evil: str):
    metrics["environment"]["machine"]["processor"] = evil
    page = _write(tmp_path, metrics, records, recipe_yaml=f"base: {evil}\n", model_folder=Path("runs") / evil)
    assert evil not in page
    assert page.count("<script") == page.count("<img") == 0
    assert _Page(page).open == []


@pytest.mark.parametrize("kind", ["token", "segment"])
def test_models_of_one_kind_of_expert_have_a_page(tmp_path: Path, metrics, records, kind: str):
    summary = only(kind)
    metrics["routing"] = {name: {6: summary} for name in metrics["languages"]}
    metrics["router_health"]["layers"] = {6: summary | {"train_segment_load": summary.get("segment_load", [])}}
    for record in records:
        record["routers"] = {"6": summary}
    page = _write(tmp_path, metrics, records)
    assert page.count("<svg") == 3
    assert f"{kind.capitalize()} experts" in page or "Routed token experts" in page


def test_run_without_lines_or_means_has_a_page(tmp_path: Path, metrics):
    metrics["means"] = {}
    page = _write(tmp_path, metrics, [])
    assert "<h2>Training</h2>" not in page
    assert page.count("<svg") == 3


def test_equal_results_give_equal_bytes(tmp_path: Path, metrics, records):
    assert _write(tmp_path, metrics, records) == _write(tmp_path, metrics, records)


def test_gain_is_also_a_picture(tmp_path: Path, metrics, records):
    _write(tmp_path, metrics, records)
    assert (tmp_path / "gain.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"gain.png", "report.html"}


def test_numbers_of_every_layer_are_listed(tmp_path: Path, metrics, records):
    metrics["router_health"]["layers"] = {
        index: SUMMARY | {"train_segment_load": [0.1 * index, 0.9]} for index in (3, 4)
    }
    page = _write(tmp_path, metrics, records)
    assert "<td>3</td>" in page
    assert "0.30 0.90" in page
    assert "0.40 0.90" in page
    assert "<td>0.45</td>" in page
