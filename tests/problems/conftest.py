"""A judge for the programs that forms make."""

from collections.abc import Callable, Iterator

import pytest

from multipl_moe.judge.judge import judge
from multipl_moe.judge.outcome import Judgement
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.program import Nonce
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.problem import Problem
from tests.problems.samples import problems


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> dict[str, Problem]:
    """Sample problems by form and language, as the readers read them."""
    return {f"{problem.form}-{problem.language}": problem for problem in problems(tmp_path_factory.mktemp("rows"))}


@pytest.fixture(scope="session")
def judged(bubblewrap) -> Iterator[Callable[[Problem, str], Judgement]]:
    """Judges a completion of a problem."""
    toolbox = Toolbox()
    with Sandbox() as sandbox:
        yield lambda problem, completion: judge(program_of(problem, completion, Nonce.draw()), sandbox, toolbox)
