"""Programs that mean harm, or cheat: each gets the right outcome and leaves nothing; attacks do neighbours no harm.

The programs in `evil` are completions of one small problem. Where a file holds a right function beside its mischief,
it may pass; what counts then is that the mischief had no effect.
"""

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from multipl_judge.judge import scoring
from multipl_judge.judge.judge import judge
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Limits
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter
from tests.multipl_judge.judge.conftest import left_behind

EVIL = Path(__file__).parent / "evil"
LANGUAGES = {".py": "python", ".java": "java", ".cpp": "cpp", ".rs": "rust", ".go": "go", ".rb": "ruby"}
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
_JAVA_PROMPT = "import java.util.*;\n\nclass Solution {\nstatic void opening() {\n"
_CPP_TESTS = "void tests() {{\n    assert({});\n}}\n"
_GO_TESTS = 'func tests(t *testing.T) {{\n\tif {} {{\n\t\tt.Fatal("failed")\n\t}}\n}}\n'
_JAVA_TESTS = "    static void tests() {{\n        {}\n    }}\n"
_RUST_TESTS = "fn tests() {{\n    {}\n}}\n"
_UNIT = (
    "import unittest\nclass Doubles(unittest.TestCase):\n    def test_all(self):\n"
    "        self.assertEqual(double_number(2), 4)\n"
)
_VECTOR_PY = (
    "class Vector:\n    def __init__(self, x): self.x = x\n    def same(self, other): return self.x == other.x\n"
    "SIZE = 1\n"
)
_VECTOR_RB = (
    "class Vector\n  attr_reader :x\n  def initialize(x) = @x = x\n  def same?(other) = x == other.x\nend\n"
    "def double_number(vector)\n"
)
_MAIN_PY = "def test():\n    assert double_number(2) == 4\nif __name__ == '__main__':\n    test()\n"
_CASES_RB = "class Doubles < Test::Unit::TestCase\n  def test_all\n    assert_equal(4, double_number(2))\n  end\nend\n"
# The starter problem with its cases as assertions in the program.
_TESTS = {
    "python": "assert double_number(4) == 8\nassert double_number(0) == 0\nassert double_number(-3) == -6\n",
    "ruby": "assert_equal(8, double_number(4))\nassert_equal(-6, double_number(-3))\n",
    "rust": _RUST_TESTS.format("assert_eq!(double_number(4), 8); assert_eq!(double_number(-3), -6);"),
    "cpp": _CPP_TESTS.format("double_number(4) == 8 && double_number(0) == 0 && double_number(-3) == -6"),
    "go": _GO_TESTS.format("doubleNumber(4) != 8 || doubleNumber(0) != 0 || doubleNumber(-3) != -6"),
    "java": _JAVA_TESTS.format(
        "assert doubleNumber(4) == 8; assert doubleNumber(0) == 0; assert doubleNumber(-3) == -6;"
    ),
}
# Tests, prompts and forms of programs that need others than these.
_GO_ONCE = _GO_TESTS.format("doubleNumber(4) != 8")
_JAVA_ONCE = _JAVA_TESTS.format("assert doubleNumber(4) == 8;")
_JAVA_EQUALS = _JAVA_TESTS.format("assert Objects.equals(doubleNumber(4), 8);")
_RUST_TEXT = _RUST_TESTS.format('assert_eq!(double_text(4), "8");')
_RUST_SOME = _RUST_TESTS.format("assert!(double_number(4).is_some());")
TESTS = {
    "skips_itself.py": f"{_UNIT}result = unittest.TestResult()\n"
    "unittest.defaultTestLoader.loadTestsFromTestCase(Doubles).run(result)\nassert result.wasSuccessful()\n",
    "shadows_method.py": "assert double_number(Vector(2)).same(Vector(4))\n",
    "swallows_failures.py": "def look(x):\n    assert x == 4\ndouble_number(look)\n",
    "names_fields.py": "assert double_number(2).count(4) == 1\n",
    "raises_any_error.py": "try:\n    double_number(2)\nexcept OddError:\n    pass\nelse:\n    assert False\n",
    "writes_modules.py": "import statistics\nassert statistics.mean([double_number(2)]) == 4\n",
    "yields_lies.py": "assert list(double_number(2)) == [4]\n",
    "subtracts_to_nothing.py": "assert abs(double_number(2) - 4) < 1e-6\n",
    "stops_iteration.py": "assert all(map(lambda pair: double_number(pair[0]) == pair[1], [(1, 2)]))\n",
    "swallows_failures.rb": "double_number(2) { |x| assert_equal(4, x) }\n",
    "raises_any_error.rb": "assert_raise(OddError) { double_number(2) }\n",
    "lies_about_nil.rb": "assert_nil(double_number(2))\n",
    "shadows_method.rb": "assert(double_number(Vector.new(2)).same?(Vector.new(4)))\n",
    "coerces.rb": "assert((4.0 - double_number(2)).abs < 1e-6)\n",
    "shadows_bool.rs": _RUST_TESTS.format("assert_eq!(is_even(2), true); assert_eq!(is_even(3), false);"),
    **dict.fromkeys(("interposes_memcmp.rs", "assembles_memcmp.rs"), _RUST_TEXT),
    **dict.fromkeys(("takes_methods.rs", "hides_a_trait.rs"), _RUST_SOME),
    "own_some.rs": _RUST_TESTS.format("assert_eq!(double_number(4), Some(8));"),
    "own_vec.rs": _RUST_TESTS.format("assert_eq!(double_all(&[4]), vec![8]);"),
    "const_true.go": _GO_TESTS.format("isEven(2) != true"),
    "own_min.go": _GO_TESTS.format("min(doubleNumber(4), 8) != 8"),
    "shadows_reflect.go": _GO_TESTS.format("!reflect.DeepEqual(doubleAll([]int{4}), []int{8})"),
    **dict.fromkeys(("calls_by_place.go", "executes_itself.go"), _GO_ONCE),
    "shadows_len.go": _GO_TESTS.format("len(doubleAll([]int{1, 2, 3})) != 3"),
    "skips_subtests.go": _GO_TESTS.format(
        '!t.Run("test", func(t *testing.T) { if doubleNumber(4) != 8 { t.Fatal() } })'
    ),
    **dict.fromkeys(("reflects_on_tests.java", "hidden_class.java"), _JAVA_ONCE),
    **dict.fromkeys(("own_process.java", "handles_failures.java"), _JAVA_ONCE),
    **dict.fromkeys(("nested_objects.java", "field_named_objects.java"), _JAVA_EQUALS),
    "one_integer.java": _JAVA_TESTS.format("Integer want = 8; Integer got = doubleNumber(4); assert got.equals(want);"),
    "overloads_helper.cpp": "bool same(std::vector<int> a, std::vector<int> b) {\n    return a == b;\n}\n"
    + _CPP_TESTS.format("(same(double_all({1}), {2}))"),
    "honest_operators.cpp": _CPP_TESTS.format(
        "(double_all({1}) == std::vector<int>{2}) || double_even(4) == 8 || abs(half(5) - 2.5) < 1e-6"
    ),
    "fast_math.cpp": _CPP_TESTS.format("half(5) == 2.5"),
    "interposes_memcmp.cpp": _CPP_TESTS.format('double_text(4) == std::string("8")'),
}
PROMPTS = {
    **dict.fromkeys(("calls_tests.java", "nested_objects.java", "field_named_objects.java"), _JAVA_PROMPT),
    "shadows_method.py": _VECTOR_PY,
    "shadows_method.rb": _VECTOR_RB,
    "overloads_function.cpp": "long double_number(long n) {\n",
    "pops_macros.cpp": "int double_number(int n) {\n",
}
FORMS: dict[str, dict[str, Any]] = {
    "names_itself.py": {"form": "framework", "tests": _MAIN_PY},
    "reads_input_alone.py": {"form": "framework", "tests": _MAIN_PY},
    "loads_no_tests.py": {
        "form": "framework",
        "tests": f"from doubling import *\n{_UNIT}",
        "extra": {"module": "doubling"},
    },
    "omits_in_framework.rb": {"form": "framework", "tests": _CASES_RB},
    "shadows_abs.py": {
        "form": "human_eval",
        "tests": "def check(candidate):\n    assert abs(candidate(2) - 4) < 1e-6\n",
    },
    "jumps_over_tests.py": {"form": "human_eval", "tests": "def check(candidate):\n    assert candidate(2) == 4\n"},
    "catches_tests.rs": {
        "form": "framework",
        "prompt": "",
        "tests": "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn doubles() {\n"
        "        assert_eq!(double_number(4), 8);\n    }\n}\n",
    },
    "shadows_arrays.java": _X_JAVA,
    "package_java.java": _X_JAVA,
    "calls_main.java": {
        **_X_JAVA,
        "tests": _X_JAVA["tests"]
        .replace("doubleNumber(4) == 8", "isEven(4)")
        .replace("s.doubleNumber(0) == 0", "!s.isEven(1)"),
    },
}
# What takes or breaks something that others need as well: a neighbour is judged beside these.
_ATTACKS = {
    Outcome.timeout: "sleeper.py fork_bomb.py ignores_signals.py closes_output.py",
    Outcome.output_limit: "output_flood.py error_flood.py",
    Outcome.memory_limit: """
        memory_hog.py memory_hogs.py memory_hog.java template_bomb.cpp macro_bomb.cpp includes_zeros.cpp
        fills_folders.py huge.py""",
    Outcome.runtime_error: """
        threads.go kills_everyone.py fills_disk.py deep_recursion.py deep_recursion.cpp blank_lines.go
        assertion_words.cpp""",
    Outcome.passed: "daemon.py deletes_files.py writes_home.py links_out.py links_out.rb hides_memory.py",
    Outcome.compile_timeout: "endless_constant.cpp endless_constant.rs",
}
# What only its own outcome is to gain from, or that takes nothing from anybody.
_CHEATS = {
    Outcome.tests_not_completed: """
        exits_early.py exits_early.rs exits_hard.py exits_on_import.py static_exit.cpp static_exit.java init_exit.go
        prints_success.py kills_tests.py yields_lies.py subtracts_to_nothing.py field_named_objects.java
        leaves_on_panic.rs runs_no_test.go lies_about_equality.rb unsafe_assertions.java shadows_arrays.java
        nested_objects.java one_integer.java leaves_when_uncaught.java interposes_memcmp.cpp jumps_from_abort.cpp
        executes_itself.cpp executes_itself.go lies_about_nil.rb""",
    Outcome.wrong_answer: """
        skips_itself.py names_fields.py swallows_failures.py names_itself.py loads_no_tests.py swallows_failures.rb
        shadows_method.rb raises_any_error.rb replaces_next.py
        exit_hook.py exit_hook.rb reads_tests.py overwrites_tests.py hides_failures.py patches_assertion_error.py
        patches_assertions.rb turns_assertions_off.java
        lies_about_equality.py nul_output.py shadows_abs.py replaces_exec.py jumps_over_tests.py writes_modules.py
        reads_memory.py answers_itself.py overloads_helper.cpp overloads_function.cpp skips_subtests.go
        spares_the_control.rs own_vec.rs spares_the_control.rb spares_the_pairs.rb prepends_equality.rb
        patches_results.rb searches_objects.rb long_class_name.java macro_for_function.cpp tries_answers.cpp
        tries_answers.rs digraph_macros.cpp leaves_by_its_name.cpp fast_math.cpp honest_operators.cpp runs_children.go
        own_process.java""",
    Outcome.passed: """
        reads_input_alone.py leaves_keys.py traces_others.py binary_output.py breaks_names.rb comment_names_class.java
        threads.cpp threads.rs""",
    Outcome.runtime_error: """
        forges_values.py shadows_method.py raises_any_error.py interrupts_tests.py omits_itself.rb
        forges_omission.rb omits_in_framework.rb interrupts_tests.rb
        borrows_methods.py stops_iteration.py coerces.rb ends_goroutine.go
        executes_itself.rs runs_main_again.rs calls_by_place.go calls_tests.java calls_main.java reflects_on_tests.java
        hidden_class.java handles_failures.java""",
    Outcome.compile_error: """
        includes_host_file.cpp includes_host_file.rs shadows_bool.rs interposes_memcmp.rs own_some.rs renames_std.rs
        const_true.go shadows_len.go own_test_main.go links_by_name.go package_java.java no_text.py pops_macros.cpp
        catches_tests.rs takes_methods.rs hides_a_trait.rs assembles_memcmp.rs calls_tests.go shadows_reflect.go
        own_min.go""",
}
ATTACKS, CHEATS = (
    {name: outcome for outcome, names in table.items() for name in names.split()} for table in (_ATTACKS, _CHEATS)
)
EXPECTED = ATTACKS | CHEATS


