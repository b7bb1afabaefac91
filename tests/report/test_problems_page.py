"""problems.html: loads nothing, holds all it was given, and takes what a model wrote for text only."""

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from multipl_judge.problems.problem import Problem
from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.report.programs import ModelAnswers, page_data, write_problems_page
from tests.eval.judged import problem, results
from tests.report.html_page import Page, assert_loads_nothing

_EVIL = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(1)>',
    "\u2028\u2029\x00\\u003c &lt; ]]> {{ 7 * 7 }} \udc80",
    "'; alert(1); //",
]
_ASKED = [problem(language, number) for language in ("rust", "go") for number in range(len(_EVIL))]


def answers(name: str, asked: list[Problem], completions: list[str], *letters: str) -> ModelAnswers:
    """What a model wrote (the completions in turn) and what came of it (one string of letters for each sample)."""
    judged = results(asked, *letters)
    texts = [completions[index % len(completions)] for index in range(len(judged))]
    of = [({"key": line["key"], "sample": line["sample"]}, text) for line, text in zip(judged, texts, strict=True)]
    samples = [name | {"completion": text, "finish": "stop", "said": f"Here: {text}"} for name, text in of]
    details = [name | {"output": text, "compile_s": 0.1, "run_s": 0.2, "peak_bytes": 9} for name, text in of]
    return ModelAnswers(name, samples, judged, details)


def _write(folder: Path, asked: list[Problem], models: list[ModelAnswers], notes: Any = (), **values: Any) -> str:
    told: dict[str, Any] = {"not_scored": {}, "flags": {}} | values
    eval_set = EvalSet(asked, **told)
    write_problems_page(folder / "problems.html", eval_set, models, {}, notes)
    return (folder / "problems.html").read_text(encoding="utf-8")


def _embedded(page: str) -> Any:
    (attributes, text), _ = Page(page).scripts
    assert attributes == {"type": "application/json", "id": "data"}
    return json.loads(text)


def test_embedded_data_reads_back_equal_whatever_models_wrote(tmp_path: Path):
    asked = [problem("rust", number, prompt=text, tests=text) for number, text in enumerate(_EVIL)]
    models = [answers(text, asked, _EVIL, "pwcph") for text in _EVIL[:2]]
    flags = {asked[0].key: _EVIL[0]}
    page = _write(tmp_path, asked, models, flags=flags, not_scored={"lua": _EVIL[0]})
    again = _write(tmp_path, asked, models, flags=flags, not_scored={"lua": _EVIL[0]})
    assert again == page, "equal inputs give equal bytes"
    assert _embedded(page) == page_data(asked, models, flags, {})
    for number, text in enumerate(_EVIL):
        answer = _embedded(page)["problems"][number]["answers"][1]
        shown = answer["samples"][0]
        assert (shown["completion"], shown["said"], shown["output"]) == (text, f"Here: {text}", text)


def test_the_page_runs_its_own_script_alone_loads_nothing_and_writes_only_text(tmp_path: Path):
    page = _write(tmp_path, _ASKED, [answers("mine", _ASKED, ["pass"], "p" * 10)])
    tame, evil = Page(page), Page(_write(tmp_path, _ASKED, [answers("mine", _ASKED, _EVIL, "p" * 10)]))
    assert evil.tags == tame.tags, "markup in completions makes no element"
    assert len(evil.scripts) == 2
    assert evil.scripts[1] == tame.scripts[1]
    (_, script) = tame.scripts[1]
    assert_loads_nothing(page)
    assert re.findall(r"\b(?:src|href)\s*=|https?://", page) == []
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(", "fetch"):
        assert unsafe not in script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy


def test_answers_without_result_and_problems_without_answer_are_shown_as_such(tmp_path: Path):
    whole = answers("mine", _ASKED, ["pass"], "p" * 10)
    part = ModelAnswers("mine", whole.samples[:6], whole.results[:5])
    page = _write(tmp_path, _ASKED, [part], not_scored={"go": "no toolchain <b>"}, notes=["not known: <b>starter</b>"])
    assert "not known: &lt;b&gt;starter&lt;/b&gt;" in page
    scored, unscored, unanswered = (_embedded(page)["problems"][index]["answers"][0] for index in (4, 5, 6))
    assert (scored["samples"][0]["outcome"], scored["samples"][0]["output"]) == ("passed", "")
    assert (unscored["outcomes"], unscored["samples"][0]["outcome"]) == ({}, "")
    assert unanswered == {"num_samples": 0, "outcomes": {}, "samples": []}
    assert "Go is not scored: no toolchain &lt;b&gt;" in page
