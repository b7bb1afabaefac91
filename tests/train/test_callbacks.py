"""How a run is asked to stop, how its processes agree on it, and what it costs."""

import mmap
import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerCallback, TrainerControl

from multipl_moe.errors import Preempted
from multipl_moe.runs.folder import read_json
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.train import callbacks
from multipl_moe.train.callbacks import (
    SaveByTime,
    StopOnInterrupt,
    TrainingClock,
    TrainingCost,
    begin_peak,
    peak_bytes,
)
from tests.train.conftest import train
from tests.train.tiny import World

_SIZE = 64 * 2**20


@pytest.mark.parametrize(("minutes", "saved"), [(0.5, [30, 70]), (None, [])])
def test_a_checkpoint_comes_where_the_last_one_is_so_old(monkeypatch, minutes, saved):
    saver: Any = SaveByTime(minutes)
    clock, found = [0.0], []
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    arguments: Any = (None, None)
    saver.on_train_begin(*arguments, None)
    for clock[0] in (10.0, 30.0, 40.0, 70.0):
        control = TrainerControl()
        saver.on_step_end(*arguments, control)
        if control.should_save:
            found.append(clock[0])
            saver.on_save(*arguments, control)
    assert found == saved


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_step_end_and_be_saved(monkeypatch, number):
    left: list[int] = []
    monkeypatch.setattr(callbacks, "leave_terminal", left.append)
    control, before = TrainerControl(), signal.getsignal(number)
    stopper: Any = StopOnInterrupt()
    with stopper:
        os.kill(os.getpid(), number)
        stopper.on_step_end(None, None, control)
        assert control.should_save
        with pytest.raises(Preempted, match=number.name):
            stopper.raise_if_asked()
    assert signal.getsignal(number) is before
    assert left == [number]


def test_second_ctrl_c_stops_at_once_and_its_handler_is_given_back():
    def interrupt_twice() -> None:
        with StopOnInterrupt() as stopper:
            os.kill(os.getpid(), signal.SIGINT)
            assert stopper.requested
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("resumed_at", "before"), [(10, TrainingCost(5.0, 8.0, 700)), (0, TrainingCost())])
def test_a_resumed_run_goes_on_from_what_its_checkpoint_had_cost(tmp_path, monkeypatch, resumed_at, before):
    state, peaks = SimpleNamespace(global_step=10), iter([700, 600])
    clock: Any = TrainingClock(tmp_path)
    monkeypatch.setattr(callbacks, "peak_bytes", lambda: next(peaks))
    monkeypatch.setattr(callbacks.time, "perf_counter", iter([100.0, 105.0, 200.0, 203.0]).__next__)
    monkeypatch.setattr(callbacks.time, "process_time", iter([40.0, 48.0, 10.0, 14.0]).__next__)
    clock.on_train_begin(None, SimpleNamespace(global_step=0), None)
    clock.on_step_end(None, state, None)
    clock.on_save(None, state, None)
    assert read_json(tmp_path / "cost.json") == {"10": {"seconds": 5.0, "processor_s": 8.0, "peak_bytes": 700}}
    later: Any = TrainingClock(tmp_path)
    later.on_train_begin(None, SimpleNamespace(global_step=resumed_at), None)
    later.on_step_end(None, state, None)
    peak = max(600, before.peak_bytes or 0)
    assert later.cost == TrainingCost(before.seconds + 3.0, before.processor_s + 4.0, peak)


def test_a_request_that_comes_while_processes_agree_is_kept_for_the_next_step(monkeypatch):
    """The handler runs while the processes ask each other; what they agreed on must not overwrite what it notes."""
    arrivals = [signal.SIGTERM]

    def agree(flag: bool) -> bool:
        if arrivals:
            os.kill(os.getpid(), arrivals.pop())
        return flag

    monkeypatch.setattr("multipl_moe.train.callbacks.any_process", agree)
    controls = TrainerControl(), TrainerControl()
    stopper: Any = StopOnInterrupt()
    with stopper:
        for control in controls:
            stopper.on_step_end(None, None, control)
    assert [control.should_training_stop for control in controls] == [False, True]
    assert (stopper.requested, stopper.preempted) == (True, True)


def test_what_another_process_is_asked_after_the_last_step_stops_this_one_too(world: World, tmp_path, monkeypatch):
    """Otherwise one process would leave and the others wait for it at the next place where all meet."""

    class AskedElsewhere(TrainerCallback):
        def on_train_end(self, args, state, control, **kwargs):
            monkeypatch.setattr(callbacks, "any_process", lambda flag: True)

    with pytest.raises(Preempted):
        train(world, tmp_path, AskedElsewhere(), tokens=128)
    assert not (tmp_path / "model").exists()


def _peak() -> int:
    peak = peak_bytes()
    assert peak is not None
    return peak


def test_the_peak_is_that_since_the_count_began():
    begin_peak()
    before = _peak()
    with mmap.mmap(-1, _SIZE) as memory:  # which goes back to the system, as freed tensors need not
        memory.write(b"1" * _SIZE)
    held = _peak()
    begin_peak()
    assert held > before + _SIZE // 2
    assert _peak() < held - _SIZE // 2


def _hold_and_free(sender: Connection) -> None:
    keep_freed_memory()
    large = [torch.ones(2**18) for _ in range(256)]
    held, large = large[::2], None
    begin_peak()
    most = _peak()
    del held
    begin_peak()
    sender.send(most - _peak())


def test_what_was_freed_before_is_not_counted_again_though_the_allocator_keeps_it():
    """In a process of its own, as the allocator's settings are for good."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_hold_and_free, args=(sender,))
    process.start()
    assert receiver.poll(60)
    assert receiver.recv() > 100 * 2**20  # of 128 MiB that were held
    process.join()
