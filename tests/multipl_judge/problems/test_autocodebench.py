from pathlib import Path

import pytest

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems import forms
from multipl_judge.problems.autocodebench import read_autocodebench
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.from_file import import_samples
from tests.multipl_judge.problems.samples import write_rows

# Solution and test code.
ROWS = {
    "python": (
        "def twice(n):\n    return 2 * n\n",
        'def test():\n    assert twice(2) == 4\n\nif __name__ == "__main__":\n    test()\n',
    ),
    "java": (
        "class Doubler {\n    int twice(int n) {\n        return 2 * n;\n    }\n}\n",
        "import org.junit.jupiter.api.Test;\nimport static org.junit.jupiter.api.Assertions.*;\n\n"
        "class TestDoubler {\n    @Test\n    public void test() {\n"
        "        assertEquals(4, new Doubler().twice(2));\n    }\n}\n",
    ),
    "cpp": (
        "#include <cassert>\n\nint twice(int n) {\n    return 2 * n;\n}\n",
        "#include <cassert>\n\nvoid test() {\n    assert(twice(2) == 4);\n}\n\nint main() {\n    test();\n"
        "    return 0;\n}\n",
    ),
    "rust": (
        "fn twice(n: i32) -> i32 {\n    2 * n\n}\n",
        "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_twice() {\n"
        "        assert_eq!(twice(2), 4);\n    }\n}\n",
    ),
    "go": (
        "package main\n\nfunc twice(n int) int {\n\treturn 2 * n\n}\n",
        'package main\n\nimport "testing"\n\nfunc TestTwice(t *testing.T) {\n\tif twice(2) != 4 {\n'
        '\t\tt.Fatal("twice")\n\t}\n}\n',
    ),
    "ruby": (
        "def twice(n)\n  2 * n\nend\n",
        "require 'test/unit'\n\nclass TestTwice < Test::Unit::TestCase\n  def test_twice\n"
        "    assert_equal(4, twice(2))\n  end\nend\n",
    ),
}
# Tests of two languages also come as plain programs.
PLAIN = {
    "ruby": "def test\n  raise 'wrong' unless twice(2) == 4\nend\n\ntest\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n'
    "\tif twice(2) != 4 {\n\t\tpanic(fmt.Sprint(twice(2)))\n\t}\n}\n",
}
QUESTION = "Double a number.\n\nNegative ones too."


def row(language: str, tests: str | None = None) -> dict[str, str]:
    solution, full = ROWS[language]
    named = {"question": QUESTION, "language": language, "difficulty": "hard"}
    return {**named, "canonical_solution": solution, "full_test_func": tests or full}


def posed(folder: Path, *rows: dict[str, str]) -> list[Problem]:
    return read_autocodebench(write_rows(folder / "acb.jsonl", list(rows)))


@pytest.mark.parametrize(("language", "tests"), [*((name, None) for name in ROWS), *PLAIN.items()])
def test_its_solution_passes_and_a_spoilt_one_fails(language, tests, tmp_path, judged):
    (problem,) = posed(tmp_path, row(language, tests))
    assert problem.reference is not None
    assert forms.tests_run(problem) > 0
    judgement = judged(problem, problem.reference)
    assert judgement.outcome == Outcome.passed, judgement.output
    judgement = judged(problem, problem.reference.replace("2 * n", "3 * n"))
    assert judgement.outcome == (Outcome.runtime_error if tests else Outcome.wrong_answer), judgement.output


def test_a_solution_that_replaces_what_runs_the_tests_does_not_pass(tmp_path, judged):
    (problem,) = posed(tmp_path, row("python"))
    assert problem.reference is not None
    trick = "import builtins\nbuiltins.exec = builtins.compile = lambda *values, **named: builtins.eval('None')\n"
    wrong = problem.reference.replace("2 * n", "3 * n") + trick
    assert judged(problem, wrong).outcome == Outcome.wrong_answer
    assert judged(problem, problem.reference + trick).outcome == Outcome.passed


def test_languages_that_are_not_judged_are_passed_over(tmp_path: Path):
    problems = posed(tmp_path, row("python"), {**row("ruby"), "language": "csharp"}, row("rust"))
    assert [problem.language for problem in problems] == ["python", "rust"]
    assert problems[0].cluster == problems[1].cluster
    assert problems[0].prompt == "# Double a number.\n#\n# Negative ones too.\n\n"


def test_answers_are_named_by_their_questions(tmp_path: Path):
    problems = posed(tmp_path, row("python"), row("rust"))
    answers = [{**row(p.language), "output": f"```{p.language}\n{ROWS[p.language][0]}```"} for p in problems]
    samples = import_samples(problems, write_rows(tmp_path / "model_output.jsonl", answers), tmp_path / "run")
    assert [sample.text for sample in samples.values()] == [ROWS[p.language][0] for p in problems]
