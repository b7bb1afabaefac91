"""Parts of programs: a completion closed again, a reference broken on purpose, tests made callable and counted."""

import json
import re

from multipl_judge.languages.harnesses import GO_WORDS, HARNESSES
from multipl_judge.languages.source_text import BRACES, bare_code, body_end, closes_blocks, masked, open_blocks
from multipl_judge.problems.problem import Problem

# Words of Go that the harness uses.
_GO_HARNESS = "bool false nil string true uint16 uint64 uintptr"
_ASSERTION = {
    "python": r"\bassert\w*",
    "java": r"\bassert\w*|\bthrow\b",
    "cpp": r"\bassert\s*\(|\bthrow\b|\b(?:REQUIRE|CHECK)\w*\(",
    "rust": r"\bassert(?:_eq|_ne)?!|\bpanic!",
    "go": r"\bt\.(?:Fatal|Error|Fail)|\bassert\.\w+\(|\bactual:|\bdeepCompare\(|\bpanic\(",
    "ruby": r"\bassert\w*|\braise\b",
}


def closed(problem: Problem, completion: str) -> str:
    """The completion with its function closed, which the stop string that ended it took away.

    Where functions end with a brace or the like, it is added only if exactly that one is missing: a completion that
    was cut in the middle of a loop stays broken, one that is whole stays as it is. Elsewhere it is always missing.
    """
    language = problem.language
    if not closes_blocks(language):
        return completion + HARNESSES[language].closing
    missing = open_blocks(problem.prompt + completion, language) - open_blocks(problem.prompt, language)
    return completion + (HARNESSES[language].closing if missing == 0 else "\n")


def closed_class(problem: Problem, completion: str) -> str:
    """The completion of a Java method with method and class closed."""
    code = closed(problem, completion)
    return code + ("}\n" if open_blocks(problem.prompt + code, problem.language) == 1 else "")


def broken_reference(problem: Problem) -> str | None:
    """The reference with the body of its function replaced by one that fails when it runs.

    None without a reference, or where that is a whole file.

    Signature and helper functions stay, so that it compiles wherever the reference does. If it passes, the tests of
    its problem do not test.
    """
    if problem.reference is None or problem.asks_for_file:
        return None
    body = HARNESSES[problem.language].broken
    if problem.form == "mbpp":
        return f"def {problem.entry_point}(*arguments, **named):\n{body}\n"
    if problem.language in BRACES:
        end = body_end(problem.reference, problem.language)
        return body if end is None else body + "\n}" + problem.reference[end:]
    if problem.language == "python":
        # White space that starts the last line of a docstring is the body's, unless that line is the signature.
        last = problem.prompt.rstrip().rsplit("\n", 1)[-1]
        return (last[: len(last) - len(last.lstrip())] or "    ") + body.strip()
    return failing_body(problem)


def failing_body(problem: Problem) -> str:
    """A completion that only fails when it runs, where a stop string or the form closes the function."""
    body = HARNESSES[problem.language].broken
    return body if problem.prompt.endswith("\n") else "\n" + body


def entered(tests: str) -> str:
    """Java tests that only the harness can run: see `enter` of its main class."""
    begin = re.search(r"\bstatic\s+void\s+(?:tests|main)\s*\([^)]*\)[^{};]*\{", masked(tests, "java"))
    return tests if begin is None else f"{tests[: begin.end()]} HarnessMain.enter();{tests[begin.end() :]}"


def callable_go_tests(
    tests: str, prompt: str = "", name: str = r"(?:Test\w*|main|tests)", called: str = "Tests"
) -> str:
    """Go tests, marked with the words that they use, and a function of theirs that only the harness can run, once.

    Args:
        tests: Go code.
        prompt: what it declares anew is no word of the language.
        name: pattern of the function's name, by default of the first that tests begin with.
        called: its new name, after "harness".
    """
    begins = rf"\bfunc\s+{name}\s*(\([^()]*\))\s*\{{"
    begun = re.sub(begins, rf"func harness{called}\1 {{\n\tharnessEnter()\n", tests, count=1)
    code = bare_code(tests, "go")
    declared = set(re.findall(r"^(?:func|var|const|type)\s+(\w+)", bare_code(prompt, "go") + code, re.MULTILINE))
    for names in re.findall(r"([\w, \t]+):=", code):
        declared |= set(re.findall(r"\w+", names))
    used = {*re.findall(r"\w+", code), *_GO_HARNESS.split()} - declared
    return f"\n{GO_WORDS} {' '.join(sorted(used))}\n{begun}"


def cases_of(problem: Problem) -> tuple[tuple[str, str], ...]:
    """The tests of a problem of the form "stdin", inputs and outputs, or "calls", arguments and answers as JSON."""
    return tuple((given, expected) for given, expected in json.loads(problem.tests))


def tests_run(problem: Problem) -> int:
    """Assertions that stand in the test code outside comments; 0 means that the tests test nothing: all pass them.

    In a language that the table above does not know every line of the tests counts; of cases with a standard input
    those that ask for some output.
    """
    if problem.form == "calls":
        return len(cases_of(problem))
    if problem.form == "stdin":
        return sum(bool(expected.strip()) for _, expected in cases_of(problem))
    code = bare_code(problem.tests, problem.language)
    return len(re.findall(_ASSERTION.get(problem.language, r"\S[^\n]*"), code))
