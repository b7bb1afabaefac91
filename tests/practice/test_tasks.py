"""Tasks are read in the languages to learn, with Python's solutions, without those that are evaluated on."""

import json
from dataclasses import replace

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.practice import tasks
from multipl_moe.practice.tasks import read_tasks
from multipl_moe.recipe.recipe import load_recipe
from tests.practice.made import untried


def write(file, *rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def row(name, language, **fields):
    words = f"Tells {name} of a number, by the rule that is written in the book of {name}, page nine, and no other."
    prompt = f"# {words}\ndef {name}(n)" + (":\n" if language == "python" else "\n")
    return {"id": name, "language": language, "prompt": prompt, "tests": f"assert_equal(4, {name}(2))\n"} | fields


def read(*specs, learn=("ruby",), **values):
    chosen = {"learn": list(learn), "keep": [], "practice.tasks": list(specs), "corpus.decontaminate": ["humaneval"]}
    return read_tasks(load_recipe(None, chosen | values), EvalOptions())


@pytest.fixture(autouse=True)
def _toolchains_untried(monkeypatch):
    monkeypatch.setattr(tasks, "prepare_eval_set", untried)


def test_python_references_are_the_solutions_of_their_cluster(tmp_path):
    python = row("gain", "python", reference="    return n * n", tests="assert gain(2) == 4\n", cluster="gain")
    own = write(tmp_path / "own.jsonl", row("gain", "ruby", cluster="gain"), row("loss", "ruby"), python)
    found = read(own)
    assert list(found.tasks) == ["own/ruby/gain", "own/ruby/loss"]
    assert found.solutions == {"own/ruby/gain": python["prompt"] + python["reference"]}


def test_what_is_evaluated_on_or_cannot_be_judged_is_left_out_by_reason(tmp_path):
    held = write(tmp_path / "held.jsonl", row("gain", "ruby"))
    rows = row("gain", "ruby"), row("loss", "ruby"), row("no", "ruby", tests="# none\n"), row("one", "perl")
    own = write(tmp_path / "own.jsonl", *rows, row("bad", "ruby", tests="assert_equal(~1, bad(2))\n"))
    found = read(own, learn=("ruby", "perl"), **{"programs.benchmarks": [held]})
    assert list(found.tasks) == ["own/ruby/loss"]
    reasons = {"problem of held": 1, "tests do not compile": 1, "cannot be judged here": 1, "without tests": 1}
    assert found.left_out == reasons
    assert found.invalid == {"own/ruby/bad": "unknown operator"}
    told = "problem of held 1, tests do not compile 1, cannot be judged here 1, without tests 1"
    assert replace(found, note="Not checked.").sentence == f"tasks: 1; left out: {told}. Not checked."
    with pytest.raises(ConfigError, match=r"no task in ruby is left \(problem of held 1\)"):
        read(held, **{"programs.benchmarks": [held]})


def test_a_problem_that_is_too_short_for_the_index_is_left_out_too(tmp_path):
    rows = [row(name, "ruby", prompt=f"def {name}(n)\n") for name in ("gain", "loss")]
    held, own = write(tmp_path / "held.jsonl", rows[0]), write(tmp_path / "own.jsonl", *rows)
    found = read(own, **{"programs.benchmarks": [held]})
    assert (list(found.tasks), found.left_out) == (["own/ruby/loss"], {"problem of held": 1})
    unchecked = read(own, **{"programs.benchmarks": [held], "corpus.decontaminate": "none"})
    assert list(unchecked.tasks) == ["own/ruby/gain", "own/ruby/loss"]


def test_a_trial_draws_the_same_tasks_each_time(tmp_path):
    own = write(tmp_path / "own.jsonl", *(row(f"f{number}", "ruby") for number in range(20)))
    first, again, other = (
        read(own, **{"practice.max_tasks": 5, "seed": seed, "practice.codegen.seed": seed}) for seed in (1, 1, 2)
    )
    assert list(first.tasks) == list(again.tasks) != list(other.tasks)
    assert (len(first.tasks), first.digest == again.digest) == (5, True)
    assert list(first.tasks) == [key for key in read(own).tasks if key in first.tasks]


def test_bad_tasks_are_told(tmp_path):
    own = write(tmp_path / "own.jsonl", row("gain", "ruby"))
    (tmp_path / "more").mkdir()
    again = write(tmp_path / "more" / "own.jsonl", row("gain", "ruby"))
    for specs, message in (
        ([], "name the tasks"),
        ([own, again], "comes from two"),
        (["multipl"], "unknown benchmark"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(*specs)
