import re

import pytest

from multipl_judge.errors import ConfigError
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.benchmarks import BENCHMARKS, is_in_any_of, read_benchmark
from tests.multipl_judge.problems.samples import HUMAN_EVAL, HUMANEVAL_X, MBPP, MULTIPL_E, write_rows


def test_the_names_of_the_table_are_these():
    names = "starter humaneval mbpp mbpp-sanitized multipl-e-humaneval multipl-e-mbpp humaneval-x mbxp"
    assert list(BENCHMARKS) == [*names.split(), "autocodebench", "exercism"]


def test_each_has_problems_in_some_language_that_the_judge_knows():
    assert all(is_in_any_of(name, HARNESSES) for name in BENCHMARKS)
    assert not any(is_in_any_of(name, ["tcl"]) for name in BENCHMARKS)
    assert is_in_any_of("mine", ["tcl"])
    for name in ("starter", "humaneval"):
        posed = {problem.language for problem in read_benchmark(name)}
        assert {language for language in HARNESSES if is_in_any_of(name, [language])} == posed


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("human-eval", "did you mean 'humaneval'"),
        ("humanevil:rows.jsonl", "unknown benchmark 'humanevil:rows.jsonl'; did you mean 'humaneval'"),
        ("exercism", "exercism: a track has to be named, as exercism:PATH"),
        ("starter:x", "write 'starter'"),
        ("humaneval:", "write 'humaneval' or 'humaneval:PATH'"),
        ("humaneval:none.jsonl", "does not exist"),
    ],
)
def test_what_cannot_be_read_is_told_with_a_remedy(spec, message):
    with pytest.raises(ConfigError, match=message):
        read_benchmark(spec)


@pytest.mark.parametrize(
    ("folder", "count"), [("small_bench", 4), pytest.param("bench", 328, marks=pytest.mark.third_party)]
)
def test_only_the_asked_languages_are_read(folder, count, request):
    spec = f"humaneval-x:{request.getfixturevalue(folder) / 'humaneval-x'}"
    problems = read_benchmark(spec, languages={"go", "rust"})
    assert {problem.language for problem in problems} == {"go", "rust"}
    assert len(problems) == count
    with pytest.raises(ConfigError, match="has no problem in ruby"):
        read_benchmark(spec, languages={"ruby"})


def test_a_problem_that_comes_twice_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="humaneval/python/HumanEval/900 more than once"):
        read_benchmark(f"humaneval:{write_rows(tmp_path / 'a.jsonl', [HUMAN_EVAL, HUMAN_EVAL])}")


@pytest.mark.parametrize(
    ("name", "row", "told"),
    [
        ("humaneval", {**HUMAN_EVAL, "test": 5}, "'test' is 5 and no text"),
        ("mbpp", {**MBPP, "test_list": []}, "'test_list' is empty"),
        ("mbpp", {**MBPP, "test_list": [1, 2]}, "'test_list' is [1, 2] and no list of texts"),
        ("mbpp", {**MBPP, "task_id": "a"}, "task_id 'a' is not a number"),
        ("multipl-e-humaneval", {**MULTIPL_E["java"], "name": "HumanEval_9", "prompt": "x"}, "in java holds `^class"),
        ("multipl-e-humaneval", {**MULTIPL_E["cpp"], "name": "HumanEval_9", "tests": "x"}, "in cpp holds `\\n`"),
        ("multipl-e-humaneval", {**MULTIPL_E["cpp"], "name": "HumanEval_9", "stop_tokens": 3}, "'stop_tokens' is 3"),
        ("humaneval-x", {**HUMANEVAL_X["go"], "test_setup": None}, "has no field 'test_setup'"),
        *((name, HUMAN_EVAL, "") for name in ("mbpp", "multipl-e-humaneval", "humaneval-x", "mbxp")),
    ],
)
def test_fields_of_another_kind_and_rows_of_another_benchmark_are_told_with_their_line(name, row, told, tmp_path):
    file = write_rows(tmp_path / "a.jsonl", [row])
    with pytest.raises(ConfigError, match=re.escape(f"{file}, line 1")) as error:
        read_benchmark(f"{name}:{file}")
    assert told in str(error.value)
