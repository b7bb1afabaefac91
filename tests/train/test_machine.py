"""Speed is work over measured time, all of it, and measuring leaves no trace."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from multipl_moe.checkpoints.loading import load_config, load_hybrid
from multipl_moe.model.parameters import trained_names
from multipl_moe.train.machine import (
    MachineSpeed,
    leave_busy_processors,
    measure_throughput,
    seconds_of,
    speed_of,
)
from tests.fixtures import tree
from tests.train.tiny import World, made_hybrid, with_train


def test_speed_is_positive_and_nothing_moves_or_is_left_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    before = tree(world.hybrid), tree(world.corpus)
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # pyright: ignore
    model, original = load_hybrid(world.hybrid), load_hybrid(world.hybrid)
    assert 1 < measure_throughput(world.recipe, model, world.corpus) < 1e9
    assert (tree(world.hybrid), tree(world.corpus)) == before
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert np.random.get_state()[1].tolist() == state[2]  # pyright: ignore
    for (name, parameter), start in zip(model.named_parameters(), original.parameters(), strict=True):
        assert torch.equal(parameter, start), name
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == trained_names(model)


def test_speed_is_tokens_of_a_forward_pass_by_the_median_time(world: World, monkeypatch: pytest.MonkeyPatch):
    # a warm-up step, then steps of 1, 9 and 3 seconds: the median is 3
    durations = [50.0, 1.0, 9.0, 3.0]
    ticks = [time for index, length in enumerate(durations) for time in (100.0 * index, 100.0 * index + length)]
    monkeypatch.setattr("time.perf_counter", lambda: ticks.pop(0))
    assert measure_throughput(world.recipe, load_hybrid(world.hybrid), world.corpus) == 4 * 32 / 3
    assert ticks == []


@pytest.mark.parametrize("checkpointing", [False, True])
def test_layers_are_computed_again_and_logits_left_out_as_in_training(world: World, checkpointing: bool):
    model, logits, passes = load_hybrid(world.hybrid), [], []
    model.register_forward_hook(lambda module, args, output: logits.append(output.logits))
    model.hybrid_layers[2].register_forward_pre_hook(lambda module, args: passes.append(1))
    measure_throughput(with_train(world.recipe, gradient_checkpointing=checkpointing), model, world.corpus)
    assert model.training
    assert len(passes) == (2 if checkpointing else 1) * len(logits) > 0
    assert logits == [None] * len(logits)


@pytest.mark.parametrize(
    ("share", "threads", "left"),
    [(0.0, 4, 4), (0.2, 4, 4), (0.5, 8, 8), (0.5, 4, 4), (0.75, 8, 4), (1.0, 8, 1), (0.99, 2, 1), (1.0, 1, 1)],
)
def test_threads_leave_busy_processors_alone(monkeypatch: pytest.MonkeyPatch, share: float, threads: int, left: int):
    count = [threads]
    monkeypatch.setattr(torch, "get_num_threads", lambda: count[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda number: count.__setitem__(0, number))
    monkeypatch.setattr("psutil.cpu_count", lambda: 16)
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: 100 * share)
    told = leave_busy_processors()
    assert count == [left]
    assert (told is None) == (share <= 0.25)
    assert told is None or ("thread" in told) == (left < threads)


def test_bfloat16_checkpoints_are_measured_in_either_dtype(world: World, tmp_path: Path):
    recipe = made_hybrid(world, tmp_path / "hybrid", upcycle={"dtype": "bfloat16"})
    for compute_dtype in ("float32", "bfloat16"):
        computing = with_train(recipe, compute_dtype=compute_dtype)
        assert measure_throughput(computing, load_hybrid(tmp_path / "hybrid"), world.corpus) > 0


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_gpu_is_waited_for_before_and_after_the_work(monkeypatch: pytest.MonkeyPatch, has_gpu: bool):
    events, clock = [], iter([10.0, 13.5])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("wait"))
    monkeypatch.setattr("time.perf_counter", lambda: events.append("clock") or next(clock))
    assert seconds_of(lambda: events.append("work")) == 3.5
    waits = ["wait"] if has_gpu else []
    assert events == [*waits, "clock", "work", *waits, "clock"]


def test_speed_is_work_in_the_shapes_of_a_recipe_over_measured_time(world: World, monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    speed = speed_of(world.recipe, load_config(world.hybrid))(torch.bfloat16)
    assert speed == MachineSpeed(flops_per_s=2 * (4 * 32) * 32 * 48, bytes_per_s=5 * 2**24 * 2)
