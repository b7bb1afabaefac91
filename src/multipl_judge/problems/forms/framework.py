"""The form of whole files with tests in a framework's files: unittest, minitest, go test, cargo test, JUnit, Catch2.

Solution and tests become one program that runs every test by name and then proves it, as in `languages.harnesses`.
Go, Rust and Python keep their frameworks or what these do; of Catch2, JUnit and AssertJ tests see stand-ins.
"""

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

from multipl_judge.languages.guards import cpp_controls, cpp_tests, guard
from multipl_judge.languages.harnesses import RUBY_CASES, ending
from multipl_judge.languages.program import Nonce, Program, python_literal
from multipl_judge.languages.source_text import body_end, masked
from multipl_judge.languages.sources import text_of
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.forms.go_file import go_file
from multipl_judge.problems.forms.parts import callable_go_tests, entered
from multipl_judge.problems.problem import Problem

_PYTHON = """
import sys as harness_sys, types as harness_types, unittest as harness_unittest

def harness_run(
    sources, skips, first, second, one, two, sys=harness_sys, types=harness_types, unittest=harness_unittest,
    compile=compile, exec=exec, len=len, print=print,
):
    class Control(unittest.TestCase):
        def test_numbers(self):
            self.assertEqual(one, two)

        def test_truth(self):
            self.assertTrue(False)

        def test_raising(self):
            with self.assertRaises(ValueError):
                pass

    def outcome(suite):
        return unittest.TextTestRunner(stream=sys.__stderr__, verbosity=0).run(suite)

    loader, output = unittest.TestLoader(), sys.__stdout__
    for module_name, source in sources:
        module = types.ModuleType(module_name)
        sys.modules[module_name] = module
        exec(compile(source, module_name + ".py", "exec"), module.__dict__)
    module.__dict__.pop("load_tests" if "load_tests" not in source else "", None)
    suite = loader.loadTestsFromModule(module)
    number = suite.countTestCases()
    result = outcome(suite)
    left_out = len(result.skipped) + len(result.expectedFailures)
    if not result.wasSuccessful() or (left_out and not skips):
        sys.exit(1)
    control = unittest.TestResult()
    loader.loadTestsFromTestCase(Control).run(control)
    if 0 < number <= result.testsRun + left_out and len(control.failures) == control.testsRun == 3:
        sys.stdout.flush()
        print("\\nnonce", first ^ second, file=output, flush=True)
"""
# The solution runs under a name of its own, and what it may call itself is not asked: `_PYTHON_NAME`.
_PYTHON_PLAIN = """
import sys as harness_sys, types as harness_types

def harness_run(
    solution, tests, first, second, one, two, output=harness_sys.__stdout__, sys=harness_sys, types=harness_types,
    compile=compile, exec=exec, print=print, AssertionError=AssertionError,
):
    sys.modules["solution"] = types.ModuleType("solution")
    names = sys.modules["solution"].__dict__
    exec(compile(solution, "solution.py", "exec"), names)
    exec(compile(tests, "tests.py", "exec"), names)
    for pair in ((one, two), (f"'{one}'", f"'{two}'"), (f"[{one}]", f"[{two}]")):
        try:
            exec(compile(f"assert {pair[0]} == {pair[1]}", "tests.py", "exec"), names)
        except AssertionError:
            continue
        return
    print("\\nnonce", first ^ second, file=output, flush=True)
"""
_PYTHON_NAME = re.compile(r"(?<![\w.])__name__\b")
_PYTHON_SKIPS = re.compile(r"unittest\.skip|\bskip(?:If|Unless|Test)\b|\bSkipTest\b|\bexpectedFailure\b")
_RUBY_BEGINNING = "require 'minitest'\nrequire 'minitest/mock'\nMinitest.seed = 1\n"
_RUBY_ENDING = """
class HarnessControl < Minitest::Test
  def test_numbers = assert_equal(ONE, TWO)
  def test_truth = assert(false)
  def test_raising = assert_raises(ArgumentError) { 1 }
end
def harness_results(test_case) = test_case.runnable_methods.map { |name| test_case.new(name).run }
harness_cases = Minitest::Test.runnables.reject { |kind| kind == Minitest::Test || kind == HarnessControl }
harness_all = harness_cases.flat_map { |kind| harness_results(kind) }
harness_all.flat_map(&:failures).each do |failure|
  STDERR.puts("#{failure.is_a?(Minitest::UnexpectedError) ? 'Error' : 'Failure'}: #{failure.message}")
end
exit(1) unless harness_all.all? { |result| result.failures.empty? } && !harness_all.empty?
exit(0) unless harness_results(HarnessControl).count { |result| result.failures.size == 1 } == 3
"""
_RUBY_LEFT_OUT = re.compile(
    r"^[ \t]*(?:require_relative\b[^\n]*|require ['\"]minitest/(?:autorun|pride)['\"]|skip\b[^\n]*)\n", re.MULTILINE
)
_RUST_TEST = re.compile(
    r"#\[test\]((?:\s*#\[[^\]]*\])*)\s*(?:pub\s+)?fn\s+(\w+)\s*\(\s*\)\s*(->\s*Result)?", re.MULTILINE
)
# Assertions of a test that must panic may fail.
_RUST_PANICKING = """{
        let open = harness_open.load(::std::sync::atomic::Ordering::SeqCst);
        PANICS
        harness_open.store(open, ::std::sync::atomic::Ordering::SeqCst);
    }"""