_DOUBLE = "def double_number(n):\n    return 2 * n\n"
WRITTEN = {"huge.py": f"{_DOUBLE}\n\n" + "filler = 1\n" * 1_500_000, "no_text.py": f"{_DOUBLE}\0\n"}
_SHORT_S, _LONG_S = 1.0, 300.0


class Watched(Sandbox):
    """A sandbox that tells, as it closes, which processes are left."""

    left: ClassVar[list[str]] = []

    def close(self) -> None:
        self.left.extend(left_behind(self))
        super().close()


class Batch(NamedTuple):
    """What came of programs that were judged together, and of all else on the machine."""

    judgements: dict[str, Judgement]
    neighbours: list[Judgement]
    changed_files: set[tuple[str, int, float]]
    left: list[str]


def test_every_program_has_an_expected_outcome():
    assert {path.name for path in EVIL.iterdir() if path.suffix in LANGUAGES} == set(EXPECTED) - set(WRITTEN)


@pytest.fixture(scope="module")
def batches(bubblewrap, request) -> list[Batch]:
    """All programs of this run of the tests, those together that have the same limits."""
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    asked = {item.callspec.params["name"] for item in items} or set(EXPECTED)
    kinds: defaultdict[tuple[bool, Outcome | None], list[str]] = defaultdict(list)
    for name, outcome in EXPECTED.items():
        if name in asked:
            met = {Outcome.compile_timeout: Outcome.timeout, Outcome.memory_limit: outcome, Outcome.timeout: outcome}
            kinds[name in ATTACKS, met.get(outcome)].append(name)
    return [judged(names, limit, beside_a_neighbour=attack) for (attack, limit), names in kinds.items()]


