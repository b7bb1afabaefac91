"""What is put around the tests of each language so that they prove that they ran to their end: one table entry each.

A program passes only if the last line that it prints is the nonce (`languages.program`). The ending runs after the last
test. Before it prints it checks that the testing machinery still bites: a control assertion that must fail, with random
values and with what the completion left of macros and classes (`languages.guards` stands between completion and tests).
If the control does not fail, nothing is printed. The nonce's text is computed while the program runs; it stands neither
in the source nor among the strings of a binary. In Python and Ruby tests and completion run in two processes instead:
`languages.python_guard`, `languages.ruby_guard`. docs/evaluation.md says what stays possible.

In the templates `$first` and `$second` are the numbers of the nonce, `$tests` the tests or the call that runs them,
`$one` and `$two` two random numbers for a control, `$$` a dollar sign.
"""

from string import Template

from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.entry import Harness
from multipl_judge.languages.program import Nonce
from multipl_judge.languages.ruby_guard import CASES
from multipl_judge.languages.sealing import seal
from multipl_judge.languages.table import LANGUAGES

# What a language of a recipe's may fill in; `$controls` is C++'s alone.
PLACEHOLDERS = {
    "ending": ("first", "second", "tests", "one", "two"),
    "tests": ("tests",),
    "call": ("class_name",),
    "answers": ("call", "mark"),
}


def ending(language: str, nonce: Nonce, tests: str, controls: str = "true") -> str:
    """The ending of a program: runs the tests, checks the controls, prints the nonce.

    Args:
        tests: code that runs the tests; empty where they run by standing there.
        controls: for C++, what must be true after them.
    """
    one, two = nonce.numbers(2)
    values = {"first": nonce.first, "second": nonce.second, "tests": tests, "one": one, "two": two}
    return Template(HARNESSES[language].ending).substitute(values, controls=controls)


_CPP_ENDING = (
    f"\nstatic bool harness_entered = false;\n{seal('cpp')}"
    + r"""
int main() {
    if (harness_entered) harness_fail("the tests run once");
    harness_entered = true;
    harness_seal();
    $tests
    if (harness_failed || !($controls)) return 0;
    volatile unsigned long long harness_first = ${first}ULL, harness_second = ${second}ULL;
    std::cout.flush();
    std::printf("\nnonce %llu\n", harness_first ^ harness_second);
    std::fflush(stdout);
    return 0;
}
"""
)

# Tests begin with `enter`. Between it and the start of the program nothing may stand but the tests and what runs them,
# in the thread that the machine itself made: a completion that calls tests is seen, and the end of it.
_JAVA_ENDING = r"""
public class HarnessMain {
    static void enter() {
        java.lang.StackTraceElement[] frames = new java.lang.Throwable().getStackTrace();
        int last = frames.length - 1;
        boolean alone = last > 1 && frames[last].getMethodName().equals("main")
            && java.lang.Thread.currentThread().getClass() == java.lang.Thread.class;
        for (int i = 2; i <= last; i++) {
            java.lang.String name = frames[i].getClassName();
            alone = alone && (name.equals("HarnessMain") || (i < last && name.equals("HarnessAssertions")));
        }
        if (!alone) {
            java.lang.System.err.println("the tests run once, and not by the solution");
            java.lang.Runtime.getRuntime().halt(1);
        }
    }

    public static void main(String[] arguments) throws Throwable {
        $tests
        long[] numbers = {${first}L, ${second}L};
        java.lang.System.out.println("\nnonce " + (numbers[0] ^ numbers[1]));
        java.lang.System.out.flush();
    }
}
"""

_RUST_ENDING = (
    f"\n{seal('rust')}"
    + r"""
static harness_entered: ::std::sync::atomic::AtomicBool = ::std::sync::atomic::AtomicBool::new(false);

fn main() {
    if harness_entered.swap(true, ::std::sync::atomic::Ordering::SeqCst) {
        ::std::process::abort();
    }
    harness_seal();
    $tests
    let passed = harness_open.load(::std::sync::atomic::Ordering::SeqCst) == 0;
    ::std::panic::set_hook(::std::boxed::Box::new(|_| {}));
    let (one, two) = unsafe { (::std::ptr::read_volatile(&${one}i64), ::std::ptr::read_volatile(&${two}i64)) };
    let fails = |check: fn(i64, i64)| ::std::panic::catch_unwind(move || check(one, two)).is_err();
    let bites = fails(|one, two| assert_eq!(one, two))
        && fails(|one, _| assert_ne!(one, one))
        && fails(|one, two| assert!(one == two))
        && fails(|one, two| assert_eq!(one.to_string(), two.to_string()))
        && fails(|one, two| assert_eq!([one], [two]));
    let numbers = [${first}u64, ${second}u64];
    if passed && bites {
        ::std::println!("\nnonce {}", numbers[0] ^ numbers[1]);
    }
}
"""
)

