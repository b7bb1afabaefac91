"""What is put around the tests of each language so that they prove that they ran to their end: one table entry each.

A program passes only if the last line that it prints is the seal (`languages.seal`). The ending runs after the last
test. Before it prints it checks that the testing machinery still bites: a control assertion that must fail, with the
macros and classes as the completion left them. If the control does not fail, nothing is printed. The seal's text is
computed while the program runs; it stands neither in the source nor among the strings of a binary. A program that digs
the two numbers out of its own memory, or whose results compare by operators of its own (C++, Java, Ruby), is beyond
this.

In the templates `$first` and `$second` are the numbers of the seal, `$tests` the tests or the call that runs them.
"""

from dataclasses import dataclass
from string import Template

from multipl_moe.languages import python_guard
from multipl_moe.languages.seal import Seal


@dataclass(frozen=True)
class Frame:
    """How programs of one language are framed.

    Attributes:
        guard: goes between completion and tests and undoes what a completion may have redefined.
        ending: goes to the end of the program: runs `$tests`, checks the controls, prints the seal.
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


def ending(language: str, seal: Seal, tests: str) -> str:
    """The ending of a program: runs the tests, checks the controls, prints the seal.

    Args:
        language: key of `FRAMES`.
        seal: what proves that the tests are done.
        tests: code that runs the tests; empty where they run by standing there.
    """
    return Template(FRAMES[language].ending).substitute(first=seal.first, second=seal.second, tests=tests)


_PYTHON_TESTS = """
sealed_names = sealed_builtins.dict(sealed_builtins.globals()$watched)
sealed_builtins.exec(sealed_builtins.compile($quoted, "<tests>", "exec"), sealed_names)
"""

_KEYWORDS = (
    "if else for while return true false bool int long float double char void auto const throw static_cast std main "
    "assert __assert_fail"
)
_CPP_GUARD = "\n" + "".join(f"#undef {word}\n" for word in [*_KEYWORDS.split(), "NDEBUG"])
_CPP_GUARD += "#include <cassert>\n#include <cstdio>\n#include <iostream>\n"
# The control is a process of its own that must end by the abort of a failed assertion: signal 6. It says nothing and,
# not being dumpable (option 4), leaves no core. Headers would bring names that the program may have used for its own.
_CPP_ENDING = r"""
extern "C" int sealed_fork() __asm__("fork");
extern "C" int sealed_wait(int, int*, int) __asm__("waitpid");
extern "C" int sealed_option(int, ...) __asm__("prctl");
extern "C" int sealed_close(int) __asm__("close");
extern "C" void sealed_exit(int) __asm__("_exit");

int main() {
    $tests
    int sealed_status = 0;
    const int sealed_child = sealed_fork();
    if (sealed_child == 0) {
        sealed_option(4, 0L);
        sealed_close(2);
        assert(1 > 2);
        sealed_exit(0);
    }
    if (sealed_wait(sealed_child, &sealed_status, 0) != sealed_child || (sealed_status & 127) != 6) return 0;
    volatile unsigned long long sealed_first = ${first}ULL, sealed_second = ${second}ULL;
    std::cout.flush();
    std::printf("\nsealed %llu\n", sealed_first ^ sealed_second);
    std::fflush(stdout);
    return 0;
}
"""

_JAVA_ENDING = r"""
public class Sealed {
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
            java.lang.System.out.println("\nsealed " + (numbers[0] ^ numbers[1]));
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
        ::std::println!("\nsealed {}", numbers[0] ^ numbers[1]);
    }
}
"""

GO_IMPORTS = 'import (\n\tsealedfmt "fmt"\n\tsealedtesting "testing"\n)\n'
# TestMain comes last of all: the testing package itself prints a line when the tests have passed.
_GO_ENDING = r"""
// Compiles only while panic is the language's own: after any other function a return would be missing.
func sealedPanic() int {
	panic("control")
}

var sealedDone = false
var sealedNumbers = [2]uint64{$first, $second}

func TestSealed(t *sealedtesting.T) {
	$tests
	sealedDone = !t.Failed() && 1 != 2 && !false
}

func TestMain(m *sealedtesting.M) {
	if m.Run() == 0 && sealedDone {
		sealedfmt.Printf("\nsealed %d\n", sealedNumbers[0]^sealedNumbers[1])
	}
}
"""

_RUBY_ENDING = r"""
$tests
sealed_pairs = [[1, 2], [1.5, 2.5], ["a", "b"], [:a, :b], [true, false], [nil, 0], [[1], [2]], [{1 => 1}, {1 => 2}]]
if sealed_pairs.all? { |left, right| left != right && !(left == right) }
  sealed_numbers = [$first, $second]
  STDOUT.print("\nsealed ", sealed_numbers[0] ^ sealed_numbers[1], "\n")
  STDOUT.flush
end
"""
_RUBY_TESTS = """
require 'test/unit'
class SealedTests < Test::Unit::TestCase
  def test_all
$tests
  end
end
"""
RUBY_CASES = r"""
Test::Unit::AutoRunner.need_auto_run = false
class SealedControl < Test::Unit::TestCase
  def test_numbers = assert_equal(1, 2)
  def test_strings = assert_equal("a", "b")
  def test_arrays = assert_equal([1], [2])
  def test_truth = assert(false)
end
require 'test/unit/ui/console/testrunner'
def sealed_run(test_case)
  level = Test::Unit::UI::Console::OutputLevel::SILENT
  Test::Unit::UI::Console::TestRunner.new(test_case.suite, output_level: level).start
end
sealed_result = sealed_run($test_case)
sealed_result.faults.each { |fault| STDERR.puts("#{fault.label}: #{fault.short_display}", fault.long_display) }
exit(1) unless sealed_result.passed? && sealed_result.run_count > 0
exit(0) unless sealed_run(SealedControl).failure_count == 4
"""

FRAMES: dict[str, Frame] = {
    "python": Frame(
        guard=python_guard.GUARD,
        ending=python_guard.ENDING,
        stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\nassert"),
        closing="\n",
        broken="    raise RuntimeError('broken on purpose')",
        comment="#",
        extension=".py",
        tests=_PYTHON_TESTS,
    ),
    "java": Frame(
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
    "cpp": Frame(
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
    "rust": Frame(
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
    "go": Frame(
        guard="",
        ending=_GO_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    panic("broken on purpose")',
        comment="//",
        extension=".go",
        call="tests(t)",
    ),
    "ruby": Frame(
        guard="",
        ending=_RUBY_ENDING,
        stop=("\nend",),
        closing="\nend\n",
        broken="  raise 'broken on purpose'",
        comment="#",
        extension=".rb",
        tests=_RUBY_TESTS,
        call=Template(RUBY_CASES).safe_substitute(test_case="SealedTests"),
    ),
}
