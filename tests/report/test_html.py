"""report.html: one page that loads nothing, tells everything, and trusts no text."""

import re
from pathlib import Path
from typing import Any

from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.eval.verdict import VerdictSettings
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.report.html import write_report
from multipl_moe.report.programs import write_programs_report
from multipl_moe.runs.folder import write_json
from multipl_moe.runs.journal import append_to_journal
from multipl_moe.runs.result import RunResult
from tests.eval.judged import problems
from tests.report.html_page import assert_loads_nothing
from tests.report.judged import of_model
from tests.report.test_problems_page import answers

_LEFT_OUT = "this run left that out"  # of programs


def _write(folder: Path, metrics: RunResult, records: list[dict[str, Any]], **values: Any) -> str:
    arguments = {"recipe": load_recipe(), "model_folder": Path("runs/mine/model")} | values
    write_report(folder, metrics, records, [], **arguments)
    return (folder / "report.html").read_text(encoding="utf-8")


def test_page_loads_and_runs_nothing_and_tells_numbers_verdict_recipe_and_seed(tmp_path, metrics, records, recipe):
    page = _write(tmp_path, metrics, records, recipe=recipe)
    assert _write(tmp_path, metrics, records, recipe=recipe) == page, "equal results give equal bytes"
    assert (tmp_path / "gain.png").read_bytes().startswith(b"\x89PNG")
    assert "moved by" not in page
    assert "script" not in assert_loads_nothing(page).tags
    assert "What they write" not in page
    assert _LEFT_OUT in page
    assert page.count("<svg") == 8  # gain, training and two heat maps, each for wide and for narrow screens
    told = (
        *(f">{text}</td>" for text in ("Rust", "C++", "Python", "English text", "2.0000", "-20.0% to -20.0%")),
        "<h1>Learnt: Rust and C++ need 15.0% fewer bits per byte (15.0 to 15.0). Not kept: Python needs 1.0% more",
        *("Bits per byte: how many bits the model needs", "on 12 files that were held out"),
        *("12,345 tokens in 67 seconds", "4,321 in all", "abababababababab", "in order"),
        *("token experts carry 0.72 to 1.31 times", "segment experts carry 0.61 to 1.73 times"),
        *('folder = "runs/mine/model"', "torch", "seed: 4711", recipe.to_yaml().replace("'", "&#39;")),
    )
    assert [text for text in told if text not in page] == []


def test_movement_unhealthy_routers_and_a_verdict_in_words_are_told(tmp_path: Path, metrics, records, moved):
    assert metrics.router_health is not None
    health = metrics.router_health.but(is_healthy=False, dead_experts=3)
    page = _write(tmp_path, metrics.but(moved=moved, router_health=health, sentence="Learnt: <b> Rust."), records)
    assert "The model moved by 0.031 nats a token on the base&#39;s own answers." in page
    assert "<td>0.025 to 0.037</td><td>0.6%</td>" in page
    assert "out of bounds" in page
    assert "3 experts are dead" in page
    assert "<h1>Learnt: &lt;b&gt; Rust.</h1>" in page, "the headline"


def test_programs_of_both_models_stand_side_by_side(tmp_path: Path, metrics, records):
    asked = problems("python", 2) + problems("rust", 3) + problems("go", 3)
    for folder, completion in (("before", "<script>"), ("after", "return 7")):
        (tmp_path / f"programs_{folder}").mkdir()
        answered = answers(folder, asked, [completion], "w" * 8)
        for name in ("samples", "results", "details"):
            append_to_journal(tmp_path / f"programs_{folder}" / f"{name}.jsonl", getattr(answered, name))
    settings = VerdictSettings(roles={"rust": "learn", "go": "learn", "python": "keep"})
    verdict = of_model(judge_against(asked, answered.results, answered.results, settings))
    write_json(tmp_path / "programs_before" / "metrics.json", {"model": "base"})
    eval_set = EvalSet(asked, {}, {})
    write_programs_report(tmp_path / "programs_after", eval_set, verdict, tmp_path / "programs_before")
    page = _write(tmp_path, metrics.but(programs=verdict), records)
    assert _LEFT_OUT not in page
    assert re.findall("<h3>(.*: .*)</h3>", page) == ["Rust: 0", "Go: 0", "Rust: 1"]
    assert page.count('<span class="written">&lt;script&gt;</span>') == 3
    assert page.count('<span class="written">return 7</span>') == 3
    assert_loads_nothing(page)


def test_markup_in_file_names_recipe_and_environment_is_escaped(tmp_path: Path, metrics, records):
    evil = '"><img src=x onerror=alert(1)><script>alert(1)</script>a&b'
    metrics.environment["machine"]["processor"] = evil
    page = _write(
        tmp_path, metrics, records, recipe=load_recipe(None, {"base": evil}), model_folder=Path("runs") / evil
    )
    assert [part for part in ("<img", "<script", "a&b") if part in page] == []
    assert_loads_nothing(page)
