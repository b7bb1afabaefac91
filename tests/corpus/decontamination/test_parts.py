"""Which n-grams of a problem count."""

import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.corpus.decontamination.parts import (
    MIN_NGRAMS,
    SKETCH_SIZE,
    load_parts,
    parts_of,
    save_parts,
)
from multipl_moe.corpus.decontamination.words import text_ngrams


def words(name: str, count: int) -> str:
    return " ".join(f"{name}{number}" for number in range(count))


def problem(number: int, prompt: str, tests: str = "pass", **values) -> Problem:
    values = {"language": "python", "form": "starter", "stop": (), "cluster": f"set/{number}"} | values
    return Problem("set", str(number), prompt=prompt, tests=tests, **values)


def test_a_sketch_is_the_least_hashes_of_the_parts_ngrams():
    (part,) = parts_of([problem(1, words("a", 90))])
    assert (part.benchmark, part.problem, part.kind) == ("set", "1", "prompt")
    assert part.sketch.tolist() == sorted(text_ngrams(words("a", 90)).tolist())[:SKETCH_SIZE]


def test_what_many_problems_share_does_not_count():
    boilerplate = words("import", 60)
    alone = [problem(number, words(f"own{number}x", 30)) for number in range(6)]
    shared = [replace(one, prompt=f"{boilerplate} {one.prompt}") for one in alone]
    telling = {part.problem: set(part.sketch.tolist()) for part in parts_of(shared)}
    common = set(text_ngrams(boilerplate).tolist())
    assert len(telling) == 6
    assert not any(common & sketch for sketch in telling.values())


def test_translations_of_a_problem_are_no_boilerplate():
    languages = ("python", "java", "cpp", "go", "rust")
    prompt = words("a", 40)
    parts = parts_of([problem(1, prompt, language=language) for language in languages])
    assert len(parts) == 1, "equal parts are kept once"
    assert np.isin(parts[0].sketch, text_ngrams(prompt)).all()


def test_short_parts_tell_nothing():
    enough = MIN_NGRAMS["prompt"] + 7
    assert not parts_of([problem(1, words("a", enough - 1), reference="    return a + b\n")])
    assert [part.kind for part in parts_of([problem(1, words("a", enough), reference="    return a\n")])] == ["prompt"]


_SCRIPT = Path(__file__).parents[3] / "scripts" / "build_decontamination_index.py"


def comparable(parts):
    return [(part.benchmark, part.problem, part.kind, part.num_ngrams, part.sketch.tolist()) for part in parts]


def test_parts_are_read_back_and_equal_ones_give_equal_bytes(tmp_path):
    parts = parts_of(read_starter(["rust"]))
    for name in ("a.npz", "b.npz"):
        save_parts(tmp_path / name, parts)
    assert comparable(load_parts(tmp_path / "a.npz")) == comparable(parts)
    assert load_parts(tmp_path / "a.npz")[0].sketch.dtype == np.uint32
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.fixture(scope="module")
def shipped_parts() -> Callable:
    return runpy.run_path(str(_SCRIPT))["shipped_parts"]


@pytest.mark.third_party
def test_the_shipped_file_is_what_the_script_makes_of_the_benchmarks(shipped_parts, bench):
    assert comparable(load_parts()) == comparable(shipped_parts(bench)), f"run {_SCRIPT.name} again"


def test_what_is_shipped_of_human_eval_is_what_the_reader_gives_now():
    shipped = [part for part in load_parts() if part.benchmark == "humaneval"]
    assert comparable(shipped) == comparable(parts_of(read_benchmark("humaneval"))), f"run {_SCRIPT.name} again"


def test_the_script_takes_every_problem_of_its_three_benchmarks(shipped_parts, small_bench):
    parts = shipped_parts(small_bench)
    specs = (f"humaneval-x:{small_bench / 'humaneval-x'}", f"multipl-e-humaneval:{small_bench / 'multipl-e'}")
    expected = [part for spec in ("humaneval", *specs) for part in parts_of(read_benchmark(spec))]
    assert comparable(parts) == comparable(expected)
    assert {part.benchmark for part in parts} == {part.benchmark for part in load_parts()}
    assert len({part.benchmark for part in parts}) == 3
