"""Scoring: each program once, doubtful ones again and alone, the same outcomes for any number of workers."""

import threading
import time
from collections import Counter

import pytest

from multipl_judge.judge import scoring
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.languages.program import Nonce, Program

LIMITS = {"cpu_s": 0.5, "memory_bytes": 2**28}
PROGRAMS = {
    "passes": ("print('nonce', FIRST ^ SECOND)", Outcome.passed),
    "fails": ("assert False", Outcome.wrong_answer),
    "raises": ("1 / 0", Outcome.runtime_error),
    "leaves": ("raise SystemExit(0)", Outcome.tests_not_completed),
    "does not parse": ("(", Outcome.compile_error),
    "never ends": ("while True: pass", Outcome.timeout),
}


def python_task(name: str, made: Counter | None = None) -> Task:
    def make() -> Program:
        if made is not None:
            made[name] += 1
        nonce = Nonce.draw()
        source = PROGRAMS[name][0].replace("FIRST", f"{nonce.first}").replace("SECOND", f"{nonce.second}")
        return Program("python", source, nonce)

    return Task(name, make)


def outcomes(tasks: list[Task], **options) -> list[tuple[str, Outcome]]:
    results: list[tuple[str, Outcome]] = []
    judge_all(tasks, on_result=lambda task, judgement: results.append((task.key, judgement.outcome)), **options)
    return results


@pytest.fixture
def machine(monkeypatch):
    """Stands in for judging: `behave` gives a task's outcome, knowing how often it was judged and how many run.

    Timeouts are doubtful. What comes back counts how often each task is judged.
    """

    def with_behaviour(behave) -> Counter[str]:
        calls, running, lock = Counter(), set(), threading.Lock()

        def judge(name, sandbox, toolbox, limits) -> Judgement:
            with lock:
                calls[name] += 1
                running.add(name)
                call, num_running = calls[name], len(running)
            try:
                time.sleep(0.01)
                outcome = behave(name, call, num_running)
                return Judgement(outcome, "run", "", 0, 0, 0, doubtful=outcome == Outcome.timeout)
            finally:
                with lock:
                    running.remove(name)

        monkeypatch.setattr(scoring, "judge", judge)
        return calls

    return with_behaviour


def fake_tasks(names: list[str]) -> list[Task]:
    return [Task(name, lambda name=name: name) for name in names]  # pyright: ignore[reportArgumentType]


def test_equal_programs_are_judged_once_and_all_get_the_outcome(bubblewrap):
    made: Counter[str] = Counter()
    tasks = [python_task(name, made) for name in ["passes", "fails", "passes", "passes", "fails"]]
    results = outcomes(tasks, workers=2)
    assert made == {"passes": 1, "fails": 1}
    assert Counter(results) == {("passes", Outcome.passed): 3, ("fails", Outcome.wrong_answer): 2}


def test_number_of_workers_changes_no_outcome(bubblewrap):
    tasks = [python_task(name) for name in PROGRAMS]
    alone, together = (sorted(outcomes(tasks, workers=workers, limits=LIMITS)) for workers in (1, 2))
    assert alone == together
    assert dict(alone) == {name: outcome for name, (_, outcome) in PROGRAMS.items()}


@pytest.mark.parametrize(
    ("limits", "outcome"),
    [({}, Outcome.passed), ({"output_bytes": 2000}, Outcome.output_limit), ({"cpu_s": 0.2}, Outcome.timeout)],
)
def test_a_limit_that_is_given_takes_the_place_of_the_toolchains(limits, outcome, bubblewrap):
    def make() -> Program:
        nonce = Nonce.draw()
        text = f"import time\nprint('x' * 3000)\ntime.sleep(0.5)\nprint('nonce', {nonce.first} ^ {nonce.second})\n"
        return Program("python", text, nonce)

    assert outcomes([Task("noisy", make)], workers=1, limits=limits) == [("noisy", outcome)]


@pytest.mark.parametrize("workers", [1, 3])
def test_doubtful_outcome_is_judged_again_alone_after_all_others(machine, workers):
    def behave(name: str, call: int, running: int) -> Outcome:
        return Outcome.timeout if name.startswith("slow") and (call == 1 or running > 1) else Outcome.passed

    calls = machine(behave)
    names = ["slow 1", *(f"quick {number}" for number in range(8)), "slow 2"]
    results = outcomes(fake_tasks(names), workers=workers, unsafe=True)
    assert dict(results) == dict.fromkeys(names, Outcome.passed)
    assert [key for key, _ in results][-2:] == ["slow 1", "slow 2"]
    assert all(calls[name] == (2 if "slow" in name else 1) for name in names)


def test_a_program_that_others_kept_waiting_twice_is_a_harness_error_and_no_failure(machine):
    calls = machine(lambda name, call, running: Outcome.timeout)
    said = []
    judge_all(fake_tasks(["slow"]), unsafe=True, on_result=lambda task, judgement: said.append(judgement))
    assert (calls["slow"], [one.outcome for one in said]) == (2, [Outcome.harness_error])
    assert "twice other programs kept this one waiting" in said[0].output


def test_exception_is_a_harness_error_of_its_program_only(machine):
    def behave(name: str, call: int, running: int) -> Outcome:
        if name == "broken":
            raise RuntimeError("the harness fell over")
        return Outcome.passed

    calls = machine(behave)
    said = {}
    tasks = fake_tasks(["fine", "broken", "good"])
    judge_all(tasks, workers=2, unsafe=True, on_result=lambda task, judgement: said.update({task.key: judgement}))
    assert said["broken"].outcome == Outcome.harness_error
    assert "the harness fell over" in said["broken"].output
    assert calls["broken"] == 2
    assert said["fine"].outcome == said["good"].outcome == Outcome.passed


def test_interrupt_starts_no_other_program_and_gives_the_sandboxes_back(machine):
    calls = machine(lambda name, call, running: Outcome.passed)

    def interrupt(task: Task, judgement: Judgement) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge_all(fake_tasks([str(number) for number in range(100)]), workers=2, unsafe=True, on_result=interrupt)
    assert sum(calls.values()) <= 6
    with Sandbox(unsafe=True) as first, Sandbox(unsafe=True) as second:
        assert first.uid is None or first.uid != second.uid


def test_no_number_of_tasks_or_doubts_is_held(machine, monkeypatch):
    """Many doubtful programs are settled as they come, and a program that comes again long after is judged again."""
    monkeypatch.setattr(scoring, "_MOST_WAITING", 4)
    monkeypatch.setattr(scoring, "_REMEMBERED", 3)
    calls = machine(lambda name, call, running: Outcome.timeout if "slow" in name and call == 1 else Outcome.passed)
    names = [f"slow {number}" for number in range(20)] + ["a", "a", "b", "c", "d", "e", "f", "g", "h", "i", "a"]
    read, ahead, results = 0, [], []

    def tasks():
        nonlocal read
        for task in fake_tasks(names):
            read += 1
            ahead.append(read - len(results))
            yield task

    judge_all(tasks(), workers=2, unsafe=True, on_result=lambda task, judgement: results.append(task.key))
    assert Counter(results) == Counter(names)
    assert max(ahead) <= 4 + 4 + 1
    assert calls["a"] == 2
    assert all(calls[name] == 2 for name in names[:20])
