"""What is put around the tests of each language so that they prove that they ran to their end: one table entry each.

A program passes only if the last line that it prints is the nonce (`languages.program`). The ending runs after the last
test. Before it prints it checks that the testing machinery still bites: a control assertion that must fail, with the
macros and classes as the completion left them. If the control does not fail, nothing is printed. The nonce's text is
computed while the program runs; it stands neither in the source nor among the strings of a binary. A program that digs
the two numbers out of its own memory, or whose results compare by operators of its own (C++, Java, Ruby), is beyond
this.

In the templates `$first` and `$second` are the numbers of the nonce, `$tests` the tests or the call that runs them.
"""

from dataclasses import dataclass
from string import Template

from multipl_moe.languages import python_guard
from multipl_moe.languages.program import Nonce


@dataclass(frozen=True)
class Harness:
    """How programs of one language are wrapped.

    Attributes:
        guard: goes between completion and tests and undoes what a completion may have redefined.
        ending: goes to the end of the program: runs `$tests`, checks the controls, prints the nonce.
        stop: strings that end a completion of the starter set and of sets in its form.
        closing: what those completions lack, because the stop string that ended them is left out.
        tests: the tests in the starter form: `$tests` as written, `$quoted` as a Python literal, `$watched` a named
            argument that replaces the function under test by a watched one.
        call: what runs them, `$tests` of the ending; `$class_name` is the prompt's first class.
        broken: body that fails whenever it runs and compiles whatever the function returns.
        comment: mark of a line comment.
        extension: of source files, with the dot.
        options: arguments of the compiler for the starter form.
        wants: extras of the toolchain for the starter form.
    """

    guard: str
    ending: str
    stop: tuple[str, ...]
    closing: str
    broken: str
    comment: str
    extension: str
    tests: str = "$tests"
    call: str = ""
    options: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()


def ending(language: str, nonce: Nonce, tests: str) -> str:
    """The ending of a program: runs the tests, checks the controls, prints the nonce.

    Args:
        language: key of `HARNESSES`.
        nonce: what proves that the tests are done.
        tests: code that runs the tests; empty where they run by standing there.
    """
    return Template(HARNESSES[language].ending).substitute(first=nonce.first, second=nonce.second, tests=tests)


_PYTHON_TESTS = """
harness_names = harness_builtins.dict(harness_builtins.globals()$watched)
harness_builtins.exec(harness_builtins.compile($quoted, "<tests>", "exec"), harness_names)
"""

_KEYWORDS = (
    "if else for while return true false bool int long float double char void auto const throw static_cast std main "
    "assert __assert_fail"
)
_CPP_GUARD = (
    "\n"
    + "".join(f"#undef {word}\n" for word in [*_KEYWORDS.split(), "NDEBUG"])
    + "#include <cassert>\n#include <cstdio>\n#include <iostream>\n"
)
# The control is a process of its own that must end by the abort of a failed assertion: signal 6. It says nothing and,
# not being dumpable (option 4), leaves no core. Headers would bring names that the program may have used for its own.
_CPP_ENDING = r"""
extern "C" int harness_fork() __asm__("fork");
extern "C" int harness_wait(int, int*, int) __asm__("waitpid");
extern "C" int harness_option(int, ...) __asm__("prctl");
extern "C" int harness_close(int) __asm__("close");
extern "C" void harness_exit(int) __asm__("_exit");

int main() {
    $tests
    int harness_status = 0;
    const int harness_child = harness_fork();
    if (harness_child == 0) {
        harness_option(4, 0L);
        harness_close(2);
        assert(1 > 2);
        harness_exit(0);
    }
    if (harness_wait(harness_child, &harness_status, 0) != harness_child || (harness_status & 127) != 6) return 0;
    volatile unsigned long long harness_first = ${first}ULL, harness_second = ${second}ULL;
    std::cout.flush();
    std::printf("\nnonce %llu\n", harness_first ^ harness_second);
    std::fflush(stdout);
    return 0;
}
"""

_JAVA_ENDING = r"""
public class HarnessMain {
    public static void main(String[] arguments) throws Throwable {
        $tests
        boolean bites = false;
        try {
            assert false;
        } catch (java.lang.AssertionError error) {
            bites = true;
        }
        long[] numbers = {${first}L, ${second}L};
        if (bites) {
            java.lang.System.out.println("\nnonce " + (numbers[0] ^ numbers[1]));
            java.lang.System.out.flush();
        }
    }
}
"""

