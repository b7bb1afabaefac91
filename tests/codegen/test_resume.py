"""A run that is killed at any moment and started again gives the same samples as one that was not."""

import multiprocessing
import signal
import time

from multipl_moe.codegen.generation import generate_samples
from multipl_moe.codegen.samples import SAMPLES_FILE
from tests.codegen.problems import Echo, problems, settings

POSED = problems(num_problems=12)
DEADLINE_S = 120


class Slow(Echo):
    """Takes its time after each batch, so that a kill finds it at work."""

    def complete(self, batch, settings):
        made = super().complete(batch, settings)
        time.sleep(0.3)
        return made


def run_until_killed(folder, chosen, num_lines):
    """Start a process of its own and kill it as soon as its file has so many lines."""
    process = multiprocessing.get_context("fork").Process(target=generate_samples, args=(POSED, Slow(), chosen, folder))
    process.start()
    assert process.pid is not None
    deadline, file = time.monotonic() + DEADLINE_S, folder / SAMPLES_FILE
    while not file.is_file() or file.read_bytes().count(b"\n") < num_lines:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert file.read_bytes().count(b"\n") < len(POSED) * chosen.num_samples


def test_a_run_killed_at_several_moments_ends_with_the_same_file(tmp_path):
    chosen = settings(batch_sequences=4, num_samples=2, temperature=0.9)
    samples = generate_samples(POSED, Echo(), chosen, tmp_path / "whole")
    folder = tmp_path / "killed"
    for num_lines in (0, 9, 17):
        run_until_killed(folder, chosen, num_lines)
    before = (folder / SAMPLES_FILE).read_bytes()
    (folder / SAMPLES_FILE).write_bytes(before[:-5])
    assert generate_samples(POSED, Echo(), chosen, folder) == samples
    assert (folder / SAMPLES_FILE).read_bytes() == (tmp_path / "whole" / SAMPLES_FILE).read_bytes()
    assert before
    assert (folder / SAMPLES_FILE).read_bytes().startswith(before)