_ALL_TESTS = "#undef EXERCISM_RUN_ALL_TESTS\n#define EXERCISM_RUN_ALL_TESTS\n"
_JAVA_KIND = re.compile(
    r"^public\s+(?=(?:abstract\s+|final\s+|sealed\s+|non-sealed\s+)*(?:class|interface|enum|record|@interface)\b)",
    re.MULTILINE,
)
_JAVA_CLASS = re.compile(r"^(?:public\s+)?(?:final\s+)?class\s+(\w+)[^\n{]*(\{)", re.MULTILINE)
_JAVA_ANNOTATION = r"@\w+(?:\([^()\n]*\))?\s*"
_JAVA_METHOD = re.compile(
    rf"((?:{_JAVA_ANNOTATION})+)(?:(?:public|protected|private|static|final)\s+)*void\s+(\w+)\s*\(\s*\)"
)
_JAVA_FRAMEWORK = re.compile(
    r"^\s*@(?:Test|Disabled|Ignore|DisplayName|Before|BeforeEach|BeforeAll|After|AfterEach|Tag|Timeout|Nested)\b"
    r"(?:\([^\n]*\))?",
    re.MULTILINE,
)


def framework_program(problem: Problem, completion: str, nonce: Nonce) -> Program:
    """A whole file and the tests of its exercise; where the language is one's own, as files for its test command."""
    if problem.language not in _PROGRAMS:
        files = {**json.loads(problem.extra["files"]), problem.extra["solution"]: problem.prompt + completion}
        return Program(problem.language, problem.prompt + completion, nonce, files=tuple(files.items()))
    return _PROGRAMS[problem.language](problem, problem.prompt + completion, nonce)


def _python(problem: Problem, solution: str, nonce: Nonce) -> Program:
    # By this name a check of the syntax finds what is the answer's.
    code = f"harness_solution_code = {python_literal(solution)}\n"
    name, numbers = problem.extra.get("module"), ", ".join(map(str, (nonce.first, nonce.second, *nonce.numbers(2))))
    if name and re.search(r"\bTestCase\b", problem.tests):
        tests = python_literal(problem.tests)
        sources = f"[({name!r}, harness_solution_code), ({name + '_test'!r}, {tests})]"
        skips = bool(_PYTHON_SKIPS.search(problem.tests))
        return Program("python", f"{_PYTHON}{code}harness_run({sources}, {skips}, {numbers})\n", nonce)
    tests = python_literal(_PYTHON_NAME.sub("'__main__'", problem.tests))
    call = f"harness_run(harness_solution_code, {tests}, {numbers})\n"
    return Program("python", f"{_PYTHON_PLAIN}{code}{call}", nonce)


def _ruby(problem: Problem, solution: str, nonce: Nonce) -> Program:
    tests = _RUBY_LEFT_OUT.sub("", problem.tests)
    one, two = map(str, nonce.numbers(2))
    if cases := re.search(r"^class (\w+) < Test::Unit::TestCase", tests, re.MULTILINE):
        call = RUBY_CASES.replace("$test_case", cases[1]).replace("ONE", one).replace("TWO", two)
        return Program("ruby", f"{solution}\n{tests}\n{ending('ruby', nonce, call)}", nonce)
    if not re.search(r"<\s*Minitest::Test\b", tests):
        return Program("ruby", f"{solution}\n{tests}\n{ending('ruby', nonce, '')}", nonce)
    call = _RUBY_ENDING.replace("ONE", one).replace("TWO", two)
    source = f"{_RUBY_BEGINNING}{solution}\n{tests}\n{ending('ruby', nonce, call)}"
    return Program("ruby", source, nonce, wants=("minitest",))


