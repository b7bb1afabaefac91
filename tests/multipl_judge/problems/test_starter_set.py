"""The starter set: files cut into problems, the same in all languages; solutions pass and broken ones do not."""

import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

import multipl_judge.problems
from multipl_judge.errors import ConfigError
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import broken_reference, program_of
from multipl_judge.problems.forms import tests_run as count_cases
from multipl_judge.problems.problem import Problem, cut_at_stop
from multipl_judge.problems.starter_set import read_starter

_FOLDER = Path(multipl_judge.problems.__file__).parent / "starter"
_LANGUAGES = ("cpp", "go", "java", "python", "ruby", "rust")
GOOD = "fn f(n: i64) -> i64 {\n// --- solution\n    n\n}\n"


@pytest.fixture(scope="module")
def problems() -> dict[str, list[Problem]]:
    by_language = defaultdict(list)
    for problem in read_starter():
        by_language[problem.language].append(problem)
    return by_language


def test_every_file_is_read_and_all_languages_hold_the_same_problems(problems):
    names = {language: [problem.id for problem in problems[language]] for language in _LANGUAGES}
    assert sorted(problems) == list(_LANGUAGES)
    assert all(found == names["python"] for found in names.values())
    assert len(names["python"]) >= 25
    assert names["python"] == (_FOLDER / "order.txt").read_text().split()
    files = [path for path in _FOLDER.glob("*/*") if "__pycache__" not in path.parts]
    assert len(files) == sum(map(len, problems.values()))


def test_each_has_four_cases_or_more_that_are_the_same_in_all_languages(problems):
    tests = {language: {problem.id: problem.tests for problem in problems[language]} for language in _LANGUAGES}
    assert min(count_cases(problem) for problem in problems["python"]) >= 4
    assert all(found == tests["python"] for found in tests.values())


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
def test_solutions_pass_and_a_broken_one_fails(problems, language, bubblewrap, toolbox):
    last = problems[language][-1]
    posed = {problem.id: (problem, problem.reference or "") for problem in problems[language]}
    posed["broken"] = last, broken_reference(last) or ""
    tasks = [Task(key, lambda one=one: program_of(*one, Nonce.draw())) for key, one in posed.items()]
    judged: dict[str, Judgement] = {}
    judge_all(tasks, on_result=lambda task, judgement: judged.update({task.key: judgement}), toolbox=toolbox)
    assert judged.keys() == posed.keys()
    assert judged.pop("broken").outcome in (Outcome.runtime_error, Outcome.wrong_answer)
    assert {key: one for key, one in judged.items() if one.outcome != Outcome.passed} == {}


def write(folder, name, text):
    (folder / "rust").mkdir(exist_ok=True)
    (folder / "rust" / name).write_text(text)


def test_all_faulty_files_are_told_at_once(tmp_path):
    write(tmp_path, "a.rs", GOOD.replace("// --- solution\n", ""))
    write(tmp_path, "b.rs", GOOD.replace("i64)", "bool)"))
    write(tmp_path, "c.rs", GOOD)
    write(tmp_path, "d.rs", GOOD.replace("fn f(n: i64) -> i64 {", "/// Nothing."))
    write(tmp_path, "e.rs", GOOD.replace("    n\n", ""))
    (tmp_path / "cases.json").write_text(json.dumps({name: [[[2], 4]] for name in "abde"}))
    with pytest.raises(ConfigError) as error:
        read_starter(folder=tmp_path)
    told = "\n".join(error.value.problems)
    for part in (
        "a.rs: 0 lines read `// --- solution`",
        "b.rs: 2 cannot be written as bool",
        "c.rs: cases.json has no cases of c",
        "d.rs: the prompt holds no signature",
        "e.rs: nothing stands between",
    ):
        assert part in told, told
