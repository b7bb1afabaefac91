"""Time is that of the work, all of it and nothing else."""

import pytest
import torch

from multipl_moe.train.timing import seconds_of


@pytest.mark.parametrize("has_gpu", [False, True])
def test_a_gpu_is_waited_for_before_and_after_the_work(monkeypatch: pytest.MonkeyPatch, has_gpu: bool):
    events, clock = [], iter([10.0, 13.5])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("wait"))
    monkeypatch.setattr("time.perf_counter", lambda: events.append("clock") or next(clock))
    assert seconds_of(lambda: events.append("work")) == 3.5
    waits = ["wait"] if has_gpu else []
    assert events == [*waits, "clock", "work", *waits, "clock"]
