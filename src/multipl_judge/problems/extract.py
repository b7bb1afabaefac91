"""The code of an answer that holds the whole function, as a completion of the problem's prompt.

Such an answer repeats the prompt, writes the whole function, helpers around it and often a main of its own. What comes
out is the body of the function and what it needs, without what the prompt and the tests bring; it is final: it is not
cut at stop strings, which are made for models that simply go on. In Python it is the whole module: of several
definitions the last counts, as Python means it. Rust, Go, Java and C++ have a file of their own (`extract_braces`).
What an answer imports in Go, Java and Haskell begins the completion (`forms.own_imports`). In a language with an entry
of its own the answer stands after a function that only fails, whose place it takes (`Entry.whole`), and so it may in
Ruby.
"""

import ast
import re
import textwrap
import warnings
from string import Template

from multipl_judge.languages.entries import ENTRIES
from multipl_judge.languages.source_text import (
    BRACES,
    function_name,
    masked,
    masked_comments,
)
from multipl_judge.problems.extract_braces import BRACE_DEFINITION, brace_body
from multipl_judge.problems.forms import failing_body
from multipl_judge.problems.forms.own_imports import own_imports
from multipl_judge.problems.language_codes import language_of
from multipl_judge.problems.problem import Problem, cut_at_stop

# What goes on to the end of the answer must not begin with a line of tildes alone, as below a heading.
_MARKED_FENCE = re.compile(
    r"^([ \t]*+)((`{3,}+|~{3,}+(?=[ \t]*+\S))|~{3,}+)[ \t]*+([^\s`]*+)[^\n`]*+\n(.*?)(?:^[ \t]*\2|(?(3)\Z|(?!)))",
    re.DOTALL | re.MULTILINE,
)
_DOCSTRING = re.compile(r"[ \t]*(\"\"\"|\'\'\').*?\1\s*\Z", re.DOTALL)
_SEVERAL_FILES = ("cpp", "java")  # where what a program needs may stand in several files that make one
_PLAIN_DEFINITION = {
    "python": r"^[ \t]*(?:async[ \t]+)?def[ \t]+{name}\b",
    "ruby": r"^[ \t]*def[ \t]+(?:self\.)?{name}(?!\w)",
    **BRACE_DEFINITION,
    **{language: entry.definition for language, entry in ENTRIES.items()},
}
_ANY_MENTION = r"(?<!\w){name}(?!\w)"
_RUBY_ENDLESS = re.compile(r"\s*(?:\([^()]*\))?\s*=(?!=)")  # after the function's name
_RUBY_OUTSIDE = re.compile(r"^(?:class|module)\b|^[A-Z]\w*\s*=[^=]", re.MULTILINE)  # what no method may hold
_RUBY_DEFINITION = re.compile(
    r"^def\s+[\w.?!]+\s*(?:\([^()\n]*\))?\s*=(?!=)[^\n]*"
    r"|^(?:def|class|module)\b(?:[^\n]*\bend[ \t]*$|(?s:.{0,9999}?)^end\b)"
    r"|^[A-Z]\w*\s*=[^=](?:[^\n]*\n(?=[ \t}\])]|end\b))*[^\n]*",
    re.MULTILINE,
)
_RUBY_TESTS = re.compile(r"class\s+\w+\s*<\s*(?:Minitest|MiniTest|Test::Unit)\b")
_THOUGHT = "</think>"  # ends what a model says to itself, with drafts
_FUTURE = re.compile(r"^from __future__ import (?:\([^)]*\)|[\w, \t]*)(?:[ \t]*#[^\n]*)?(?:;[ \t]*|\n|\Z)", re.M)
_SETTING_UP = {"setrecursionlimit", "set_int_max_str_digits", "filterwarnings", "seed"}
# What the parser raises: the last two for what is nested, or merely repeated, thousands of times.
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


def completion_of_answer(problem: Problem, answer: str, *, as_written: bool = False) -> str:
    """The completion that an answer with the whole function means.

    Args:
        answer: text with code in a fenced block, an unfinished block, or nothing but code.
        as_written: in Rust, Go, Java and C++ add nothing that the answer lacks (`extract_braces`).
    """
    answer = answer.rpartition(_THOUGHT)[2]
    if problem.asks_for_file:
        return after_prompt(problem, _file(answer, problem.language))
    name = _name(problem)
    code = _code(answer, name, problem.language)
    if problem.form == "mbpp":
        return _without_calls(code)
    if name is None:
        return after_prompt(problem, code)
    if problem.language == "python":
        return _python_module(code, name, problem)
    if _defines(rest := after_prompt(problem, code), name, problem.language):
        code = rest  # the prompt, and the function once more
    if problem.language == "ruby":
        return _ruby_body(code, name, problem)
    if problem.language in BRACES:
        return brace_body(code, name, problem, as_written)
    if problem.language in ENTRIES and _defines(code, name, problem.language):
        return _after_failing(code, name, problem)
    return after_prompt(problem, code)


