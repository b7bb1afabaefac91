"""A demo whose recipe has tasks practises first, and its corpus has what passed."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.demo import practice, steps
from multipl_moe.demo.recipe import DEMO_RECIPE, without_missing_languages
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import load_recipe, validate_recipe
from tests.fixtures import interrupt
from tests.practice.made import Answers
from tests.train.tiny import tiny_recipe


@pytest.fixture
def recipe(world, tmp_path):
    tasks = tmp_path / "mine.jsonl"
    rows = [
        {
            "id": f"add{n}",
            "language": "python",
            "prompt": f'def add{n}(n):\n    """The number plus {n}."""\n',
            "tests": f"assert add{n}(2) == {2 + n}\nassert add{n}(-7) == {n - 7}\n",
        }
        for n in range(6)
    ]
    tasks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = tiny_recipe(
        world.base,
        world.sources,
        practice={"tasks": [str(tasks)], "codegen": {"num_samples": 2}},
        corpus={"decontaminate": []},
    ).to_values()
    return validate_recipe(values | {"learn": ["python"], "keep": ["english"]})


def answered(monkeypatch: pytest.MonkeyPatch, text_of: Any) -> Answers:
    made = Answers(text_of)
    monkeypatch.setattr(practice.LocalCompleter, "load", lambda spec, settings: made)
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
    assert "6 answers to 6 of 6 tasks are kept" in told
    kept = [json.loads(line) for line in (tmp_path / "out" / "practice" / "kept.jsonl").read_text().splitlines()]
    assert [row["completion"] for row in kept] == [f"    return n + {n}\n" for n in range(6)]
    languages = CorpusManifest.load(tmp_path / "out" / "corpus").languages
    assert set(languages) == {"python", "english", "python.answers"}
    assert len(made.prompts) == 12
    told = start(recipe, tmp_path / "out", monkeypatch)
    assert "practice: done before" in told
    assert len(made.prompts) == 12


def test_a_practice_that_keeps_nothing_ends_the_demo_and_says_what_to_do(recipe, tmp_path, monkeypatch):
    answered(monkeypatch, lambda task, sample: "    return 99\n")
    with pytest.raises(ConfigError, match=r"practice: no answer is kept; .*easier tasks"):
        steps.Demo(recipe, tmp_path / "out", None, Console(file=io.StringIO())).run()


def test_languages_to_learn_without_sources_stay_where_there_are_tasks():
    settings = {**DEMO_RECIPE, "programs.languages": None, "keep": [], "learn": ["lua"]}
    with_tasks = load_recipe(None, settings | {"practice.tasks": ["multipl-e-mbpp"]})
    assert without_missing_languages(with_tasks, Console(file=io.StringIO())).learn == ["lua"]
