"""Programs that mean harm, or cheat: each gets the right outcome and leaves nothing; attacks do neighbours no harm.

The programs in `evil` are completions of one small problem. Where a file holds a right function beside its mischief,
it may pass; what counts then is that the mischief had no effect.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from multipl_moe.judge.judge import judge
from multipl_moe.judge.outcome import Judgement, Outcome
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.judge.toolbox import Toolbox
from multipl_moe.languages.program import Nonce, Program
from multipl_moe.languages.toolchains import TOOLCHAINS
from multipl_moe.problems.forms import program_of
from multipl_moe.problems.problem import Problem
from multipl_moe.problems.starter_set import read_starter
from tests.judge.conftest import left_behind

_EVIL = Path(__file__).parent / "evil"
_LANGUAGES = {".py": "python", ".java": "java", ".cpp": "cpp", ".rs": "rust", ".go": "go", ".rb": "ruby"}
# Where functions end with a brace, the problem's own function is an empty one, closed before the file begins.
_OPENINGS = {
    "java": "class Solution {\nstatic void opening() {\n",
    "cpp": "void opening() {\n",
    "rust": "fn opening() {\n",
    "go": "func opening() {\n",
}
_SHORT_S, _LONG_S = 1.0, 300.0

# What takes or breaks something that others need as well: each runs beside a neighbour.
ATTACKS = {
    "fork_bomb.py": Outcome.timeout,
    "output_flood.py": Outcome.output_limit,
    "error_flood.py": Outcome.output_limit,
    "memory_hog.py": Outcome.memory_limit,
    "memory_hogs.py": Outcome.memory_limit,
    "memory_hog.java": Outcome.memory_limit,
    "ignores_signals.py": Outcome.timeout,
    "closes_output.py": Outcome.timeout,
    "threads.go": Outcome.runtime_error,
    "daemon.py": Outcome.passed,
    "kills_everyone.py": Outcome.passed,
    "deletes_files.py": Outcome.passed,
    "writes_home.py": Outcome.passed,
    "links_out.py": Outcome.passed,
    "links_out.rb": Outcome.passed,
    "fills_disk.py": Outcome.runtime_error,
    "deep_recursion.py": Outcome.runtime_error,
    "deep_recursion.cpp": Outcome.runtime_error,
    "template_bomb.cpp": Outcome.memory_limit,
    "macro_bomb.cpp": Outcome.memory_limit,
    "endless_constant.cpp": Outcome.compile_timeout,
    "endless_constant.rs": Outcome.compile_timeout,
    "includes_zeros.cpp": Outcome.memory_limit,
}
# What only its own outcome is to gain from, or that takes nothing from anybody.
CHEATS = {
    "sleeper.py": Outcome.timeout,
    "exits_early.py": Outcome.tests_not_completed,
    "exits_early.rs": Outcome.tests_not_completed,
    "exits_hard.py": Outcome.tests_not_completed,
    "exits_on_import.py": Outcome.tests_not_completed,
    "static_exit.cpp": Outcome.tests_not_completed,
    "static_exit.java": Outcome.tests_not_completed,
    "init_exit.go": Outcome.tests_not_completed,
    "exit_hook.py": Outcome.tests_not_completed,
    "exit_hook.rb": Outcome.tests_not_completed,
    "prints_success.py": Outcome.tests_not_completed,
    "reads_tests.py": Outcome.wrong_answer,
    "overwrites_tests.py": Outcome.wrong_answer,
    "hides_failures.py": Outcome.tests_not_completed,
    "patches_assertion_error.py": Outcome.wrong_answer,
    "patches_assertions.rb": Outcome.tests_not_completed,
    "redefines_assert.cpp": Outcome.wrong_answer,
    "redefines_macros.rs": Outcome.tests_not_completed,
    "turns_assertions_off.java": Outcome.wrong_answer,
    "lies_about_equality.py": Outcome.tests_not_completed,
    "opens_socket.py": Outcome.runtime_error,
    "binary_output.py": Outcome.passed,
    "nul_output.py": Outcome.wrong_answer,
    "includes_host_file.cpp": Outcome.compile_error,
    "includes_host_file.rs": Outcome.compile_error,
}
EXPECTED = ATTACKS | CHEATS


@pytest.fixture(scope="module")
def problems() -> dict[str, Problem]:
    """The problem in each language, but for its function, which the files hold."""
    found = {problem.language: problem for problem in read_starter() if problem.id == "double_number"}
    return {name: replace(problem, prompt=_OPENINGS.get(name, "")) for name, problem in found.items()}


@pytest.fixture
def sandboxes(bubblewrap) -> Iterator[tuple[Sandbox, Sandbox]]:
    with Sandbox() as one, Sandbox() as other:
        yield one, other
        assert left_behind(one) == []
        assert left_behind(other) == []


def judged(program: Program, expected: Outcome, sandbox: Sandbox, toolbox: Toolbox) -> Judgement:
    """Judge, with little time for a program that is to meet this limit; one that is to fill its memory, which takes
    long on a busy machine, has half as much of it as usual.
    """
    run, compiling = TOOLCHAINS[program.language].run_limits, TOOLCHAINS[program.language].compile_limits
    if expected == Outcome.timeout:
        run = replace(run, wall_s=_SHORT_S)
    if expected == Outcome.compile_timeout:
        compiling = replace(compiling, wall_s=_SHORT_S)
    if expected == Outcome.memory_limit:
        run, compiling = (
            replace(limits, wall_s=_LONG_S, memory_bytes=limits.memory_bytes // 2) for limits in (run, compiling)
        )
    return judge(program, sandbox, toolbox, run, compiling)


def host_files() -> dict[str, tuple[int, float]]:
    """Size and age of what the programs try to change."""
    places = [Path(name) for name in ("/", "/root", "/home", "/srv", "/var/tmp", "/etc", "/usr/local/bin")]
    files = [_EVIL.parent, Path("/etc/passwd"), *_EVIL.iterdir(), *places]
    return {str(path): (path.stat().st_size, path.stat().st_mtime) for path in files if path.exists()}


def test_every_program_has_an_expected_outcome():
    assert {path.name for path in _EVIL.iterdir() if path.suffix in _LANGUAGES} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_evil_program_gets_its_outcome_and_does_no_harm(name, sandboxes, toolbox, problems):
    problem = problems[_LANGUAGES[Path(name).suffix]]
    closing = "}\n" if problem.prompt else ""
    evil = program_of(problem, closing + (_EVIL / name).read_text(), Nonce.draw())
    check(evil, EXPECTED[name], sandboxes, toolbox, problems if name in ATTACKS else None)


def test_a_huge_source_does_no_harm(sandboxes, toolbox, problems):
    source = "def double_number(n):\n    return 2 * n\n\n\n" + "filler = 1\n" * 1_500_000
    check(program_of(problems["python"], source, Nonce.draw()), Outcome.memory_limit, sandboxes, toolbox, problems)


def test_a_source_with_bytes_that_are_no_text_does_not_compile(sandboxes, toolbox, problems):
    source = "def double_number(n):\n    return 2 * n\n\0\n"
    check(program_of(problems["python"], source, Nonce.draw()), Outcome.compile_error, sandboxes, toolbox)


def check(
    evil: Program,
    expected: Outcome,
    sandboxes: tuple[Sandbox, Sandbox],
    toolbox: Toolbox,
    neighbours: dict[str, Problem] | None = None,
) -> None:
    """Judge, and look for harm; with `neighbours`, while one of them is judged again and again in another worker."""
    toolbox.commands(evil, sandboxes[0])
    before = host_files()
    with beside_a_neighbour(neighbours["python"], sandboxes[1], toolbox) if neighbours else nullcontext():
        judgement = judged(evil, expected, sandboxes[0], toolbox)
        assert judgement.outcome == expected, judgement.output
        assert "\0" not in judgement.output
    assert host_files() == before


@contextmanager
def beside_a_neighbour(problem: Problem, sandbox: Sandbox, toolbox: Toolbox) -> Iterator[None]:
    """While the block runs a right program is judged, which must pass, unless the machine is too busy to tell."""
    right = program_of(problem, "def double_number(n):\n    return 2 * n\n", Nonce.draw())
    done = threading.Event()

    def judge_neighbours() -> list[Judgement]:
        seen = [judge(right, sandbox, toolbox)]
        while not done.is_set():
            seen.append(judge(right, sandbox, toolbox))
        return seen

    with ThreadPoolExecutor(1) as threads:
        neighbour = threads.submit(judge_neighbours)
        try:
            yield
        finally:
            done.set()
        assert {judgement.outcome for judgement in neighbour.result() if not judgement.doubtful} == {Outcome.passed}
