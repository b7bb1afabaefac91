"""How processes are counted, what is refused, and the command under torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from multipl_moe.cli.app import main
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.system.launch import is_main, num_processes
from multipl_moe.train.loop import require_as_many_processes
from multipl_moe.train.setup import TrainingSetup, require_processes
from multipl_moe.train.trainer import train_model
from tests.train.tiny import World, tensors, with_train


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)


def test_a_process_alone_is_the_main_one(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # of a scheduler, without torchrun
    assert (num_processes(), is_main()) == (1, True)
    assert TrainingSetup.of(world.recipe).distribution == "one"


def test_all_processes_make_a_step(world: World, second_of_two):
    assert (num_processes(), is_main()) == (2, False)
    setup = TrainingSetup.of(world.recipe)
    assert (setup.tokens_per_step, setup.distribution) == (2 * 4 * 32, "ddp")
    assert TrainingSetup.of(with_train(world.recipe, distribution="fsdp2")).distribution == "fsdp2"


@pytest.mark.parametrize("wanted", ["ddp", "fsdp2"])
def test_a_distribution_that_one_process_would_not_use_is_refused_before_anything_loads(world, tmp_path, wanted: str):
    with pytest.raises(ConfigError, match=f"train.distribution: {wanted} needs several processes.*torchrun"):
        train_model(with_train(world.recipe, distribution=wanted), tmp_path / "none", tmp_path / "none", tmp_path)


def test_several_gpus_for_one_process_are_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"several; start it as `torchrun --nproc-per-node N.*CUDA_VISIBLE_DEVICES=0"):
        require_processes(world.recipe.train)


@pytest.mark.parametrize("count", [1, 3])
def test_a_checkpoint_of_another_number_of_processes_is_refused(second_of_two, tmp_path: Path, count: int):
    for name in ["rng_state.pth"] if count == 1 else [f"rng_state_{rank}.pth" for rank in range(count)]:
        (tmp_path / name).touch()
    with pytest.raises(OutputError, match=f"a run of {count} processes, not of 2; go on with as many"):
        require_as_many_processes(tmp_path)


def test_sharded_adapters_are_refused(world: World, second_of_two):
    with pytest.raises(ConfigError, match=r"fsdp2 does not go with train.method lora"):
        require_processes(with_train(world.recipe, distribution="fsdp2", method="lora").train)


def test_other_verbs_are_refused_under_torchrun(second_of_two, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sys, "argv", ["multipl-moe", "doctor"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "doctor: works in one process; start it without torchrun" in capsys.readouterr().err


@pytest.mark.extended
def test_torchrun_trains_and_prints_once(world: World, tmp_path: Path):
    (tmp_path / "recipe.yaml").write_text(with_train(world.recipe, tokens=4 * 2 * 4 * 32).to_yaml())
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "multipl_moe"]
    command += ["train", str(world.hybrid), str(world.corpus), str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, "--recipe", str(tmp_path / "recipe.yaml")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("1,024 tokens in") == 1
    assert tensors(tmp_path / "run" / "model").keys() == tensors(world.hybrid).keys()