GO_IMPORTS = """import (
	harnessflag "flag"
	harnessfmt "fmt"
	harnessos "os"
	harnesssyscall "syscall"
	harnesstesting "testing"
	harnessunsafe "unsafe"
)
"""
GO_WORDS = "//words of the tests:"
"""Begins a line with words of Go that a program must not declare anew; sources/gotest.go reads it."""
# TestMain comes last of all: the testing package itself prints a line when the tests have passed. A completion may have
# set which tests and subtests are run: that is undone, and a subtest must run.
_GO_ENDING = (
    f"\n{seal('go')}"
    + r"""
var harnessDone = false
var harnessNumbers = [2]uint64{$first, $second}
var harnessOpen = false
var _, _ = harnesssyscall.Getpid, harnessunsafe.Pointer(nil)

// Tests begin with it: they run as often as the harness opens them.
func harnessEnter() {
	if !harnessOpen {
		harnessos.Exit(1)
	}
	harnessOpen = false
}

func TestHarness(t *harnesstesting.T) {
	harnessSeal()
	harnessOpen = true
	$tests
	one, two := harnessfmt.Sprint($one), harnessfmt.Sprint($two)
	ran := false
	t.Run("test num  0", func(*harnesstesting.T) { ran = true })
	harnessDone = ran && !t.Failed() && one != two && one == harnessfmt.Sprint($one)
}

func TestMain(m *harnesstesting.M) {
	harnessflag.Parse()
	for _, name := range []string{"test.run", "test.skip"} {
		harnessflag.Set(name, "")
	}
	if m.Run() == 0 && harnessDone {
		harnessfmt.Printf("\nnonce %d\n", harnessNumbers[0]^harnessNumbers[1])
	}
}
"""
)

# For tests that share a process with the completion, as those of frameworks do; else see `ruby_guard`.
_RUBY_ENDING = r"""
$tests
harness_pairs = [[$one, $two], ["$one", "$two"], [:"$one", :"$two"], [true, false], [nil, $one], [[$one], [$two]]]
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
RUBY_CASES = rf"""
Test::Unit::AutoRunner.need_auto_run = false
class HarnessControl < Test::Unit::TestCase
  def test_numbers = assert_equal(ONE, TWO)
  def test_strings = assert_equal("ONE", "TWO")
  def test_arrays = assert_equal([ONE], [TWO])
  def test_truth = assert(false)
end
require 'test/unit/ui/console/testrunner'
{CASES}
harness_control = Test::Unit::UI::Console::TestRunner.new(HarnessControl.suite, output_level: harness_level).start
exit(0) unless harness_control.failure_count == 4
"""

_HARNESSES = {
    "python": Harness(
        ending="",
        stop=("\nclass", "\ndef", "\n#", "\nif", "\nprint", "\nassert"),
        closing="\n",
        broken="    raise RuntimeError('broken on purpose')",
    ),
    "java": Harness(
        ending=_JAVA_ENDING,
        stop=("\n    }\n",),
        closing="\n    }\n",
        broken='        throw new RuntimeException("broken on purpose");',
        tests="$tests\n}\n",
        call="$class_name.tests(); if (!$class_name.harness_control()) return;",
    ),
    "cpp": Harness(
        ending=_CPP_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    throw "broken on purpose";',
        call="harness_tests();",
        options=("-std=c++17",),
    ),
    "rust": Harness(
        ending=_RUST_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    panic!("broken on purpose")',
        call="harness_tests();",
        options=("--edition=2021",),
    ),
    "go": Harness(
        ending=_GO_ENDING,
        stop=("\n}",),
        closing="\n}\n",
        broken='    panic("broken on purpose")',
        call="harnessTests(t)",
    ),
    "ruby": Harness(
        ending=_RUBY_ENDING,
        stop=("\nend",),
        closing="\nend\n",
        broken="  raise 'broken on purpose'",
        tests=_RUBY_TESTS,
    ),
    **{name: entry.harness for name, entry in ENTRIES.items()},
}
HARNESSES: dict[str, Harness] = {name: harness.of(LANGUAGES[name]) for name, harness in _HARNESSES.items()}
