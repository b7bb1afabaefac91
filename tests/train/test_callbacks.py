"""How a run is asked to stop, and how its processes agree on it."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback, TrainerControl

from multipl_moe.errors import Preempted
from multipl_moe.train import callbacks
from multipl_moe.train.callbacks import StopOnInterrupt
from tests.train.conftest import train
from tests.train.tiny import World


def test_second_ctrl_c_stops_at_once():
    before = signal.getsignal(signal.SIGINT)
    with StopOnInterrupt() as stopper:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopper.requested
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_the_handler_of_ctrl_c_is_given_back_after_a_failure_too():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError), StopOnInterrupt():
        raise RuntimeError
    assert signal.getsignal(signal.SIGINT) is before


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


def test_what_another_process_is_asked_after_the_last_step_stops_this_one_too(
    world: World, tmp_path: Path, monkeypatch
):
    """Otherwise one process would leave and the others wait for it at the next place where all meet."""

    class AskedElsewhere(TrainerCallback):
        def on_train_end(self, args, state, control, **kwargs):
            monkeypatch.setattr(callbacks, "any_process", lambda flag: True)

    with pytest.raises(Preempted):
        train(world, tmp_path, AskedElsewhere())
    assert not (tmp_path / "model").exists()
