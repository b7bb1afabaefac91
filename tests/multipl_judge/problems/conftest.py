"""A judge for the programs that forms make."""

from collections.abc import Callable, Iterator

import pytest

from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from tests.multipl_judge.problems.samples import problems


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> dict[str, Problem]:
    """Sample problems by form and language, as the readers read them."""
    return {f"{problem.form}-{problem.language}": problem for problem in problems(tmp_path_factory.mktemp("rows"))}


@pytest.fixture(scope="session")
def judged(bubblewrap, toolbox) -> Iterator[Callable[[Problem, str], Judgement]]:
    """Judges a completion of a problem."""
    with Sandbox() as sandbox:
        yield _judging(sandbox, toolbox)


@pytest.fixture
def judged_own(bubblewrap) -> Iterator[Callable[[Problem, str], Judgement]]:
    """The same for languages that a test adds: it knows none of another test's by the same name."""
    with Sandbox() as sandbox:
        yield _judging(sandbox, Toolbox())


def _judging(sandbox: Sandbox, toolbox: Toolbox) -> Callable[[Problem, str], Judgement]:
    return lambda problem, completion: judge(program_of(problem, completion, Nonce.draw()), sandbox, toolbox)
