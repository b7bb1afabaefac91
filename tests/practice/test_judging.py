"""Answers are judged in the sandbox, and one that passes is kept up to where its function ends."""

import pytest

from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice.judging import Judge
from multipl_moe.recipe.evaluation import ProgramsSection
from tests.practice.made import read_by_eye, task

RUBY = task(
    "double",
    language="ruby",
    prompt="def double(n)\n",
    tests="class TestDouble < Test::Unit::TestCase\n  def test_it\n    assert_equal(4, double(2))\n  end\nend\n",
    form="multipl_e",
    stop=("\nclass",),
)
OWN_RUBY = task("double", language="ruby", prompt="def double(n)\n", tests="assert_equal(4, double(2))\n", stop=())
PYTHON = task("double")
ANSWERS = [  # what is kept of each; None: it fails
    (RUBY, "  2 * n\nend\n\nputs double(4)", "  2 * n\nend\n"),
    (RUBY, "  twice(n)\nend\n\ndef twice(n)\n  2 * n\nend\n", "  twice(n)\nend\n\ndef twice(n)\n  2 * n\nend\n"),
    (RUBY, "  2 * n\n", None),
    (OWN_RUBY, "  2 * n", "  2 * n\nend\n"),
    (PYTHON, "    return 2 * n\n\nprint(double(1))\n", "    return 2 * n\n"),
    (PYTHON, "    return n\n", None),
]


def test_what_passes_is_kept_whole_and_no_longer_than_its_function(bubblewrap):
    judge = Judge(EvalOptions(), ProgramsSection())
    answers = {("", number, 0): (asked, text) for number, (asked, text, _) in enumerate(ANSWERS)}
    verdicts = judge.verdicts(answers)
    assert [verdict.get("answer") for verdict in verdicts.values()] == [kept for _, _, kept in ANSWERS]
    failing = [verdict for verdict in verdicts.values() if "answer" not in verdict]
    assert {verdict["outcome"] for verdict in failing} == {"compile_error", "wrong_answer"}
    assert all(verdict["output"] for verdict in failing)


@pytest.mark.parametrize(
    ("language", "tests", "closing"),
    [("rust", "}\n\nfn main() {}", "\n}\n"), ("java", "    }\n    public static void main", "\n    }\n}\n")],
)
def test_a_function_that_the_tests_close_is_closed(monkeypatch, language, tests, closing):
    monkeypatch.setattr(Judge, "_judged", read_by_eye)
    asked = task("f", language=language, tests=tests, form="multipl_e")
    judge = Judge(EvalOptions(), ProgramsSection())
    assert judge.verdicts({("", 0, 0): (asked, "    n * 2")})["", 0, 0]["answer"] == "    n * 2" + closing
