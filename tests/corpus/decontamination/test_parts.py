"""Which n-grams of a problem count."""

from dataclasses import replace

import numpy as np

from multipl_moe.corpus.decontamination.parts import MIN_NGRAMS, SKETCH_SIZE, parts_of
from multipl_moe.corpus.decontamination.words import text_ngrams
from multipl_moe.problems.problem import Problem


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


def test_no_problems_no_parts():
    assert parts_of([]) == []
