"""A run completes every problem once, in fixed batches, and goes on where it was ended, or killed."""

import time

import pytest

from multipl_moe.codegen.completer import request_of
from multipl_moe.codegen.generation import generate_samples, plan_batches
from multipl_moe.codegen.samples import SAMPLES_FILE, read_samples
from multipl_moe.errors import ConfigError, OutputError
from tests.codegen.problems import Echo, problem, problems, settings
from tests.fixtures import killed_at_work

POSED = [*problems(num_problems=7), *(problem(number, "x" * number + "y", "go") for number in range(4))]
SETTINGS = settings(num_samples=2, temperature=1.0, batch_sequences=4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The samples of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    generate_samples(POSED, Echo(), SETTINGS, folder)
    return (folder / SAMPLES_FILE).read_bytes()


@pytest.mark.parametrize("fail_at", range(6))
def test_an_interrupted_run_goes_on_and_ends_with_the_same_file(whole, tmp_path, fail_at):
    with pytest.raises(KeyboardInterrupt):
        generate_samples(POSED, Echo(fail_at=fail_at), SETTINGS, tmp_path)
    completer = Echo()
    generate_samples(POSED, completer, SETTINGS, tmp_path)
    assert len(completer.batches) == 6 - fail_at
    assert (tmp_path / SAMPLES_FILE).read_bytes() == whole


class Slow(Echo):
    """Takes its time after each batch and never ends the last, so that a kill finds it at work."""

    def complete(self, batch, settings):
        made = super().complete(batch, settings)
        time.sleep(200 if batch[-1].problem == POSED[-1] else 0.1)
        return made


def test_a_run_killed_at_several_moments_ends_with_the_same_file(whole, tmp_path):
    file = tmp_path / SAMPLES_FILE
    for num_lines in (0, 9, 17):
        killed_at_work(file, num_lines, generate_samples, POSED, Slow(), SETTINGS, tmp_path)
    before = file.read_bytes()
    assert whole.startswith(before)
    assert 17 <= before.count(b"\n") < whole.count(b"\n")
    file.write_bytes(before[:-5])
    generate_samples(POSED, Echo(), SETTINGS, tmp_path)
    assert file.read_bytes() == whole


def test_another_language_may_join_and_gets_what_it_would_have_got_but_nothing_may_change(tmp_path):
    generate_samples(POSED[:7], Echo(), SETTINGS, tmp_path / "grown")
    with pytest.raises(OutputError, match=r"the model echo, not other; other problems of tiny/rust"):
        generate_samples(POSED[:6], Echo("other"), SETTINGS, tmp_path / "grown")
    completer = Echo()
    grown = generate_samples(POSED, completer, SETTINGS, tmp_path / "grown")
    assert {request.problem.language for batch in completer.batches for request in batch} == {"go"}
    assert grown == generate_samples(POSED, Echo(), SETTINGS, tmp_path / "whole") == read_samples(tmp_path / "whole")
    assert list(grown) == [(p.key, sample) for p in POSED for sample in range(2)]
    assert all(str(place) in completion.text for place, completion in grown.items())


def test_progress_tells_what_is_done_of_all(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        generate_samples(POSED, Echo(fail_at=2), SETTINGS, tmp_path)
    told = []
    generate_samples(POSED, Echo(), SETTINGS, tmp_path, lambda *numbers: told.append(numbers))
    assert told == [(8, 22), (12, 22), (14, 22), (18, 22), (22, 22)]
    again = Echo()
    generate_samples(POSED, again, SETTINGS, tmp_path)
    assert not again.batches


def test_every_sample_has_a_seed_of_its_own_that_only_it_decides():
    seeds = [request.seed for batch in plan_batches(POSED, SETTINGS) for request in batch]
    assert len(set(seeds)) == len(seeds)
    other = plan_batches(POSED, SETTINGS.model_copy(update={"seed": SETTINGS.seed + 5}))
    assert not {request.seed for batch in other for request in batch} & {*seeds}
    assert request_of(POSED[0], 1, 0).seed in seeds
    assert request_of(POSED[0], 1, 5).seed not in seeds


def test_no_problem_or_one_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="none to complete"):
        generate_samples([], Echo(), SETTINGS, tmp_path / "run")
    with pytest.raises(ConfigError, match="tiny/go/p/3 is there twice"):
        generate_samples([*POSED, POSED[-1]], Echo(), SETTINGS, tmp_path / "run")
    assert not (tmp_path / "run").exists()