_RUST_ENDING = r"""
fn main() {
    $tests
    ::std::panic::set_hook(::std::boxed::Box::new(|_| {}));
    let bites = ::std::panic::catch_unwind(|| assert_eq!(1, 2)).is_err()
        && ::std::panic::catch_unwind(|| assert!(1 > 2)).is_err();
    let numbers = [${first}u64, ${second}u64];
    if bites {
        ::std::println!("\nnonce {}", numbers[0] ^ numbers[1]);
    }
}
"""

GO_IMPORTS = 'import (\n\tharnessfmt "fmt"\n\tharnesstesting "testing"\n)\n'
# TestMain comes last of all: the testing package itself prints a line when the tests have passed.
_GO_ENDING = r"""
// Compiles only while panic is the language's own: after any other function a return would be missing.
func harnessPanic() int {
	panic("control")
}

var harnessDone = false
var harnessNumbers = [2]uint64{$first, $second}

func TestHarness(t *harnesstesting.T) {
	$tests
	harnessDone = !t.Failed() && 1 != 2 && !false
}

func TestMain(m *harnesstesting.M) {
	if m.Run() == 0 && harnessDone {
		harnessfmt.Printf("\nnonce %d\n", harnessNumbers[0]^harnessNumbers[1])
	}
}
"""

_RUBY_ENDING = r"""
$tests
harness_pairs = [[1, 2], [1.5, 2.5], ["a", "b"], [:a, :b], [true, false], [nil, 0], [[1], [2]], [{1 => 1}, {1 => 2}]]
if harness_pairs.all? { |left, right| left != right && !(left == right) }
  harness_numbers = [$first, $second]
  STDOUT.print("\nnonce ", harness_numbers[0] ^ harness_numbers[1], "\n")
  STDOUT.flush
end
"""
_RUBY_TESTS = """
require 'test/unit'
class HarnessTests < Test::Unit::TestCase
  def test_all
$tests
  end
end
"""
RUBY_CASES = r"""
Test::Unit::AutoRunner.need_auto_run = false
class HarnessControl < Test::Unit::TestCase
  def test_numbers = assert_equal(1, 2)
  def test_strings = assert_equal("a", "b")
  def test_arrays = assert_equal([1], [2])
  def test_truth = assert(false)
end
require 'test/unit/ui/console/testrunner'
def harness_run(test_case)
  level = Test::Unit::UI::Console::OutputLevel::SILENT
  Test::Unit::UI::Console::TestRunner.new(test_case.suite, output_level: level).start
end
harness_result = harness_run($test_case)
harness_result.faults.each { |fault| STDERR.puts("#{fault.label}: #{fault.short_display}", fault.long_display) }
exit(1) unless harness_result.passed? && harness_result.run_count > 0
exit(0) unless harness_run(HarnessControl).failure_count == 4
"""

HARNESSES: dict[str, Harness] = {
    "python": Harness(
        guard=python_guard.GUARD,
        ending=python_guard.ENDING,
        stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\nassert"),
        closing="\n",
        broken="    raise RuntimeError('broken on purpose')",
        comment="#",
        extension=".py",
        tests=_PYTHON_TESTS,
    ),
    "java": Harness(
        guard="",
        ending=_JAVA_ENDING,
        stop=("\n    }\n",),
        closing="\n    }\n",
        broken='        throw new RuntimeException("broken on purpose");',
        comment="//",
        extension=".java",
        tests="$tests\n}\n",
        call="$class_name.tests();",
    ),
    "cpp": Harness(
        guard=_CPP_GUARD,
        ending=_CPP_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    throw "broken on purpose";',
        comment="//",
        extension=".cpp",
        call="tests();",
        options=("-std=c++17",),
    ),
    "rust": Harness(
        guard="",
        ending=_RUST_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    panic!("broken on purpose")',
        comment="//",
        extension=".rs",
        call="tests();",
        options=("--edition=2021",),
    ),
    "go": Harness(
        guard="",
        ending=_GO_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    panic("broken on purpose")',
        comment="//",
        extension=".go",
        call="tests(t)",
    ),
    "ruby": Harness(
        guard="",
        ending=_RUBY_ENDING,
        stop=("\nend",),
        closing="\nend\n",
        broken="  raise 'broken on purpose'",
        comment="#",
        extension=".rb",
        tests=_RUBY_TESTS,
        call=Template(RUBY_CASES).safe_substitute(test_case="HarnessTests"),
    ),
}
