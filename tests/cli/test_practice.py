"""`practice`: what it says, its exit codes, what it refuses."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.practice import sampler, shown, tasks
from multipl_moe.practice.judging import Judge
from tests.practice.made import RIGHT, WRONG, Answers, LastLine, read_by_eye, untried

ROW = {"language": "ruby", "prompt": "def f(n)\n", "tests": "assert_equal(4, f(2))\n"}
WAYS = ["--learn", "ruby", "--tasks", "own.jsonl", "--set", "corpus.decontaminate=none"]


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Own tasks, and a model that answers as `world.answer` says."""
    found = SimpleNamespace(answer=lambda problem, sample: RIGHT.format(n=sample, m=2))
    monkeypatch.setattr(Judge, "_judged", read_by_eye)
    monkeypatch.setattr(tasks, "prepare_eval_set", untried)
    monkeypatch.setattr(LocalCompleter, "load", lambda *_: Answers(found.answer))
    for name in ("resolve_base", "load_tokenizer", "asked_by_chat"):
        monkeypatch.setattr(sampler, name, lambda *_: None)
    (tmp_path / "own.jsonl").write_text("".join(json.dumps({"id": name} | ROW) + "\n" for name in "abc"))
    return found


def test_what_passes_is_kept_and_told(run, world, tmp_path, monkeypatch):
    monkeypatch.setattr(shown, "MinuteLines", LastLine)
    words = run("practice", "out", "--model", "m", *WAYS, "--trial", "2", "--rounds", "2").words
    assert "round 1: 8 of 8 pass (100.0%), 2 of 2 tasks: 1 minute so far" in words
    assert "1 made 8 8 100.0% 100.0% 2 of 2" in words
    assert "answers kept, to" in words
    assert (tmp_path / "out" / "kept.jsonl").read_text().count('"verdict": "passed"') >= 2
    assert json.loads((tmp_path / "out" / "practice.json").read_text())["tasks"] == 2
    run("practice", "out", "--model", "m", *WAYS, "--trial", "2", "--rounds", "2")


def test_a_model_that_is_not_there_is_refused_before_tasks_are_tried(run, tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "prepare_eval_set", lambda *_: pytest.fail("tried"))
    (tmp_path / "own.jsonl").write_text(json.dumps({"id": "a"} | ROW) + "\n")
    assert "nowhere is neither a folder" in run("practice", "out", "--model", "nowhere", *WAYS, code=2).err


@pytest.mark.parametrize("asked", [["--model", "m"], ["--endpoint", "http://x/v1", "--endpoint-model", "m"]])
def test_of_a_chat_answer_what_goes_on_from_the_task_is_kept(run, world, tmp_path, monkeypatch, asked):
    helped = set()

    def answers(_name, _settings, extract: Any, **_):
        def text_of(problem, sample):
            before, begins, name = problem.prompt.rpartition("-- Twice n.\n")
            helped.add("Another task" in before)
            task = replace(problem, prompt=begins + name)
            above = "" if sample else "local g = 1\n"
            code = f"{above}{task.prompt}    return {sample} * n + 2\nend\n"
            return extract(task, f"Here:\n```lua\n{code}```\nIt is done.")

        return Answers(text_of)

    monkeypatch.setattr(sampler, "EndpointCompleter", answers)
    monkeypatch.setattr(LocalCompleter, "load", answers)
    row = {"language": "lua", "reference": "    return 2 * n\nend\n"}
    rows = [
        row | {"id": f, "prompt": f"-- Twice n.\nfunction {f}(n)\n", "tests": f"assert({f}(2) == 4)\n"} for f in "abc"
    ]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lua = ["--chat", "--learn", "lua", *WAYS[2:]]
    for name, examples in (("plain", []), ("shown", ["--set", "practice.examples=2"])):
        run("practice", name, *asked, *lua, *examples)
        kept = [json.loads(line) for line in (tmp_path / name / "kept.jsonl").read_text().splitlines()]
        assert {row["completion"] for row in kept} == {f"    return {n} * n + 2\nend\n" for n in (1, 2, 3)}
    assert helped == {False, True}


@pytest.mark.parametrize("server_is_in", ["the recipe", "flags"])
def test_flags_say_who_answers_whatever_a_recipe_says(run, world, tmp_path, monkeypatch, server_is_in):
    answers = Answers(lambda problem, sample: RIGHT.format(n=sample, m=2))
    asked = []
    monkeypatch.setattr(sampler, "EndpointCompleter", lambda *_, **__: asked.append("server") or answers)
    monkeypatch.setattr(LocalCompleter, "load", lambda *_: asked.append("model") or answers)
    server = {"endpoint": "http://x/v1", "endpoint_model": "m"}
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps({"practice": server if server_is_in == "the recipe" else {"model": "teacher"}}))
    flags = ["--model", "m"]
    if server_is_in == "flags":
        flags = ["--endpoint", server["endpoint"], "--endpoint-model", server["endpoint_model"]]
    run("practice", "out", "--recipe", str(file), *flags, *WAYS)
    run("practice", "more", "--recipe", str(file), *WAYS)
    # A server's client is made once to see whether it can be, and once to answer
    assert asked == (["server", "server", "model"] if server_is_in == "flags" else ["model", "server", "server"])


def test_too_little_is_told_and_ends_with_1(run, world):
    world.answer = lambda problem, sample: WRONG.format(m=1)
    told = run("practice", "out", "--model", "m", *WAYS, code=1).words
    assert "Too little passes: let the model learn source text of the language first (practice.source_tokens" in told
