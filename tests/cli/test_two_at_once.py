"""Two commands at once into one output: one of them makes it, the other is told so."""

import subprocess
import sys

import pytest

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.model.gated import GatedBlock
from multipl_moe.recipe.recipe import load_recipe

from .conftest import SHORT, TWO, UNGATED


def _start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "multipl_moe", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_real_processes_never_mix_their_outputs(base, tmp_path):
    layers = ("last:1", "last:2")
    processes = [_start("upcycle", tmp_path / "out", "--base", base, "--layers", each, *UNGATED) for each in layers]
    told = [process.communicate(timeout=300)[1].splitlines() for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 2], told
    (line,) = told[codes.index(2)]
    assert line.startswith("error: output: ")
    assert "is being made by another process" in line or "exists" in line
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    made = layers[codes.index(0)]
    assert load_recipe(tmp_path / "out" / "recipe.yaml").moe.experts.layers == made
    parts = load_hybrid(tmp_path / "out").modules()  # weights fit the configuration
    assert sum(isinstance(part, GatedBlock) for part in parts) == int(made[-1])


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("train {hybrid} {corpus} out", marks=pytest.mark.extended),
        "eval out --reference",
    ],
)
def test_a_run_folder_that_another_process_holds_is_refused(run, hybrid, corpus, tmp_path, monkeypatch, command):
    """What runs first stands still where it trains or judges; the same command beside it is one line."""
    places = {"train": "train.trainer.load_for_training", "eval": "eval.references.check_references"}
    place = places["eval" if command.startswith("eval") else "train"]
    words = command.format(hybrid=hybrid, corpus=corpus).split()
    options = ["--languages", "python"] if words[0] == "eval" else [*TWO, *SHORT]
    seen = []

    def beside(*args, **kwargs):
        process = _start(*words, *options)
        seen.append((process.communicate(timeout=300)[1], process.returncode))
        raise KeyboardInterrupt

    monkeypatch.setattr(f"multipl_moe.{place}", beside)
    assert run(*words, *options).code == 130
    ((told, code),) = seen
    assert (code, told.count("\n")) == (2, 1), told
    assert "out is being made by another process" in told or "out exists" in told
