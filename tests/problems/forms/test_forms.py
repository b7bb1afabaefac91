"""Every form in every language: right passes, wrong fails, leaving early and success words do not help."""

import pytest

from multipl_moe.judge.outcome import Outcome
from multipl_moe.judge.program import Seal
from multipl_moe.problems.forms import FORMS, broken_reference, program_of
from tests.problems.samples import sample

FORM_LANGUAGES = [
    "human_eval-python",
    "mbpp-python",
    *(f"multipl_e-{language}" for language in ("cpp", "java", "go", "rust", "ruby")),
    *(f"humaneval_x-{language}" for language in ("python", "cpp", "java", "go", "rust")),
    *(f"mbxp-{language}" for language in ("python", "cpp", "java", "go", "ruby")),
    *(f"starter-{language}" for language in ("python", "cpp", "java", "go", "rust", "ruby")),
]
# Their prompts import nothing that can end a program, and a completion cannot import.
NO_EXIT = ("multipl_e-go", "mbxp-go")


def test_every_form_has_a_sample(samples):
    assert sorted(samples) == sorted(FORM_LANGUAGES)
    assert {name.split("-")[0] for name in samples} == set(FORMS)


@pytest.mark.parametrize("name", FORM_LANGUAGES)
def test_a_right_completion_passes(name, samples, judged):
    problem = samples[name]
    judgement = judged(problem, sample(problem).right)
    assert judgement.outcome == Outcome.passed, judgement.output


@pytest.mark.parametrize("name", FORM_LANGUAGES)
def test_a_wrong_completion_fails_a_test(name, samples, judged):
    problem = samples[name]
    judgement = judged(problem, sample(problem).wrong)
    expected = {Outcome.wrong_answer}
    if problem.form == "mbxp":
        # Its tests throw exceptions, which the program may have thrown.
        expected.add(Outcome.runtime_error)
    assert judgement.outcome in expected, judgement.output


@pytest.mark.parametrize("name", [name for name in FORM_LANGUAGES if name not in NO_EXIT])
def test_leaving_with_success_words_before_the_tests_is_not_a_pass(name, samples, judged):
    problem = samples[name]
    judgement = judged(problem, sample(problem).forged)
    assert judgement.outcome == Outcome.tests_not_completed, judgement.output


@pytest.mark.parametrize("name", FORM_LANGUAGES)
def test_the_text_of_the_seal_does_not_stand_in_the_program(name, samples):
    problem = samples[name]
    seal = Seal.draw()
    source = program_of(problem, sample(problem).right, seal).source
    assert seal.text not in source
    assert str(seal.first ^ seal.second) not in source


@pytest.mark.parametrize("name", ["humaneval_x-rust", "humaneval_x-go", "mbxp-java", "starter-cpp"])
def test_a_reference_with_a_broken_body_compiles_and_fails(name, samples, judged):
    problem = samples[name]
    if problem.reference is None:
        problem = type(problem)(**{**vars(problem), "reference": sample(problem).right})
    broken = broken_reference(problem)
    assert broken is not None
    assert judged(problem, broken).outcome == Outcome.runtime_error


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("human_eval-python", "    class Lie:\n        __eq__ = lambda self, other: True\n    return Lie()"),
        ("mbpp-python", "class Lie:\n    def __eq__(self, other): return True\ndef twice(n):\n    return Lie()"),
        (
            "starter-python",
            "    class Lie(int):\n        def __eq__(self, other): return True\n    return Lie(7)",
        ),
        ("multipl_e-cpp", "    return n;\n}\n#undef assert\n#define assert(x)\nint other() { return 0;"),
        (
            "starter-cpp",
            "    return n;\n}\n#define assert(x)\n#define __assert_fail(...)\nint other() {\n    return 0;",
        ),
        ("starter-rust", "    n\n}\nmacro_rules! assert_eq { ($($t:tt)*) => {{}} }\nfn other() {"),
        ("starter-ruby", "  2 * n\nend\nclass Float\n  def ==(other) = true\nend\ndef other"),
        (
            "multipl_e-ruby",
            "  n\nend\nrequire 'test/unit'\nmodule Test::Unit::Assertions\n  def assert_equal(*all) = nil\nend",
        ),
    ],
)
def test_testing_that_no_longer_bites_is_not_a_pass(name, lie, samples, judged):
    judgement = judged(samples[name], lie)
    assert judgement.outcome in (Outcome.tests_not_completed, Outcome.wrong_answer), judgement.output


def test_a_tuple_with_names_is_not_a_lie(samples, judged):
    problem = samples["starter-python"]
    named = type(problem)(**{**vars(problem), "tests": "assert twice(2) == (2, 2)\n"})
    body = "    from collections import namedtuple\n    return namedtuple('Pair', 'a b')(n, n)"
    assert judged(named, body).outcome == Outcome.passed


def test_output_that_has_no_newline_does_not_spoil_the_seal(samples, judged):
    for name, body in {
        "human_eval-python": "    print('x', end='')\n    return 2 * n",
        "multipl_e-rust": '    print!("x");\n    2 * n',
        "multipl_e-ruby": "  print 'x'\n  2 * n\nend",
    }.items():
        assert judged(samples[name], body).outcome == Outcome.passed
