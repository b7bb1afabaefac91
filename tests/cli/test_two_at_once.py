"""Two commands at once into one output: one of them makes it, the other is told so."""

import subprocess
import sys

import pytest

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import HeldError
from multipl_moe.model.gated import GatedBlock
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.system.staging import held_folder

from .conftest import UNGATED


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
    assert (run(*words).code, len(held)) == (130, 1)
