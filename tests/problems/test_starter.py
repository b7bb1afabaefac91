"""The starter set: the same problems in all languages, with solutions that pass and tests that reject."""

import os
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import multipl_moe.problems
from multipl_moe.errors import UserError
from multipl_moe.judge.outcome import Judgement, Outcome
from multipl_moe.judge.program import Program
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.judge.scoring import Task, judge_all
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms import broken_reference, program_of
from multipl_moe.problems.problem import Problem
from multipl_moe.problems.starter_set import read_starter

_FOLDER = Path(multipl_moe.problems.__file__).parent / "starter"
_LANGUAGES = ("cpp", "go", "java", "python", "ruby", "rust")
_CHECK = {
    "cpp": r"^    assert\(",
    "go": r"^\t\t\{.+\},$",
    "java": r"^        assert ",
    "python": r"^assert ",
    "ruby": r"^assert_equal\(",
    "rust": r"^    assert(?:_eq)?!\(",
}
_FEW_STEP, _BROKEN_STEP = 8, 8  # every eighth solution is judged in each run of the tests, the others in long ones


@pytest.fixture(scope="module")
def problems() -> dict[str, list[Problem]]:
    by_language = defaultdict(list)
    for problem in read_starter():
        by_language[problem.language].append(problem)
    return by_language


def test_all_languages_hold_the_same_problems(problems):
    names = {language: [problem.id for problem in problems[language]] for language in _LANGUAGES}
    assert sorted(problems) == list(_LANGUAGES)
    assert all(found == names["python"] for found in names.values())
    assert len(names["python"]) >= 25
    order = Path(multipl_moe.problems.__file__).with_name("starter") / "order.txt"
    assert names["python"] == order.read_text().split()


def test_every_file_is_read(problems):
    files = [path for path in _FOLDER.glob("*/*") if "__pycache__" not in path.parts]
    assert len(files) == sum(map(len, problems.values()))


def test_the_same_problem_is_one_cluster(problems):
    clusters = Counter(problem.cluster for found in problems.values() for problem in found)
    assert set(clusters.values()) == {len(_LANGUAGES)}
    assert len(clusters) == len(problems["python"])


@pytest.mark.parametrize("language", _LANGUAGES)
def test_tests_are_as_many_in_each_language_and_at_least_four(problems, language):
    def checks(of: str) -> dict[str, int]:
        return {problem.id: len(re.findall(_CHECK[of], problem.tests, re.MULTILINE)) for problem in problems[of]}

    assert checks(language) == checks("python")
    assert min(checks(language).values()) >= 4


@pytest.mark.parametrize("language", _LANGUAGES)
def test_prompts_are_whole_lines_with_an_example(problems, language):
    for problem in problems[language]:
        name = f"{problem.entry_point}("
        assert problem.prompt.endswith("\n")
        assert problem.prompt.count(name) + problem.prompt.count(name.replace("(", "?(")) >= 2, problem.key


@pytest.mark.parametrize("language", _LANGUAGES)
def test_solutions_end_where_a_completion_is_cut(language, problems):
    frayed = [
        problem.key
        for problem in problems[language]
        if not problem.reference or any(stop in problem.reference for stop in problem.stop)
    ]
    assert frayed == []


def test_the_list_in_the_readme_is_complete(problems):
    page = (_FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:trivial|easy|medium|hard) \| (.*?) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(problem.id for problem in problems["python"])


@pytest.mark.extended
@pytest.mark.parametrize("language", _LANGUAGES)
def test_all_other_solutions_pass(problems, language):
    others = [problem for index, problem in enumerate(problems[language]) if index % _FEW_STEP]
    right = {problem.key: (problem, problem.reference) for problem in others}
    outcomes = dict(_judged(right, _toolbox(language)))
    assert {key: outcomes[key] for key in right if outcomes[key].outcome != Outcome.passed} == {}


@pytest.mark.parametrize("language", _LANGUAGES)
def test_solutions_pass_and_broken_ones_fail(problems, language):
    toolbox = _toolbox(language)
    right = {f"{problem.key} solved": (problem, problem.reference) for problem in problems[language][::_FEW_STEP]}
    broken = {
        f"{problem.key} broken": (problem, broken_reference(problem)) for problem in problems[language][::_BROKEN_STEP]
    }
    outcomes = dict(_judged({**right, **broken}, toolbox))
    assert {key: outcomes[key] for key in right if outcomes[key].outcome != Outcome.passed} == {}
    failed = (Outcome.runtime_error, Outcome.wrong_answer)
    assert {key: outcomes[key] for key in broken if outcomes[key].outcome not in failed} == {}


def _judged(completions: dict[str, tuple[Problem, str | None]], toolbox: Toolbox) -> list[tuple[str, Judgement]]:
    def task(key: str, problem: Problem, completion: str | None) -> Task:
        assert completion is not None

        def make_program() -> Program:
            return program_of(problem, completion, Nonce.draw())

        return Task(key, make_program)

    judged: list[tuple[str, Judgement]] = []
    judge_all(
        [task(key, *completion) for key, completion in completions.items()],
        on_result=lambda task, judgement: judged.append((task.key, judgement)),
        toolbox=toolbox,
    )
    return judged


def _toolbox(language: str) -> Toolbox:
    """Toolchains, that of the language found; where it is missing, the test is skipped, but not in CI."""
    toolbox = Toolbox()
    if not Sandbox.available() and "CI" not in os.environ:
        pytest.skip("bubblewrap is not installed (Debian: apt install bubblewrap)")
    with Sandbox() as sandbox:
        try:
            toolbox.installed(language, sandbox)
        except UserError as missing:
            if "CI" in os.environ:
                raise
            pytest.skip(str(missing))
    return toolbox