def continuation_of_answer(problem: Problem, answer: str) -> str | None:
    """What goes on from the prompt in an answer with the whole function, to learn from; None where nothing does.

    `completion_of_answer` may put the function after one that fails, or rename it: that passes the tests, and is
    nothing to learn to write. Here the answer must repeat the prompt from the function's name on, but for comments,
    white space and a docstring, and have no other code before it (`function f(x)` may stand for `local function f(x)`).
    It ends where a model that goes on from the prompt is stopped.
    """
    language, name, answer = problem.language, _name(problem), answer.rpartition(_THOUGHT)[2]
    if name is None or problem.form == "mbpp" or (language not in ENTRIES and language != "python"):
        completion = completion_of_answer(problem, answer, as_written=True)
        return (
            None if language == "ruby" and completion.lstrip().startswith(failing_body(problem).strip()) else completion
        )
    if not _defines(code := _code(answer, name, language), name, language):
        return completion_of_answer(problem, answer)
    for given in (problem.prompt, _DOCSTRING.sub("", problem.prompt)):
        if (rest := _after_code(given, code, name, language)) is not None:
            return cut_at_stop(rest, problem.stop)
    return None


def _after_code(given: str, code: str, name: str, language: str) -> str | None:
    """The code after what is given from the function's name on; None where it begins otherwise, or with other code."""
    defined = [(text, _definition(text, name, language)) for text in (given, code)]
    starts = [text.rfind(name, 0, found.end()) for text, found in defined if found]
    if len(starts) < 2:
        return None
    given_bare, written = (masked_comments(text, language) for text in (given, code))
    before, place = iter("".join(given_bare[: starts[0]].split())), starts[1]
    if not all(character in before for character in "".join(written[:place].split())):
        return None
    for character in "".join(given_bare[starts[0] :].split()):
        if not (found := re.compile(rf"\s*{re.escape(character)}").match(written, place)):
            return None
        place = found.end()
    line, newline, after = code[place:].partition("\n")
    return after if newline and not line.strip() and given.endswith("\n") else code[place:]


def is_whole_answer(problem: Problem, text: str, *, is_program: bool = False) -> bool:
    """Whether a text is an answer for `completion_of_answer` and not what simply goes on after the prompt.

    So is one whose first line stands at the margin and that holds the function, in a fenced block or after the prompt
    too; one that goes on and defines the function once more later is none.

    Args:
        is_program: whether its source says that it is a whole program. Then it is enough that it holds the function.
    """
    name = _name(problem)
    rest = text if is_program else after_prompt(problem, text)
    first_line = next((line for line in rest.splitlines() if line.strip()), "")
    if not is_program and first_line[:1] in (" ", "\t"):
        return False
    if is_program and (name is None or problem.form == "mbpp"):
        return True
    if first_line.startswith(("```", "~~~")):
        return True
    if name is None or problem.form == "mbpp":
        return any(language_of(mark) == problem.language for mark, _ in _marked_blocks(rest))
    return any(_defines(code, name, problem.language) for code in (_blocks(rest) or [rest]))


def after_prompt(problem: Problem, text: str) -> str:
    """The text without the prompt that it may begin with; white space around that does not count."""
    if text.startswith(problem.prompt):
        return text[len(problem.prompt) :]
    bare, begun = problem.prompt.strip(), text.lstrip()
    return begun[len(bare) :] if bare and begun.startswith(bare) else text


def _name(problem: Problem) -> str | None:
    if problem.asks_for_file:
        return None
    return function_name(problem.prompt, problem.language) or problem.entry_point


def _defines(code: str, name: str, language: str) -> bool:
    return _definition(code, name, language) is not None


def _definition(code: str, name: str, language: str) -> re.Match[str] | None:
    pattern = _PLAIN_DEFINITION.get(language, _ANY_MENTION).format(name=re.escape(name))
    return re.search(pattern, masked(code, language), re.MULTILINE)


def _code(answer: str, name: str | None, language: str) -> str:
    """The fenced block that defines the function, or the first that names it, or the first; else the answer itself."""
    blocks = _blocks(answer)
    defining = [block for block in blocks if name and _defines(block, name, language)]
    naming = [block for block in blocks if name and re.search(_ANY_MENTION.format(name=re.escape(name)), block)]
    return (defining or naming or blocks or [answer])[0]


def _blocks(answer: str) -> list[str]:
    return [block for _, block in _marked_blocks(answer)]


