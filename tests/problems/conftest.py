"""A judge for the programs that forms make."""

import os
from collections.abc import Callable, Iterator

import pytest

from multipl_moe.errors import UserError
from multipl_moe.judge.judge import judge
from multipl_moe.judge.outcome import Judgement
from multipl_moe.judge.program import Program
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.nonce import Nonce
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.problem import Problem
from tests.problems.samples import problems


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> dict[str, Problem]:
    """Sample problems by form and language, as the readers read them."""
    return {f"{problem.form}-{problem.language}": problem for problem in problems(tmp_path_factory.mktemp("rows"))}


@pytest.fixture(scope="session")
def _open_sandbox() -> Iterator[tuple[Sandbox, Toolbox]]:
    if not Sandbox.available() and "CI" not in os.environ:
        pytest.skip("bubblewrap is not installed (Debian: apt install bubblewrap)")
    with Sandbox() as sandbox:
        yield sandbox, Toolbox()


@pytest.fixture
def judged(_open_sandbox) -> Callable[[Problem, str], Judgement]:
    """Judges a completion of a problem."""

    def judged(problem: Problem, completion: str) -> Judgement:
        return judge_program(program_of(problem, completion, Nonce.draw()), *_open_sandbox)

    return judged


def judge_program(program: Program, sandbox: Sandbox, toolbox: Toolbox) -> Judgement:
    try:
        toolbox.installed(program.language, sandbox)
    except UserError as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))
    return judge(program, sandbox, toolbox)
