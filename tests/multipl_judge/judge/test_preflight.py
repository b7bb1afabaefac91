"""Preflight: what works is said to work, and what does not is named with its remedy."""

from collections import Counter
from dataclasses import replace

import pytest

from multipl_judge.judge import preflight as preflight_module
from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.preflight import preflight
from multipl_judge.judge.sandbox import SandboxError
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.toolchain import Extra
from multipl_judge.languages.toolchains import TOOLCHAINS
from tests.multipl_judge.problems.translated import INSTALLED

WANTS = {language: list(toolchain.extras) for language, toolchain in TOOLCHAINS.items()}


def test_every_toolchain_works_here(bubblewrap, toolbox):
    checks = preflight(INSTALLED, wants=WANTS, toolbox=toolbox)
    assert [check.problem for check in checks.values() if check.problem] == []
    assert all(check.version and check.seconds > 0 for check in checks.values())


def test_missing_toolchain_is_named_with_its_packages(bubblewrap):
    absent = replace(TOOLCHAINS["ruby"], executables={"ruby": ("/nowhere/ruby",)})
    check = preflight(["ruby"], toolbox=Toolbox({"ruby": absent}))["ruby"]
    assert check.version == ""
    assert "apt install ruby ruby-test-unit" in str(check.problem)


def test_extra_that_cannot_be_had_is_named_with_its_packages(bubblewrap):
    extra = Extra(("python3-library",), probe=("{python}", "-c", "import nothing_of_that_name"))
    toolbox = Toolbox({"python": replace(TOOLCHAINS["python"], extras={"library": extra})})
    check = preflight(["python"], wants={"python": ["library"]}, toolbox=toolbox)["python"]
    assert check.version
    assert "apt install python3-library" in str(check.problem)


@pytest.mark.parametrize("num_doubts", [1, 2])
@pytest.mark.parametrize("outcome", [Outcome.timeout, None], ids=["timeout", "sandbox fails"])
def test_doubtful_outcome_is_tried_once_more(bubblewrap, monkeypatch, outcome, num_doubts):
    times: Counter[str] = Counter()

    def on_a_busy_machine(program, sandbox, toolbox) -> Judgement:
        times[program.source] += 1
        if times[program.source] > num_doubts:
            return judge(program, sandbox, toolbox)
        if outcome is None:
            raise SandboxError("sandbox: no more processes")
        return Judgement(outcome, "run", "", 0.0, 10.0, 0, doubtful=True)

    monkeypatch.setattr(preflight_module, "judge", on_a_busy_machine)
    check = preflight(["python"])["python"]
    assert (check.problem is None) == (num_doubts == 1)
    assert set(times.values()) == {2}


@pytest.mark.parametrize(
    ("changes", "reference", "remedy"),
    [
        ({"failed_assertion": "no such words"}, {}, "see that failed_assertion (no such words) matches"),
        ({"run": ("{python}", "-O", "-")}, {}, "wrong_answer ended in passed; see that reference.wrong fails the test"),
        ({}, {"right": TOOLCHAINS["python"].reference.wrong}, "reference.right passes the test of reference.text"),
        ({}, {"early": "raise SystemExit(3)"}, "reference.early ends the program with exit code 0"),
        ({}, {"text": "def twice(x):\n    BODY\nassert twice(21) == 42\n"}, "the last line that reference.text prints"),
        ({"run": ("{python}", "--no-such-option")}, {}, "the toolchain is whole (Debian: apt install python3)"),
    ],
    ids=["failed_assertion", "wrong", "right", "early", "text", "toolchain"],
)
def test_the_remedy_names_the_key_that_is_wrong(changes, reference, remedy, bubblewrap):
    python = TOOLCHAINS["python"]
    broken = replace(python, **changes, reference=replace(python.reference, **reference))
    check = preflight(["python"], toolbox=Toolbox({"python": broken}))["python"]
    assert remedy in str(check.problem)


def test_a_toolchain_that_answers_everything_with_success_is_named(bubblewrap, tmp_path):
    fake = tmp_path / "tool" / "bin" / "ruby"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\nprintf '%s' '\n  word 1.0\nmore\n'\n")
    fake.chmod(0o755)
    ruby = replace(TOOLCHAINS["ruby"], executables={"ruby": (str(fake),)})
    check = preflight(["ruby"], toolbox=Toolbox({"ruby": ruby}))["ruby"]
    assert check.version == "word 1.0"
    assert "passed ended in tests_not_completed" in str(check.problem)
