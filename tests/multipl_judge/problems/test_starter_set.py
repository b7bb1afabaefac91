"""The starter set: files cut into problems, the same in all languages; solutions pass and broken ones do not."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

import multipl_judge.problems
from multipl_judge.errors import ConfigError
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import broken_reference, program_of
from multipl_judge.problems.problem import Problem, cut_at_stop
from multipl_judge.problems.starter_set import read_starter

_FOLDER = Path(multipl_judge.problems.__file__).parent / "starter"
_LANGUAGES = ("cpp", "go", "java", "python", "ruby", "rust")
_CHECK = {
    "cpp": r"^    assert\(",
    "go": r"^\t\t\{.+\},$",
    "java": r"^        assert ",
    "python": r"^assert ",
    "ruby": r"^assert_equal\(",
    "rust": r"^    assert(?:_eq)?!\(",
}
_TOOLBOX = Toolbox()
GOOD = "fn f(n: i64) -> i64 {\n// --- solution\n    n\n}\n// --- tests\nfn tests() {}\n"


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
    assert names["python"] == (_FOLDER / "order.txt").read_text().split()


def test_every_file_is_read(problems):
    files = [path for path in _FOLDER.glob("*/*") if "__pycache__" not in path.parts]
    assert len(files) == sum(map(len, problems.values()))


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


def test_solutions_end_where_a_completion_is_cut(problems):
    posed = [problem for found in problems.values() for problem in found]
    assert all(problem.reference for problem in posed)
    assert [problem.key for problem in posed if cut_at_stop(problem.reference, problem.stop) != problem.reference] == []


def test_the_list_in_the_readme_is_complete(problems):
    page = (_FOLDER / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:trivial|easy|medium|hard) \| (.*?) \|", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(problem.id for problem in problems["python"])


@pytest.mark.extended
@pytest.mark.parametrize("language", _LANGUAGES)
def test_solutions_pass_and_broken_ones_fail(problems, language):
    posed = problems[language]
    failed = {Outcome.runtime_error, Outcome.wrong_answer}
    assert _unexpected([(problem, problem.reference) for problem in posed], {Outcome.passed}) == {}
    assert _unexpected([(problem, broken_reference(problem)) for problem in posed[::10]], failed) == {}


def _unexpected(
    completions: Iterable[tuple[Problem, str | None]], expected: Collection[Outcome]
) -> dict[str, Judgement]:
    """Judgements that are not the expected ones."""

    def task(problem: Problem, completion: str | None) -> Task:
        assert completion is not None
        return Task(problem.key, lambda: program_of(problem, completion, Nonce.draw()))

    found: dict[str, Judgement] = {}
    tasks = [task(*posed) for posed in completions]
    judge_all(tasks, on_result=lambda task, judgement: found.update({task.key: judgement}), toolbox=_TOOLBOX)
    assert found
    return {key: judgement for key, judgement in found.items() if judgement.outcome not in expected}


def write(folder, name, text):
    (folder / "rust").mkdir(exist_ok=True)
    (folder / "rust" / name).write_text(text)


def test_all_faulty_files_are_told_at_once(tmp_path):
    write(tmp_path, "a.rs", GOOD.replace("// --- solution\n", ""))
    write(tmp_path, "b.rs", GOOD.replace("// --- tests\n", "// --- tests\n// --- tests\n"))
    write(tmp_path, "c.rs", GOOD.replace("fn tests() {}\n", ""))
    write(tmp_path, "d.rs", GOOD.replace("fn f(n: i64) -> i64 {", "/// Nothing."))
    write(tmp_path, "e.rs", GOOD.replace("    n\n", ""))
    with pytest.raises(ConfigError) as error:
        read_starter(folder=tmp_path)
    told = "\n".join(error.value.problems)
    for part in (
        "a.rs: 0 lines read `// --- solution`",
        "b.rs: 2 lines read `// --- tests`",
        "c.rs: no tests stand after",
        "d.rs: the prompt holds no signature",
        "e.rs: nothing stands between",
    ):
        assert part in told, told
