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

from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter
from tests.multipl_judge.judge.conftest import left_behind

_EVIL = Path(__file__).parent / "evil"
_LANGUAGES = {".py": "python", ".java": "java", ".cpp": "cpp", ".rs": "rust", ".go": "go", ".rb": "ruby"}
# Where functions end with a brace, the problem's own function is an empty one, closed before the file begins.
_OPENINGS = {
    "java": "class Solution {\nstatic void opening() {\n",
    "cpp": "void opening() {\n",
    "rust": "fn opening() {\n",
    "go": "func opening() {\n",
}
# What differs from the starter problem where a program needs other tests, or another form.
_X_JAVA = {
    "form": "humaneval_x",
    "prompt": "import java.util.*;\n\nclass Solution {\npublic void opening() {\n",
    "tests": "public class Main {\n    public static void main(String[] args) {\n        Solution s = new Solution();\n"
    "        List<Boolean> correct = Arrays.asList(s.doubleNumber(4) == 8, s.doubleNumber(0) == 0);\n"
    "        if (correct.contains(false)) {\n            throw new AssertionError();\n        }\n    }\n}\n",
}
_CPP_TESTS = "void tests() {{\n    assert({});\n}}\n"
_GO_TESTS = 'func tests(t *testing.T) {{\n\tif {} {{\n\t\tt.Fatal("failed")\n\t}}\n}}\n'
_JAVA_TESTS = "    static void tests() {{\n        {}\n    }}\n"
_RUST_TESTS = "fn tests() {{\n    {}\n}}\n"
CHANGES: dict[str, dict[str, str]] = {
    "shadows_abs.py": {
        "form": "human_eval",
        "tests": "def check(candidate):\n    assert abs(candidate(2) - 4) < 1e-6\n",
    },
    "jumps_over_tests.py": {"form": "human_eval", "tests": "def check(candidate):\n    assert candidate(2) == 4\n"},
    "writes_modules.py": {"tests": "import statistics\nassert statistics.mean([double_number(2)]) == 4\n"},
    "yields_lies.py": {"tests": "assert list(double_number(2)) == [4]\n"},
    "subtracts_to_nothing.py": {"tests": "assert abs(double_number(2) - 4) < 1e-6\n"},
    "stops_iteration.py": {"tests": "assert all(map(lambda pair: double_number(pair[0]) == pair[1], [(1, 2)]))\n"},
    "coerces.rb": {"tests": "assert((4.0 - double_number(2)).abs < 1e-6)\n"},
    "shadows_bool.rs": {"tests": _RUST_TESTS.format("assert_eq!(is_even(2), true); assert_eq!(is_even(3), false);")},
    "interposes_memcmp.rs": {"tests": _RUST_TESTS.format('assert_eq!(double_text(4), "8");')},
    "own_some.rs": {"tests": _RUST_TESTS.format("assert_eq!(double_number(4), Some(8));")},
    "own_vec.rs": {"tests": _RUST_TESTS.format("assert_eq!(double_all(&[4]), vec![8]);")},
    "const_true.go": {"tests": _GO_TESTS.format("isEven(2) != true")},
    "shadows_int.go": {"tests": _GO_TESTS.format('fmt.Sprintf("%v", doubleNumber(4)) != fmt.Sprintf("%v", int(8))')},
    "shadows_len.go": {"tests": _GO_TESTS.format("len(doubleAll([]int{1, 2, 3})) != 3")},
    "shadows_arrays.java": _X_JAVA,
    "package_java.java": _X_JAVA,
    "nested_objects.java": {
        "prompt": "import java.util.*;\n\nclass Solution {\nstatic void opening() {\n",
        "tests": _JAVA_TESTS.format("assert Objects.equals(doubleNumber(4), 8);"),
    },
    "one_integer.java": {
        "tests": _JAVA_TESTS.format("Integer want = 8; Integer got = doubleNumber(4); assert got.equals(want);")
    },
    "field_named_objects.java": {
        "prompt": "import java.util.*;\n\nclass Solution {\nstatic void opening() {\n",
        "tests": _JAVA_TESTS.format("assert Objects.equals(doubleNumber(4), 8);"),
    },
    "skips_subtests.go": {
        "tests": _GO_TESTS.format('!t.Run("test", func(t *testing.T) { if doubleNumber(4) != 8 { t.Fatal() } })')
    },
    "overloads_helper.cpp": {
        "tests": "bool same(std::vector<int> a, std::vector<int> b) {\n    return a == b;\n}\n"
        + _CPP_TESTS.format("(same(double_all({1}), {2}))")
    },
    "overloads_function.cpp": {"prompt": "long double_number(long n) {\n"},
    "own_equality.cpp": {"tests": _CPP_TESTS.format("double_all({1}) == std::vector<int>{2}")},
    "interposes_memcmp.cpp": {"tests": _CPP_TESTS.format('double_text(4) == std::string("8")')},
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
    "kills_everyone.py": Outcome.runtime_error,
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
    "hides_memory.py": Outcome.passed,
    "fills_folders.py": Outcome.memory_limit,
    "blank_lines.go": Outcome.runtime_error,
    "assertion_words.cpp": Outcome.runtime_error,
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
    "exit_hook.py": Outcome.wrong_answer,
    "exit_hook.rb": Outcome.wrong_answer,
    "prints_success.py": Outcome.tests_not_completed,
    "reads_tests.py": Outcome.wrong_answer,
    "overwrites_tests.py": Outcome.wrong_answer,
    "hides_failures.py": Outcome.wrong_answer,
    "patches_assertion_error.py": Outcome.wrong_answer,
    "patches_assertions.rb": Outcome.wrong_answer,
    "redefines_assert.cpp": Outcome.wrong_answer,
    "redefines_macros.rs": Outcome.wrong_answer,
    "turns_assertions_off.java": Outcome.wrong_answer,
    "lies_about_equality.py": Outcome.wrong_answer,
    "leaves_keys.py": Outcome.passed,
    "traces_others.py": Outcome.passed,
    "opens_socket.py": Outcome.runtime_error,
    "binary_output.py": Outcome.passed,
    "nul_output.py": Outcome.wrong_answer,
    "includes_host_file.cpp": Outcome.compile_error,
    "includes_host_file.rs": Outcome.compile_error,
    "shadows_abs.py": Outcome.wrong_answer,
    "replaces_next.py": Outcome.runtime_error,
    "replaces_exec.py": Outcome.wrong_answer,
    "jumps_over_tests.py": Outcome.wrong_answer,
    "writes_modules.py": Outcome.wrong_answer,
    "reads_memory.py": Outcome.wrong_answer,
    "kills_tests.py": Outcome.tests_not_completed,
    "answers_itself.py": Outcome.wrong_answer,
    "borrows_methods.py": Outcome.runtime_error,
    "yields_lies.py": Outcome.tests_not_completed,
    "subtracts_to_nothing.py": Outcome.tests_not_completed,
    "stops_iteration.py": Outcome.runtime_error,
    "coerces.rb": Outcome.runtime_error,
    "overloads_helper.cpp": Outcome.wrong_answer,
    "overloads_function.cpp": Outcome.wrong_answer,
    "field_named_objects.java": Outcome.tests_not_completed,
    "skips_subtests.go": Outcome.wrong_answer,
    "spares_the_control.rs": Outcome.wrong_answer,
    "shadows_bool.rs": Outcome.compile_error,
    "interposes_memcmp.rs": Outcome.compile_error,
    "own_some.rs": Outcome.compile_error,
    "own_vec.rs": Outcome.wrong_answer,
    "renames_std.rs": Outcome.compile_error,
    "leaves_on_panic.rs": Outcome.tests_not_completed,
    "const_true.go": Outcome.compile_error,
    "shadows_int.go": Outcome.compile_error,
    "shadows_len.go": Outcome.compile_error,
    "runs_no_test.go": Outcome.tests_not_completed,
    "ends_goroutine.go": Outcome.runtime_error,
    "own_test_main.go": Outcome.compile_error,
    "links_by_name.go": Outcome.compile_error,
    "spares_the_control.rb": Outcome.wrong_answer,
    "spares_the_pairs.rb": Outcome.wrong_answer,
    "breaks_names.rb": Outcome.passed,
    "prepends_equality.rb": Outcome.wrong_answer,
    "patches_results.rb": Outcome.wrong_answer,
    "searches_objects.rb": Outcome.wrong_answer,
    "lies_about_equality.rb": Outcome.tests_not_completed,
    "unsafe_assertions.java": Outcome.tests_not_completed,
    "shadows_arrays.java": Outcome.tests_not_completed,
    "nested_objects.java": Outcome.tests_not_completed,
    "one_integer.java": Outcome.tests_not_completed,
    "package_java.java": Outcome.compile_error,
    "leaves_when_uncaught.java": Outcome.tests_not_completed,
    "comment_names_class.java": Outcome.passed,
    "long_class_name.java": Outcome.wrong_answer,
    "own_assert_fail.cpp": Outcome.wrong_answer,
    "macro_for_function.cpp": Outcome.wrong_answer,
    "own_equality.cpp": Outcome.tests_not_completed,
    "interposes_memcmp.cpp": Outcome.tests_not_completed,
    "interposes_fork.cpp": Outcome.wrong_answer,
    "tries_answers.cpp": Outcome.wrong_answer,
    "tries_answers.rs": Outcome.wrong_answer,
    "threads.cpp": Outcome.passed,
    "threads.rs": Outcome.passed,
    "jumps_from_abort.cpp": Outcome.tests_not_completed,
    "digraph_macros.cpp": Outcome.wrong_answer,
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
    problem = replace(problems[_LANGUAGES[Path(name).suffix]], **CHANGES.get(name, {}))  # type: ignore[arg-type]
    closing = "}\n" if "opening()" in problem.prompt else ""
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