def _marked_blocks(text: str) -> list[tuple[str, str]]:
    """What each fenced block is marked with, and its code: as far to the left as its fence stands to the right.

    Of a block of Markdown, those in it.
    """
    found = list[tuple[str, str]]()
    for blanks, _, _, mark, block in _MARKED_FENCE.findall(text):
        code = re.sub(rf"^[ \t]{{1,{len(blanks)}}}", "", block, flags=re.MULTILINE) if blanks else block
        found += (_marked_blocks(code) if mark.lower() in ("md", "markdown") else []) or [(mark, code)]
    return found


def _file(answer: str, language: str) -> str:
    """The whole file in an answer: its longest block, or all of them where a program may have several files."""
    blocks = _marked_blocks(answer)
    own = [block for mark, block in blocks if language_of(mark) == language] or _blocks(answer)
    if not own:
        return answer
    return "\n".join(own) if language in _SEVERAL_FILES else max(own, key=len)


def _python_module(code: str, name: str, problem: Problem) -> str:
    """The module after a function that does nothing, as the prompt leaves one open; mere bodies as they are."""
    if not _defines(code, name, "python"):
        return code
    indent = re.match(r"[ \t]*", problem.prompt.rstrip().rsplit("\n", 1)[-1])
    start = "" if problem.prompt.endswith("\n") else "\n"
    margin = (indent[0] if indent else "") or "    "
    code = re.sub(_FUTURE, "", _without_calls(code))
    return f"{start}{margin}pass\n\n\n{code}"


def _without_calls(code: str) -> str:
    """A Python module without the statements that only try it: assertions, calls and `if __name__` blocks."""
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):  # of others' code: "\d", 1if
            module = ast.parse(code)
    except _UNPARSED:
        return code
    lines = re.split(r"\r\n?|\n", code.rstrip("\r\n"))  # what Python takes for lines
    for node in reversed(module.body):
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _sets_up(node.value)
        main = isinstance(node, ast.If) and any(
            isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
        )
        if called or main or isinstance(node, ast.Assert):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines) + "\n"


def _sets_up(call: ast.Call) -> bool:
    """Whether a call changes what later code may do, as `sys.setrecursionlimit`, and tries nothing."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in _SETTING_UP


def _ruby_body(code: str, name: str, problem: Problem) -> str:
    """From the line after the signature to the `end` in the margin; what stands before moves into the body.

    What no method may hold, such as a constant, and what is defined below stand with the function after one that fails,
    and so does one without an `end` or with other arguments than the prompt's.
    """
    signature = re.compile(rf"^def\s+(?:self\.)?{re.escape(name)}(?!\w)([^\n]*)\n?", re.MULTILINE)
    found, given = signature.search(code), signature.search(problem.prompt)
    if not found:
        return code
    start = "" if problem.prompt.endswith("\n") else "\n"
    closing = "\nend\n" if problem.form == "multipl_e" else ""
    failing = f"{start}{failing_body(problem).strip()}\nend\n\n"
    if _RUBY_ENDLESS.match(found[1]):
        return f"{failing}{code.rstrip()}\n" + ("" if closing else "if true")
    end = re.compile(r"^end\b", re.MULTILINE).search(code, found.end())
    if not end:
        return code
    before = re.sub(r"^#[^\n]*\n", "", code[: found.start()], flags=re.MULTILINE).strip()
    below = [one[0].rstrip() for one in _RUBY_DEFINITION.finditer(code, end.end()) if not _RUBY_TESTS.match(one[0])]
    arguments = [re.sub(r"#.*|[\s()]", "", one[1]) for one in (found, given or found)]
    if below or _RUBY_OUTSIDE.search(before) or arguments[0] != arguments[1]:
        return "\n\n".join([failing.rstrip(), before, *below, code[found.start() : end.start()].rstrip()]) + closing
    body = (textwrap.indent(before, "  ") + "\n" if before else "") + code[found.end() : end.start()].rstrip()
    return start + body + closing


def _after_failing(code: str, name: str, problem: Problem) -> str:
    """The answer after the prompt's function, which fails if it is still called: see `Entry.whole`."""
    entry, answered = ENTRIES[problem.language], code
    for pattern, replacement in entry.whole_changes:
        code = re.sub(pattern.replace("$name", re.escape(name)), replacement.replace("$name", name), code)
    signature = masked(problem.prompt, problem.language).rstrip().rsplit("\n", 1)[-1]
    called = re.search(rf"(?<![\w.']){re.escape(name)}(?![\w'])", signature)
    arguments = re.findall(entry.word, re.split("[)=]", signature[called.end() :])[0]) if called else []
    values = {"broken": failing_body(problem), "closing": entry.harness.closing, "name": name, "code": code}
    whole = Template(entry.whole).substitute(values, arguments=" ".join(arguments), listed=", ".join(arguments))
    imports = own_imports(answered, problem.prompt, problem.language)
    return f"{imports}\n{whole}" if imports else whole