def changed(limits: Limits, limit: Outcome | None) -> Limits:
    """With little time for programs that are to meet this limit; those that are to fill their memory, which takes long
    on a busy machine, have a quarter of it.
    """
    if limit == Outcome.timeout:
        return replace(limits, cpu_s=_SHORT_S)
    return replace(limits, cpu_s=_LONG_S, memory_bytes=limits.memory_bytes // 4) if limit else limits


def judged(names: list[str], limit: Outcome | None, *, beside_a_neighbour: bool) -> Batch:
    toolchains = {
        name: replace(one, run_limits=changed(one.run_limits, limit), compile_limits=changed(one.compile_limits, limit))
        for name, one in TOOLCHAINS.items()
    }
    posed = {
        problem.language: replace(problem, form="starter", tests=_TESTS[problem.language], extra={})
        for problem in read_starter()
        if problem.id == "double_number"
    }

    def program(name: str) -> Program:
        language = LANGUAGES[Path(name).suffix]
        prompt = PROMPTS.get(name, _OPENINGS.get(language, ""))
        changes = {"prompt": prompt, "tests": TESTS.get(name, _TESTS[language])} | FORMS.get(name, {})
        problem = replace(posed[language], **changes)
        source = WRITTEN[name] if name in WRITTEN else (EVIL / name).read_text()
        return program_of(problem, "}\n" * ("opening()" in problem.prompt) + source, Nonce.draw())

    before, judgements, neighbours = host_files(), {}, []
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        patch.setattr(scoring, "Sandbox", Watched)
        patch.setattr(Watched, "left", [])
        done = threading.Event()
        right = replace(posed["python"], prompt="")
        beside = [thread.submit(judge_neighbours, right, neighbours, done)] if beside_a_neighbour else []
        try:
            judge_all(
                [Task(name, partial(program, name)) for name in names],
                on_result=lambda task, judgement: judgements.update({task.key: judgement}),
                toolbox=Toolbox(toolchains),
            )
        finally:
            done.set()
        for neighbour in beside:
            neighbour.result()
        return Batch(judgements, neighbours, host_files() ^ before, Watched.left)


def judge_neighbours(right: Problem, seen: list[Judgement], done: threading.Event) -> None:
    """Judge a right program again and again, with pauses in which the others get on."""
    toolbox = Toolbox()
    with Watched() as sandbox:
        while not seen or not done.wait(0.4):
            seen.append(judge(program_of(right, _DOUBLE, Nonce.draw()), sandbox, toolbox))


def host_files() -> set[tuple[str, int, float]]:
    """Size and age of what the programs try to change."""
    places = [Path(name, "evil") for name in ("/", "/root", "/home", "/srv", "/var/tmp", "/etc", "/usr/local/bin")]
    files = [Path("/etc/passwd"), Path("/usr/bin/env"), *EVIL.iterdir(), *places]
    return {(str(path), path.stat().st_size, path.stat().st_mtime) for path in files if path.exists()}


@pytest.mark.parametrize("name", EXPECTED)
def test_an_evil_program_gets_its_outcome(name, batches):
    (judgement,) = (batch.judgements[name] for batch in batches if name in batch.judgements)
    assert judgement.outcome == EXPECTED[name], judgement.output
    assert "\0" not in judgement.output


def test_none_does_harm_or_leaves_anything(batches):
    assert [batch.left for batch in batches if batch.left] == []
    assert [batch.changed_files for batch in batches if batch.changed_files] == []


def test_neighbours_of_attacks_pass_unless_the_machine_is_too_busy_to_tell(batches):
    seen = [judgement for batch in batches for judgement in batch.neighbours]
    assert {judgement.outcome for judgement in seen if not judgement.doubtful} == {Outcome.passed}
