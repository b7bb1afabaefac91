"""Trying each toolchain before anything is scored: one that does not work here must not look like a score of 0."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from multipl_judge.errors import UserError
from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Sandbox, SandboxError
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Toolchain

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class LanguageCheck:
    """Whether programs of a language can be judged on this machine.

    Attributes:
        version: what the toolchain says of itself, "" if there is none.
        seconds: what the check took, with whatever had to be compiled once for all programs.
        problem: why the language cannot be judged, with the remedy; None if all is well.
    """

    version: str
    seconds: float
    problem: str | None


def preflight(
    languages: Iterable[str],
    *,
    wants: Mapping[str, Iterable[str]] | None = None,
    unsafe: bool = False,
    toolbox: Toolbox | None = None,
) -> dict[str, LanguageCheck]:
    """Judge a right program, a wrong one and one that ends before its tests, of each language.

    Args:
        languages: keys of the toolchains.
        wants: names of the extras that programs of a language will want.
        unsafe: do without bubblewrap.
        toolbox: found toolchains, to be used again.

    Raises:
        ConfigError: the sandbox cannot be used here.
    """
    toolbox = toolbox or Toolbox()
    with Sandbox(unsafe=unsafe) as sandbox:
        return {name: _check(name, tuple((wants or {}).get(name, ())), sandbox, toolbox) for name in languages}


def _check(language: str, wants: tuple[str, ...], sandbox: Sandbox, toolbox: Toolbox) -> LanguageCheck:
    started = time.monotonic()
    version, problem = "", None
    try:
        version = toolbox.installed(language, sandbox).version
        problem = _first_surprise(language, wants, sandbox, toolbox)
    except (UserError, SandboxError) as error:
        problem = str(error)
    return LanguageCheck(version, time.monotonic() - started, problem)


def _first_surprise(language: str, wants: tuple[str, ...], sandbox: Sandbox, toolbox: Toolbox) -> str | None:
    """What a reference program ends in that it should not, None if all end as they should."""
    toolchain = toolbox.installed(language, sandbox).toolchain
    for name in wants:
        if lack := toolbox.lack_of(language, name, sandbox):
            return lack
    reference = toolchain.reference
    if not reference.text:
        return None
    expected = (
        (reference.right, Outcome.passed),
        (reference.wrong, Outcome.wrong_answer),
        (reference.early, Outcome.tests_not_completed),
    )
    for body, outcome in expected:
        nonce = Nonce.draw()
        program = Program(language, reference.source(body, nonce), nonce, wants=wants)
        judgement = _judge_in_doubt_again(program, sandbox, toolbox)
        if judgement.outcome != outcome:
            said = judgement.output.strip()[-_SHOWN_CHARACTERS:]
            return (
                f"{language}: a program that should end in {outcome} ended in {judgement.outcome}; "
                f"{_remedy(outcome, judgement.outcome, toolchain)}; it said: {said or 'nothing'}"
            )
    return None


def _remedy(expected: Outcome, found: Outcome, toolchain: Toolchain) -> str:
    """What to look at: before a wrong program or one that leaves early is tried, the right one has passed."""
    if (expected, found) == (Outcome.wrong_answer, Outcome.runtime_error):
        return f"see that failed_assertion ({toolchain.failed_assertion}) matches a line of what a failed test says"
    if expected == Outcome.wrong_answer:
        return "see that reference.wrong fails the test of reference.text, and that the program then ends with an error"
    if expected == Outcome.tests_not_completed:
        return "see that reference.early ends the program with exit code 0"
    if found == Outcome.tests_not_completed:
        return "see that the last line that reference.text prints is `nonce N`, N being FIRST exclusive-or SECOND"
    if found == Outcome.wrong_answer:
        return "see that reference.right passes the test of reference.text"
    whole = f" (Debian: apt install {' '.join(toolchain.packages)})" if toolchain.packages else ""
    return f"see that the toolchain is whole{whole}, and give its settings in its command, as the sandbox hides /etc"


def _judge_in_doubt_again(program: Program, sandbox: Sandbox, toolbox: Toolbox) -> Judgement:
    try:
        judgement = judge(program, sandbox, toolbox)
    except SandboxError:
        return judge(program, sandbox, toolbox)
    return judge(program, sandbox, toolbox) if judgement.doubtful else judgement
