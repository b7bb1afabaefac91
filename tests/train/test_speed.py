"""Speed is work over measured time."""

import torch

from multipl_moe.train.speed import MachineSpeed, measure_speed


def test_speed_is_work_over_measured_time(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    speed = measure_speed(torch.bfloat16, num_rows=8, hidden_size=16, intermediate_size=32)
    assert speed == MachineSpeed(flops_per_s=2 * 8 * 16 * 32, bytes_per_s=5 * 2**24 * 2)
