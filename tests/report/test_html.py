"""report.html: one page that loads nothing, tells everything, and trusts no text."""

from pathlib import Path
from typing import Any

import pytest

from multipl_moe.report.html import write_report
from tests.eval.measured import SUMMARY, only
from tests.report.html_page import assert_loads_nothing


def _write(folder: Path, metrics: dict[str, Any], records: list[dict[str, Any]], **values: Any) -> str:
    arguments = {"recipe_yaml": "seed: 4711\n", "model_folder": Path("runs/mine/model")} | values
    write_report(folder, metrics, records, [], **arguments)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def page(tmp_path: Path, metrics, records, recipe) -> str:
    page = _write(tmp_path, metrics, records, recipe_yaml=recipe.to_yaml())
    assert _write(tmp_path, metrics, records, recipe_yaml=recipe.to_yaml()) == page, "equal results give equal bytes"
    assert (tmp_path / "gain.png").read_bytes().startswith(b"\x89PNG")
    return page


def test_page_loads_nothing_and_runs_nothing(page: str):
    assert "script" not in assert_loads_nothing(page).tags


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
    assert page.count("<script") == 0
    assert_loads_nothing(page)


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


def test_numbers_of_every_layer_are_listed(tmp_path: Path, metrics, records):
    metrics["router_health"]["layers"] = {
        index: SUMMARY | {"train_segment_load": [0.1 * index, 0.9]} for index in (3, 4)
    }
    page = _write(tmp_path, metrics, records)
    assert "<td>3</td>" in page
    assert "0.30 0.90" in page
    assert "0.40 0.90" in page
    assert "<td>0.45</td>" in page
