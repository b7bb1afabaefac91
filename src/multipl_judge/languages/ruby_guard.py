"""Ruby: a program whose tests and completion run in two processes, as `sources/ruby_harness.rb` says."""

import re
from string import Template

from multipl_judge.languages.program import Nonce
from multipl_judge.languages.source_text import masked
from multipl_judge.languages.sources import text_of

CASES = r"""
  harness_level = Test::Unit::UI::Console::OutputLevel::SILENT
  harness_result = Test::Unit::UI::Console::TestRunner.new($test_case.suite, output_level: harness_level).start
  harness_result.faults.each { |fault| STDERR.puts("#{fault.label}: #{fault.short_display}", fault.long_display) }
  exit(1) unless harness_result.faults.empty? && harness_result.pass_count == $test_case.suite.size
  exit(0) if harness_result.pass_count.zero?
"""
"""Runs the tests of `$test_case`, and leaves unless all of them passed."""
_PROGRAM = r"""
harness_code = "$code"
harness_text = "$text"
require 'test/unit'
require 'test/unit/ui/console/testrunner'
Test::Unit::AutoRunner.need_auto_run = false
eval(harness_text, TOPLEVEL_BINDING, 'harness', 1)
harness_tests = "$tests"
harness_run(harness_text, harness_code, "$opening", harness_tests, "$name") do
  eval(harness_tests, TOPLEVEL_BINDING, 'tests', 1)
$cases
  harness_numbers = [$first, $second]
  STDOUT.print("\nnonce ", harness_numbers[0] ^ harness_numbers[1], "\n")
  STDOUT.flush
end
"""
_SPECIAL = re.compile(rb"[^\w .,:;()=+*/<>|&?!'-]")
_OPEN_FUNCTION = re.compile(r"^def\b", re.MULTILINE)


def ruby_program(
    prompt: str, completion: str, tests: str, nonce: Nonce, *, entry_point: str, test_case: str = ""
) -> str:
    """The text of a program that tests a completion.

    Args:
        prompt: what the completion goes on with; the tests see the classes and functions that stand in it before the
            function which it leaves open.
        completion: with its function closed.
        tests: what tests it.
        nonce: what the program prints when the tests have passed.
        entry_point: name of the function under test, "" if it is not known.
        test_case: the class of the tests, "" where they run by standing there.
    """
    opened = [found.start() for found in _OPEN_FUNCTION.finditer(masked(prompt, "ruby"))]
    parts = {
        "code": prompt + completion,
        "text": text_of("ruby_harness.rb"),
        "opening": prompt[: opened[-1]] if opened else "",
        "tests": tests,
        "name": entry_point,
    }
    cases = Template(CASES).safe_substitute(test_case=test_case) if test_case else ""
    literals = {name: quoted(part) for name, part in parts.items()}
    return Template(_PROGRAM).substitute(literals, cases=cases, first=nonce.first, second=nonce.second)


def quoted(text: str) -> str:
    """The inside of a Ruby literal in double quotes; no escape ends in the "a" of a name of the harness."""
    encoded = text.encode(errors="surrogateescape")
    return _SPECIAL.sub(lambda byte: b"\\x%02X" % byte[0][0], encoded).decode()
