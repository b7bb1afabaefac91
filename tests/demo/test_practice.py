"""A demo whose recipe has tasks practises first, and its corpus has what passed."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.demo import practice, steps
from multipl_moe.errors import ConfigError, UserError
from multipl_moe.practice import sampler, shown
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.folder import read_json
from tests.fixtures import interrupt
from tests.practice.made import Answers, LastLine
from tests.train.tiny import tensors, tiny_recipe


@pytest.fixture
def recipe(world, tmp_path):
    tasks, lines = tmp_path / "mine.jsonl", []
    for n in range(6):
        prompt = f'def add{n}(n):\n    """The number plus {n}."""\n'
        tests = f"assert add{n}(2) == {2 + n}\nassert add{n}(-7) == {n - 7}\n"
        lines.append(json.dumps({"id": f"add{n}", "language": "python", "prompt": prompt, "tests": tests}) + "\n")
    tasks.write_text("".join(lines))
    practice = {"tasks": [str(tasks)], "codegen": {"num_samples": 2}}
    tiny = tiny_recipe(world.base, world.sources, practice=practice, corpus={"decontaminate": []})
    return validate_recipe(tiny.to_values() | {"learn": ["python"], "keep": ["english"]})


def answered(monkeypatch: pytest.MonkeyPatch, text_of: Any) -> Answers:
    made = Answers(text_of)
    monkeypatch.setattr(sampler.LocalCompleter, "load", lambda *_: made)
    return made


def start(recipe, output, monkeypatch) -> str:
    """The demo up to where it measures its speed."""
    monkeypatch.setattr(steps, "measure_throughput", interrupt)
    monkeypatch.setattr(steps, "random_hybrid", lambda recipe: None)
    told = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        steps.Demo(recipe, output, None, Console(file=told, width=200)).run()
    return told.getvalue()


def test_answers_that_pass_are_in_the_corpus_beside_its_files(recipe, tmp_path, monkeypatch):
    made = answered(monkeypatch, lambda task, sample: f"    return n + {task.id[3:] if sample else 99}\n")
    told = start(recipe, tmp_path / "out", monkeypatch)
    assert "tasks: 6\n" in told
    assert "6 answers to 6 of 6 tasks are kept" in told
    kept = [json.loads(line) for line in (tmp_path / "out" / "practice" / "kept.jsonl").read_text().splitlines()]
    assert [row["completion"] for row in kept] == [f"    return n + {n}\n" for n in range(6)]
    languages = CorpusManifest.load(tmp_path / "out" / "corpus").languages
    assert set(languages) == {"python", "english", "python.answers"}
    assert len(made.prompts) == 12
    told = start(recipe, tmp_path / "out", monkeypatch)
    assert "practice: done before" in told
    assert len(made.prompts) == 12


def test_a_server_that_the_recipe_names_answers_in_the_place_of_the_base(recipe, tmp_path, monkeypatch):
    asked = {"endpoint": "http://127.0.0.1:9/v1", "endpoint_model": "teacher"}
    found, made = [], Answers(lambda task, sample: f"    return n + {task.id[3:]}\n")
    monkeypatch.setattr(sampler, "EndpointCompleter", lambda *names, **_: found.append(names) or made)
    assert "6 answers to 6 of 6 tasks" in start(
        recipe.with_settings("practice", **asked), tmp_path / "out", monkeypatch
    )
    assert found == [tuple(asked.values())] * 2, "once before anything long, to be refused"


def test_what_practice_would_refuse_is_refused_before_source_text_is_learnt(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "build_corpus", interrupt)
    recipe = recipe.with_settings("train", tokens=recipe.train.tokens * 2, sequence_tokens=64)
    recipe = recipe.with_settings("practice", source_tokens=recipe.train.tokens)
    for number, (asked, told) in enumerate(
        [
            ({"tasks": [str(tmp_path / "gone.jsonl")]}, "gone.jsonl"),
            ({"model": "nobody"}, "nobody"),
            ({"chat": True}, "no chat template"),
            ({"tasks": [], "source_tokens": 0, "chat": True}, "there are no tasks"),
        ]
    ):
        asking, quiet = recipe.with_settings("practice", **asked), Console(file=io.StringIO())
        demo = steps.Demo(asking, tmp_path / str(number), None, quiet)
        with pytest.raises(UserError, match=told):
            demo.run()


def test_source_text_comes_first_where_it_is_asked_for(recipe, tmp_path, monkeypatch):
    recipe = recipe.with_settings("practice", source_tokens=recipe.train.tokens * 2)
    recipe = recipe.with_settings("train", tokens=recipe.train.tokens * 2, sequence_tokens=64)
    recipe = recipe.with_settings("eval", moved_share=0.0)
    loaded, made = [], Answers(lambda task, sample: f"    return n + {task.id[3:]}\n")
    load = SimpleNamespace(load=lambda spec, *_: loaded.append(spec) or made)
    monkeypatch.setattr(sampler, "LocalCompleter", load)
    monkeypatch.setattr(steps, "measure_throughput", lambda *given: 1e5)
    learnt_first = practice.source_recipe(recipe)
    assert (learnt_first.train.learning_rate, learnt_first.train.answers) == ("auto", 1.0)
    found = learnt_first.with_settings("train", learning_rate=1e-3)  # as if in trials, which take long
    monkeypatch.setattr(practice, "source_recipe", lambda recipe: found)
    folder, told, begun = tmp_path / "out", io.StringIO(), []
    train = steps.train_in_held_folder

    def training(recipe: Any, start: Any, *given: Any, **hooks: Any) -> Any:
        begun.append(str(start.relative_to(folder)))
        if len(begun) == 1:
            raise KeyboardInterrupt
        return train(recipe, start, *given, **hooks)

    monkeypatch.setattr(steps, "train_in_held_folder", training)
    demo = steps.Demo(recipe, folder, None, Console(file=told, width=200))
    with pytest.raises(KeyboardInterrupt):
        demo.run()
    demo.run()
    assert begun == ["source/hybrid", "source/hybrid", "source/model"]
    assert "before practice it learns source text, 12 steps of 256 tokens: " in told.getvalue()
    record = read_json(folder / "training.json")
    assert {"python", "python.answers"} <= set(record["licences"])
    assert record["tokens_before"] == record["tokens"] == recipe.train.tokens == recipe.practice.source_tokens
    assert loaded == [str(folder / "source/model")]
    assert set(CorpusManifest.load(folder / "source/corpus").languages) == {"python", "english"}
    assert "python.answers" in CorpusManifest.load(folder / "corpus").languages
    learnt, more = tensors(folder / "source/model"), tensors(folder / "model")
    trained = {name for name in tensors(folder / "source/hybrid") if not learnt[name].equal(more[name])}
    assert trained
    assert not (folder / "hybrid").exists()
    page = (folder / "report.html").read_text()
    assert "What it practised" in page
    assert "6 answers kept, to 6 tasks" in page


def test_too_low_a_yield_ends_the_demo_and_it_goes_on_if_less_is_asked_for(recipe, tmp_path, monkeypatch):
    made = answered(monkeypatch, lambda task, sample: f"    return n + {task.id[3:] if task.id < 'add2' else 99}\n")
    monkeypatch.setattr(shown, "MinuteLines", LastLine)
    recipe, told = recipe.with_settings("practice", min_yield=0.5), io.StringIO()
    with pytest.raises(ConfigError, match=r"practice: 33.3% of the answers pass, too few.*practice.min_yield=0"):
        steps.Demo(recipe, tmp_path / "out", None, Console(file=told, width=200)).run()
    assert "at most 12 answers to 6 tasks" in told.getvalue()
    assert "round 1: 4 of 12 pass (33.3%), 2 of 6 tasks: 1 minute so far" in told.getvalue()
    told = start(recipe.with_settings("practice", min_yield=0.0), tmp_path / "out", monkeypatch)
    assert "2 answers to 2 of 6 tasks are kept" in told
    assert len(made.prompts) == 12


def test_minutes_cannot_bound_practice_and_one_that_keeps_nothing_ends_the_demo(recipe, tmp_path, monkeypatch):
    answered(monkeypatch, lambda task, sample: "    return 99\n")
    for minutes, told in (
        (10, r"--minutes: .*practice\.max_tasks"),
        (None, r"practice: no answer is kept; .*easier tasks"),
    ):
        with pytest.raises(ConfigError, match=told):
            steps.Demo(recipe, tmp_path / "out", minutes, Console(file=io.StringIO())).run()
