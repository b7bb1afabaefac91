"""Which benchmarks a recipe's corpus is checked against."""

import json

import huggingface_hub
import pytest

from multipl_judge.problems import hub as hub_module
from multipl_judge.problems.benchmarks import BENCHMARKS
from multipl_moe.corpus.decontamination import sources
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.decontamination.sources import prepare_decontamination
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import validate_recipe

NEED_THE_HUB = ["mbpp", "mbpp-sanitized", "multipl-e-mbpp", "mbxp", "autocodebench", "exercism"]
OWN = {
    "id": "join",
    "language": "python",
    "prompt": "def join(values):\n    # The even values of a list in descending order, joined by commas and a blank.\n",
    "tests": "assert join([1, 2]) == '2'\n",
}

MBPP_ROW = {
    "task_id": 11,
    "text": "Write a function to remove first and last occurrence of a given character.",
    "code": "def f(s):\n    return s\n",
    "test_list": ["assert f('a') == 'a'"],
}


@pytest.fixture(autouse=True)
def hub(monkeypatch, tmp_path):
    """A hub that answers but gives no file, with an empty cache; gives the list of what was asked of it."""
    asked: list[str] = []

    def unreachable(repository, name, **named):
        asked.append(repository)
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    for module in (sources, hub_module):
        monkeypatch.setattr(module, "hub_answers", lambda: True)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *arguments, **named: None)
    return asked


def prepared(decontaminate=None, benchmarks=None, **recipe):
    values = {"corpus": {"decontaminate": decontaminate or "all"}, "train": {"replay": 0.1}, **recipe}
    if benchmarks:
        values["programs"] = {"benchmarks": benchmarks}
    return prepare_decontamination(validate_recipe(values))


def test_by_default_every_benchmark_is_checked_that_needs_no_hub_and_the_hub_is_not_asked(hub):
    found = prepared()
    assert sorted([*found.checked, *found.unavailable]) == sorted(BENCHMARKS)
    assert sorted(found.unavailable) == sorted(NEED_THE_HUB)
    assert {part.benchmark for part in found.index.parts} == set(found.checked)
    assert found.note is None, "none of them is in use"
    assert hub == []
    counts = {"contaminated/humaneval-x/CPP/3": 2, "contaminated/humaneval/HumanEval/3": 1, "dropped/x/go": 7}
    checks = found.checks(counts)
    assert checks["humaneval"] == BenchmarkCheck("checked", {"HumanEval/3": 1}, 164, 164)
    assert checks["humaneval-x"] == BenchmarkCheck("checked", {"CPP/3": 2}, 820, 820)
    assert checks["multipl-e-humaneval"] == BenchmarkCheck("checked", {}, 161, 161)
    assert checks["starter"] == BenchmarkCheck("checked", {}, 31, 31)
    assert checks["mbpp"] == BenchmarkCheck("unavailable", {})


def test_a_line_tells_only_benchmarks_in_use_in_languages_that_training_reads():
    own = {"own_languages": {"rules": {"extensions": [".rules"]}}, "learn": ["rules"], "keep": ["python"]}
    benchmarks = ["starter", "mbpp", "multipl-e-mbpp"]
    assert prepared(benchmarks=benchmarks, **own, train={"replay": 0.0}).note is None
    note = prepared(benchmarks=benchmarks, **own).note or ""
    assert "mbpp" in note
    assert "multipl-e" not in note


def test_none_checks_nothing():
    found = prepared("none", ["humaneval"])
    assert (found.checked, found.unavailable, found.note, found.checks({})) == ({}, [], None, {})


def test_the_hub_is_tried_for_a_benchmark_that_is_named_and_without_it_the_build_goes_on(hub):
    found = prepared(["mbpp"])
    assert hub == ["google-research-datasets/mbpp"]
    assert (list(found.checked), found.unavailable) == (["starter"], ["mbpp"])


def test_a_hub_that_does_not_answer_is_not_waited_for(hub, monkeypatch):
    monkeypatch.setattr(sources, "hub_answers", lambda: False)
    assert prepared(["mbpp"]).unavailable == ["mbpp"]
    assert hub == []


def test_benchmarks_to_be_evaluated_on_are_checked_too_and_problems_that_could_not_be_looked_for_named(tmp_path):
    own, mbpp = tmp_path / "own.jsonl", tmp_path / "mbpp.jsonl"
    short = {"id": "short", "language": "python", "prompt": "def f(x):\n", "tests": "assert f(1)\n"}
    own.write_text(json.dumps(OWN) + "\n" + json.dumps(short) + "\n")
    mbpp.write_text(json.dumps(MBPP_ROW) + "\n")
    found = prepared(None, [str(own), f"mbpp:{mbpp}"])
    assert "mbpp" not in found.unavailable
    checks = found.checks({})
    assert checks["own"] == BenchmarkCheck("checked", {}, 1, 2, ["short"])
    assert checks["mbpp"] == BenchmarkCheck("checked", {}, 1, 500)  # the copy holds one of them
    text = "# the even values of a list, in descending order, joined by commas and a blank\n"
    assert [match.problem for match in found.index.find(text, "python")] == ["join"]


@pytest.mark.parametrize("spec", ["humanevl", "mbpp:/no/such/file.jsonl", "/no/such/set.jsonl", "starter:here"])
def test_a_name_or_path_that_is_wrong_in_the_recipe_is_refused(spec):
    with pytest.raises(ConfigError, match=r"corpus\.decontaminate: "):
        prepared([spec])
    with pytest.raises(ConfigError, match=r"programs\.benchmarks: "):
        prepared(["starter"], [spec])


def test_a_broken_file_of_own_problems_is_refused_not_left_out(tmp_path):
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps(OWN) + "\n{broken\n")
    with pytest.raises(ConfigError, match=r"programs\.benchmarks: .*own\.jsonl, line 2 is not JSON"):
        prepared(["starter"], [str(own)])
    assert prepared("none", [str(own)]).unavailable == []