def _go(problem: Problem, solution: str, nonce: Nonce) -> Program:
    tests = re.sub(r"^package[ \t][^\n]*\n", "", problem.tests, flags=re.MULTILINE)
    names = list(dict.fromkeys(re.findall(r"^func (Test\w*)\(\w+ \*testing\.T\)", tests, re.MULTILINE)))
    for name in names:
        tests = callable_go_tests(re.sub(rf"\b{name}\b", f"harness{name}", tests), name=f"harness{name}", called=name)
    calls = "\n\t".join(f'harnessRun(t, "{name}", harness{name})' for name in names)
    if not names:
        tests, calls = callable_go_tests(tests), "harnessTests()"
    run = (
        "func harnessRun(t *harnesstesting.T, name string, test func(*harnesstesting.T)) {\n"
        "\tharnessOpen = true\n\tt.Run(name, test)\n}\n"
    )
    source = f"{solution}\n{tests}\n{run}{ending('go', nonce, calls)}"
    return Program("go", go_file(source, tests=tests), nonce, wants=("testify",) if "stretchr/testify" in tests else ())


def _rust(problem: Problem, solution: str, nonce: Nonce) -> Program:
    tests = re.sub(r"^[ \t]*#\[(?:ignore|cfg\(test\))[^\n]*\n", "", problem.tests, flags=re.MULTILINE)
    tests = re.sub(r"\bfn\s+main\s*\(", "fn harness_tests(", tests, count=1)
    modules = _rust_modules(tests)
    calls = []
    for test in _RUST_TEST.finditer(tests):
        path = next((f"{name}::" for name, begin, end in modules if begin <= test.start() < end), "")
        call = f"{path}harness_{test[2]}()" + (".unwrap()" if test[3] else "")
        panics = f"assert!(::std::panic::catch_unwind(|| {{ let _ = {call}; }}).is_err());"
        calls.append(_RUST_PANICKING.replace("PANICS", panics) if "should_panic" in test[1] else f"{call};")
    tests = _RUST_TEST.sub(lambda test: f"pub fn harness_{test[2]}() {test[3] or ''}", tests)
    module = problem.extra.get("module")
    solved = f"mod {module} {{\n{solution}\n}}\n" if module else solution
    run = ending("rust", nonce, "\n    ".join(calls) or "harness_tests();")
    guarded = guard("rust", nonce, prompt="", completion=solution, tests=tests)
    return Program("rust", f"{solved}\n{guarded}\n{tests}\n{run}", nonce, ("--edition=2021",))


def _rust_modules(tests: str) -> list[tuple[str, int, int]]:
    """Name, begin and end of each module at the top of the tests."""
    code = masked(tests, "rust")
    found = [(match[1], match.end()) for match in re.finditer(r"^(?:pub\s+)?mod\s+(\w+)\s*\{", code, re.MULTILINE)]
    return [(name, begin, begin + (body_end(tests[begin:], "rust") or len(tests))) for name, begin in found]


def _cpp(problem: Problem, solution: str, nonce: Nonce) -> Program:
    own_include = re.compile(
        r'^[ \t]*#[ \t]*(?:include[ \t]*(?:"[^"\n]*"|<catch2/[^>\n]*>)|pragma[ \t]+once)[^\n]*\n', re.MULTILINE
    )
    solution, given = own_include.sub("", solution), own_include.sub("", problem.tests)
    controls, tests, call = cpp_controls(nonce, given), cpp_tests(given), "harness_tests();"
    if "TEST_CASE" in given:
        tests, call = f"{text_of('catch.hpp')}\n{tests}", "harness_catch::run_cases();"
    guarded = guard("cpp", nonce, prompt="", completion=solution, tests=tests)
    run = ending("cpp", nonce, call, controls)
    source = f"{solution}\n{guarded}\n{_ALL_TESTS}{tests}\n{run}"
    return Program("cpp", source, nonce, ("-std=c++17",))


