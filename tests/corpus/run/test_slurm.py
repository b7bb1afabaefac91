"""A build on Slurm, whose commands are imitated: what is submitted, what is waited for, what comes of it."""

import json
from pathlib import Path

import dill
import pytest

from multipl_moe.corpus import build_corpus
from multipl_moe.corpus.run import slurm
from multipl_moe.errors import ConfigError, TasksUnfinishedError
from multipl_moe.recipe.recipe import Recipe
from tests.corpus.conftest import content, on_executor

STAGES = ["1_read", "2_copies", "3_signatures", "4_buckets", "5_clusters", "6_write"]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sbatch, squeue and scontrol on PATH; the folder notes what they were asked. No job is ever left in the queue."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    scripts = {
        "sbatch": f'n=$(($(ls {folder}/*.job | wc -l) + 1)); eval "script=\\${{$#}}"; cp "$script" {folder}/$n.script\n'
        f'echo "$@" > {folder}/$n.job; echo Submitted batch job $n',
        "squeue": "exit 0",
        "scontrol": "echo localhost",
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    (folder / "0.job").touch()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "_POLL_S", 0.01)
    return folder


@pytest.fixture
def recipe(corpus_recipe: Recipe) -> Recipe:
    options = {"partition": "cpu", "time": "1:00:00", "options": {"account": "mine"}}
    return on_executor(corpus_recipe, kind="slurm", slurm=options, memory_gb=6, cpus=2)


def run_jobs(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what the jobs would run: each task of each stage from the executor that was pickled for it."""
    monkeypatch.setenv("SLURM_NODELIST", "localhost")
    for name in STAGES:
        for task in range(len(json.loads((logs / name / "ranks_to_run.json").read_text()))):
            monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
            with (logs / name / "executor.pik").open("rb") as file:
                dill.load(file).run()
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID")


def test_stages_are_submitted_one_after_the_other_and_make_the_same_corpus(
    commands, recipe, corpus, tokenizer_folder, tmp_path, monkeypatch, capfd
):
    with pytest.raises(TasksUnfinishedError, match=r"2 of 2 tasks ended without being done"):
        build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    logs = tmp_path / ".out.partial" / "logs"
    jobs = json.loads((logs / "slurm_jobs.json").read_text())
    assert len(jobs) == len(STAGES)
    scripts = [(commands / f"{job}.script").read_text() for job in jobs]
    asked = [(commands / f"{job}.job").read_text() for job in jobs]
    options = ("partition=cpu", "time=1:00:00", "account=mine", "cpus-per-task=2", "mem-per-cpu=3G")
    for name, script, last_task in zip(STAGES, scripts, (1, 0, 1, 3, 0, 1), strict=True):
        for line in (*options, f"job-name=corpus-{name}", f"array=0-{last_task}"):
            assert f"#SBATCH --{line}\n" in script
        assert f"launch_pickled_pipeline {logs / name / 'executor.pik'}" in script
    assert "--dependency" not in asked[0]
    assert [f"--dependency=afterok:{job} " in line for job, line in zip(jobs, asked[1:], strict=False)] == [True] * 5

    run_jobs(logs, monkeypatch)
    capfd.readouterr()
    num_jobs = len(list(commands.glob("*.job")))
    build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert len(list(commands.glob("*.job"))) == num_jobs, "submitted what was done"
    assert content(tmp_path / "out") == content(corpus[0])
    assert capfd.readouterr() == ("", "")


def test_a_scheduler_that_does_not_answer_has_not_lost_the_jobs(commands):
    for script, is_alive in {
        "echo 7": True,
        "exit 0": False,
        "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1": False,
        "echo 'Unable to contact slurm controller' >&2; exit 1": True,
    }.items():
        (commands / "squeue").write_text(f"#!/bin/sh\n{script}\n")
        assert slurm._are_alive(["7"]) is is_alive


def test_a_slurm_that_cannot_be_used_is_told_in_a_line(commands, recipe, tokenizer_folder, tmp_path):
    (commands / "sbatch").unlink()
    with pytest.raises(ConfigError, match="no sbatch here"):
        build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert not (tmp_path / ".out.partial").exists()
