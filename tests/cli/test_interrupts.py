"""Ctrl-C leaves nothing, or what can be gone on with; of two commands at once into one output one makes it."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import HeldError
from multipl_moe.model.gated import AdaptedLinear
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.system.staging import held_folder
from tests.fixtures import interrupt, tree

from .conftest import SHORT, TWO, UNGATED, Outcome


def terminate(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGTERM)


def assert_interrupted(outcome: Outcome) -> None:
    assert "interrupted" in outcome.err
    assert "Traceback" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("upcycle out --base {base} --set moe.gate.languages=[]", "upcycle.convert.load_hybrid"),
        ("train {hybrid} {corpus} out --learn rust --keep python", "train.trainer.load_for_training"),
        (
            "eval deep/out --metric bpb --model {hybrid} --corpus {corpus} --learn rust --keep python",
            "eval.language_scores.score_languages",
        ),
        ("export {hybrid} out", "export.folder.write_checkpoint"),
    ],
)
def test_ctrl_c_before_there_is_anything_to_go_on_with_leaves_nothing(
    run, base, hybrid, corpus, tmp_path, monkeypatch, command, place
):
    monkeypatch.setattr(f"multipl_moe.{place}", interrupt)
    assert_interrupted(run(*command.format(base=base, hybrid=hybrid, corpus=corpus).split(), code=130))
    assert tree(tmp_path) == {}


def test_ctrl_c_in_corpus_leaves_a_build_to_go_on_with(run, base, sources, tmp_path, monkeypatch):
    command = ("corpus", "out", "--source", sources, "--base", base, "--set", "corpus.executor.workers=1", *TWO)
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.corpus.split.SplitByFile._is_held_out", interrupt)
        outcome = run(*command, code=130)
    assert_interrupted(outcome)
    assert "the same command goes on where it stopped" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    assert "Going on with the build that was stopped" in run(*command).out
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_sigterm_outside_of_the_loop_stops_at_once(run, hybrid, corpus, tmp_path, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.train.trainer.calibrate_routing", terminate)
        outcome = run("train", hybrid, corpus, "out", *TWO, *SHORT, code=75)
    assert "stopped by SIGTERM; the same command with --resume goes on" in outcome.err
    assert signal.getsignal(signal.SIGTERM) is before
    assert {path.name for path in (tmp_path / "out").iterdir()}.isdisjoint({"model", "training.json"})
    assert not list(tmp_path.rglob("*.partial"))
    saved = ["--set", "train.keep_checkpoints=1"]
    run("train", hybrid, corpus, "out", "--resume", *TWO, *SHORT, "--seed", "9", code=2)
    run("train", hybrid, corpus, "out", "--resume", *TWO, *SHORT, *saved)
    assert load_recipe(tmp_path / "out" / "recipe.yaml").train.keep_checkpoints == 1
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


def test_ctrl_c_in_generate_ends_the_text(run, hybrid, monkeypatch):
    monkeypatch.setattr("multipl_moe.generate.text.TextGenerator.generate", interrupt)
    outcome = run("generate", hybrid, "fn main() {", code=130)
    assert_interrupted(outcome)
    assert "the text ends here" in outcome.err


@pytest.mark.extended
def test_two_real_processes_never_mix_their_outputs(base, tmp_path):
    layers = ("last:1", "last:2")
    command = [sys.executable, "-m", "multipl_moe", "upcycle", tmp_path / "out", "--base", base, *UNGATED, "--layers"]
    processes = [subprocess.Popen([*command, each], stderr=subprocess.PIPE, text=True) for each in layers]
    told = [process.communicate(timeout=300)[1].splitlines() for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], told
    (line,) = told[codes.index(2)]
    assert line.startswith("error: output: ")
    assert "is being made by another process" in line or "exists" in line
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    made = layers[codes.index(0)]
    assert load_recipe(tmp_path / "out" / "recipe.yaml").moe.experts.layers == made
    found: Any = load_hybrid(tmp_path / "out").model  # weights fit the configuration
    assert sum(isinstance(layer.mlp.down_proj, AdaptedLinear) for layer in found.layers) == int(made[-1])


def test_a_run_folder_is_held_where_programs_are_judged_and_one_that_is_held_is_refused(
    run, refused, tmp_path, monkeypatch
):
    words, held = ("eval", "out", "--reference", "--languages", "python"), []

    def judge(*args, **kwargs):
        with pytest.raises(HeldError), held_folder(tmp_path / "out"):
            pytest.fail("entered")
        held.append(args)
        raise KeyboardInterrupt

    monkeypatch.setattr("multipl_moe.eval.references.check_references", judge)
    with held_folder(tmp_path / "out"):
        assert "out is being made by another process" in refused(*words, "--resume")
    run(*words, code=130)
    assert len(held) == 1