def _java(problem: Problem, solution: str, nonce: Nonce) -> Program:
    """One file: imports first, no class public but the ending's, test classes that inherit the assertions."""
    text = f"{solution}\n{problem.tests}"
    imports = re.findall(r"^import\s[^;\n]*;", text, re.MULTILINE)
    known = [line for line in imports if not re.search(r"\b(?:org\.junit|junit|org\.assertj)\b", line)]
    tests, calls = _java_tests(_entered_java(_guarded_java(problem.tests, solution, nonce)))
    body = re.sub(r"^(?:import|package)\s[^;\n]*;[^\n]*\n", "", f"{solution}\n{tests}\n", flags=re.MULTILINE)
    body = _JAVA_KIND.sub("", body)
    stand_in, one, two = text_of("HarnessAssertions.java"), *nonce.numbers(2)
    for kind in _JAVA_CLASS.findall(masked(problem.tests, "java"))[:1]:
        fails = f"HarnessAssertions.thrownBy(() -> HarnessAssertions.assertEquals({one}, {two})) != null"
        calls += f"\n        if (!({kind[0]}.harness_control() && {fails})) return;"
    source = "\n".join([*dict.fromkeys(known), body, stand_in, ending("java", nonce, calls)])
    return Program("java", source, nonce)


def _guarded_java(tests: str, solution: str, nonce: Nonce) -> str:
    """Tests whose first class has the guard, which asks for the short names of the stand-in as well."""
    kind = _JAVA_CLASS.search(masked(tests, "java"))
    if kind is None:
        return tests
    words = re.sub(r"\bjava\.[\w.]+", "", text_of("HarnessAssertions.java"))
    control = guard("java", nonce, prompt="", completion=solution, tests=f"{tests}\n{words}")
    return tests[: kind.end()] + control + tests[kind.end() :]


def _entered_java(tests: str) -> str:
    """Tests each of which only the harness can run."""
    code = masked(tests, "java")
    begins = [code.find("{", method.end()) + 1 for method in _JAVA_METHOD.finditer(code) if "@Test" in method[1]]
    parts = [tests[begin:end] for begin, end in pairwise([0, *begins, len(tests)])]
    return " HarnessMain.enter();".join(parts) if begins else entered(tests)


def _java_tests(tests: str) -> tuple[str, str]:
    """The tests without their framework, and what runs them: each on an object of its own."""
    calls: list[str] = []
    code = masked(tests, "java")
    classes = list(_JAVA_CLASS.finditer(code))
    for number, kind in enumerate(classes):
        end = classes[number + 1].start() if number + 1 < len(classes) else len(tests)
        methods = [(method[1], method[2]) for method in _JAVA_METHOD.finditer(code, kind.end(), end)]
        before = "".join(
            f" test.{name}();" for marks, name in methods if re.search(r"@Before(?:Each|All|Class)?\b", marks)
        )
        for marks, name in methods:
            if not re.search(r"@Test\b", marks):
                continue
            expected = re.search(r"expected\s*=\s*([\w.]+)\.class", marks)
            call = (
                f"HarnessAssertions.assertThrows({expected[1]}.class, test::{name});" if expected else f"test.{name}();"
            )
            calls.append(f"{{ {kind[1]} test = new {kind[1]}();{before} {call} }}")
    inheriting = re.sub(
        r"^((?:public\s+)?(?:final\s+)?class\s+\w+)\s*\{", r"\1 extends HarnessAssertions {", tests, flags=re.MULTILINE
    )
    if len(calls) < (num_tests := len(re.findall(r"@Test\b", code))):
        calls.append(f'HarnessAssertions.fail("only {len(calls)} of {num_tests} tests could be read");')
    main = code.find("static void main")
    holding = next((kind[1] for kind in reversed(classes) if kind.start() < main), "Main")
    calls = calls or [f"{holding}.main(arguments);"]
    return _JAVA_FRAMEWORK.sub("", inheriting), "\n        ".join(calls)


_PROGRAMS: Mapping[str, Callable[[Problem, str, Nonce], Program]] = {
    "python": _python,
    "ruby": _ruby,
    "go": _go,
    "rust": _rust,
    "cpp": _cpp,
    "java": _java,
}


def has_framework(language: str) -> bool:
    """Whether tests of a framework can be judged in a language."""
    return language in _PROGRAMS or (language in TOOLCHAINS and TOOLCHAINS[language].test is not None)
