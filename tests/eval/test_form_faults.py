"""Programs, made by hand, that nearly all fail to parse: when the form of answers is at fault, and what is said."""

import pytest

from multipl_moe.codegen.completer import Completion, Finish
from multipl_moe.eval.form_faults import form_faults
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.runs.verdict import FormFault
from tests.eval.judged import problems, results

TWICE = "  return 2 * n\nend\nend\n"  # what a model writes that was trained on answers without their end
SAID = "\x1b[31mfirst line\nstdin:3: syntax Error near 'end'\n"


def faults_of(after: str, text: str, before: str | None = None, finish: Finish = Finish.stop) -> list[FormFault]:
    asked = problems("ruby", len(after))
    judged, settings = results(asked, after), VerdictSettings()
    verdict = (
        build_verdict(asked, judged, settings)
        if before is None
        else judge_against(asked, results(asked, before), judged, settings)
    )
    samples = {(one.key, 0): Completion(text, finish) for one in asked}
    details = {(line["key"], line["sample"]): line | {"output": SAID} for line in judged}
    return form_faults(verdict, asked, samples, details)


def test_an_end_that_comes_twice_is_told_where_the_model_before_ended_well():
    (fault,) = faults_of("w" + "c" * 9, TWICE, before="ppwwwwwwcc")
    assert fault.to_json() == {
        "language": "ruby",
        "benchmark": "starter",
        "samples": 10,
        "not_built": 9,
        "before": {"samples": 10, "not_built": 2},
        "signs": {},
        "key": "starter/ruby/1",
        "sample": 0,
        "error": "stdin:3: syntax Error near 'end'",
        "sentence": fault.sentence,
    }
    told = "Ruby, starter: 9 of 10 programs do not parse or compile (of the model before 2 of 10): the end or the form"
    assert fault.sentence.startswith(told)
    assert all(word in fault.sentence for word in ("end-of-text token", "--chat", "stop strings", fault.error))


@pytest.mark.parametrize(
    ("text", "finish", "sign"),
    [
        ("```ruby\nend\n```", Finish.end, "hold a code fence"),
        (TWICE, Finish.length, "end by length"),
        (" \n", Finish.stop, "hold no code"),
    ],
)
def test_without_a_model_before_answers_must_show_a_sign(text, finish, sign):
    (fault,) = faults_of("c" * 10, text, finish=finish)
    assert (fault.before, fault.signs) == (None, {sign: 10})
    assert f"10 of 10 programs do not parse or compile, 10 {sign}: " in fault.sentence


@pytest.mark.parametrize(
    ("after", "text", "before", "finish"),
    [
        ("c" * 7 + "www", TWICE, "p" * 10, Finish.stop),  # too few fail
        ("c" * 10, TWICE, "c" * 5 + "w" * 5, Finish.stop),  # so did the model before
        ("w" * 10, TWICE, "p" * 10, Finish.stop),  # they parse
        ("c" * 9, TWICE, "p" * 9, Finish.stop),  # too few programs
        ("c" * 10, TWICE, None, Finish.stop),  # no sign
        ("c" * 8 + "ww", "```", None, Finish.end),
        ("c" * 10, "", None, Finish.length),  # prompts that did not fit
    ],
)
def test_else_nothing_is_said(after, text, before, finish):
    assert faults_of(after, text, before, finish) == []


def test_where_output_speaks_of_no_error_its_first_line_is_the_example(monkeypatch):
    monkeypatch.setattr("tests.eval.test_form_faults.SAID", "\n\x1b[31mlua: 3: '<eof>' expected near 'end'\n")
    (fault,) = faults_of("c" * 10, TWICE, before="p" * 10)
    assert fault.error == "[31mlua: 3: '<eof>' expected near 'end'"


def test_nothing_is_said_of_a_language_whose_toolchain_does_not_tell_what_parses(monkeypatch):
    monkeypatch.setattr("multipl_moe.eval.verdict.tells_built", lambda problem: False)
    assert faults_of("c" * 10, TWICE) == []
    assert faults_of("c" * 10, TWICE, before="p" * 10) == []
