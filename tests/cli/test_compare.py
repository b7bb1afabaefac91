"""`compare` on the command line: recipes as methods, and what it refuses."""

import re

import pytest

from multipl_moe.cli.options import recipe_from_flags
from tests.cli.conftest import SHORT, SMALL
from tests.fixtures import interrupt
from tests.upcycle.conftest import names_in

from .test_interrupts import terminate


def _write_recipe(file, base, sources, **more) -> None:
    values = {"base": str(base), "learn": "rust", "keep": "python"}
    values |= {"corpus.sources": [{"kind": "folder", "path": str(sources)}], "programs.languages": "python"}
    values |= {"programs.problems_per_language": 1, "codegen.max_new_tokens": 4}
    values |= {"eval.bootstrap_samples": 100, "eval.moved_share": 0.02}
    settings = [flag for flag in (*SMALL, *SHORT) if "=" in flag]
    file.write_text(recipe_from_flags(None, settings, values | more).to_yaml())


def test_recipes_are_compared_at_equal_tokens(run, base, sources, tmp_path, bubblewrap):
    _write_recipe(tmp_path / "hybrid.yaml", base, sources)
    _write_recipe(tmp_path / "dense.yaml", base, sources, **{"train.method": "dense"})
    outcome = run("compare", "out", "hybrid.yaml", "dense.yaml", "--tokens", "128")
    page = (tmp_path / "out" / "comparison.md").read_text()
    rated = {tuple(found) for found in re.findall(r"^\| (\w+) \|.*\| (0\.000\d) \|", page, re.MULTILINE)}
    assert rated == {("hybrid", "0.0005"), ("dense", "0.0003")}
    assert "Python (of 1)" in page
    assert "comparison.html" in outcome.out
    for folder in (tmp_path / "out" / "base", *(tmp_path / "out" / "runs").iterdir()):
        assert {"problems.html", "programs.png"} <= set(names_in(folder / "programs"))


@pytest.mark.extended
def test_a_comparison_that_is_stopped_while_scoring_goes_on(run, base, sources, tmp_path, monkeypatch, bubblewrap):
    _write_recipe(tmp_path / "dense.yaml", base, sources, **{"train.method": "dense"})
    command = ("compare", "out", "dense.yaml", "--tokens", "128")
    for place, signalled, code in (("session.score_folder", interrupt, 130), ("run.score_languages", terminate, 75)):
        with monkeypatch.context() as patch:
            patch.setattr(f"multipl_moe.compare.{place}", signalled)
            outcome = run(*command, code=code)
        assert "the same command goes on where it stopped" in outcome.err
        assert not (tmp_path / "out" / "comparison.json").exists()
    run(*command)
    assert (tmp_path / "out" / "comparison.md").is_file()


def test_what_cannot_be_compared_is_refused(refused, base, sources, tmp_path):
    _write_recipe(tmp_path / "a.yaml", base, sources)
    _write_recipe(tmp_path / "b.yaml", base, sources, seed=1, keep="english")
    assert "--tokens: needed for recipes" in refused("compare", "out", "a.yaml", "b.yaml")
    problems = refused("compare", "out", "a.yaml", "b.yaml", "--tokens", "128", num_problems=2)
    assert "methods.b: seed must be the same as in a" in problems
    assert "methods.b: keep must be the same as in a" in problems
    assert "to compare recipes give --tokens" in refused("compare", "out", "a.yaml")
    _write_recipe(tmp_path / "four.yaml", base, sources, **{"train.quantise": "nf4"})
    routed = refused("compare", "out", "a.yaml", "four.yaml", "--tokens", "128")
    assert "train.quantise: goes with one expert a layer behind a gate alone" in routed
