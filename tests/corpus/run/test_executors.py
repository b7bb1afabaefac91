"""The corpus is the same whatever runs its tasks; test_resume.py has it of however many at a time."""

import re
import sys

import pytest

from multipl_judge.extras import install_hint
from multipl_moe.corpus import build_corpus, pipeline
from multipl_moe.errors import ConfigError
from tests.corpus.conftest import content, on_executor


@pytest.mark.extended
def test_ray_makes_the_same_corpus(corpus, corpus_recipe, tokenizer_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_SEARCHES_PER_PART", 1)  # each task is a process that imports everything
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else they wait for all other tests
    recipe = on_executor(corpus_recipe, kind="ray", workers=2)
    assert recipe.corpus.near_duplicates
    build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert content(tmp_path / "out") == content(corpus[0])
    assert (tmp_path / "out" / "logs" / "4_buckets" / "completions" / "00000").exists()


def test_ray_that_is_not_installed_is_named(corpus_recipe, tokenizer_folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=re.escape(f"ray is not installed; {install_hint('ray')}")):
        build_corpus(on_executor(corpus_recipe, kind="ray"), tokenizer_folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
