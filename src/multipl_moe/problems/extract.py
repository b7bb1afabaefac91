"""The code of a chat answer, as a completion of the problem's prompt.

An answer repeats the prompt, writes the whole function, helpers around it and often a main of its own. What comes out
is the body of the function and what it needs, without what the prompt and the tests bring; it is final: it is not cut
at stop strings, which are made for models that simply go on. The signature stays the prompt's: an answer that renames
its arguments fails, and so does one that needs what cannot stand after a function (a C++ class) or an import that
MultiPL-E's Go, which has no room for any, does not bring.
"""

import ast
import re
import textwrap

from multipl_moe.languages.source_text import BRACES, body_end, function_name, masked, without_comments
from multipl_moe.problems.problem import Problem

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_DEFINITION = {
    "go": r"\bfunc\s+{name}\s*\([^{{}}]*\{{",
    "rust": r"\bfn\s+{name}\b[^{{}};]*\{{",
    "java": r"[\w>\]]\s+{name}\s*\([^{{}};]*\{{",
    "cpp": r"[\w>&*]\s*\b{name}\s*\([^{{}};]*\{{",
}
# What an answer may hold beside the function that the tests, or the prompt, bring themselves.
_OWN_MAIN = {
    "go": r"\bfunc\s+(?:main|Test\w*|Example\w*)\s*\([^{}]*\{",
    "rust": r"(?:#\[cfg\(test\)\]\s*mod\s+\w+|\bfn\s+main\s*\(\))[^{};]*\{",
    "java": r"\bpublic\s+static\s+void\s+main\s*\([^{};]*\{",
    "cpp": r"\bint\s+main\s*\([^{};]*\{",
}
# What stands at the head of a file and not in a function.
_HEAD = {
    "go": r"^package[^\n]*\n|^import\s*(?:\([^)]*\)|\"[^\"]*\")[^\n]*\n",
    "cpp": r"^[ \t]*(?:#[ \t]*include|using namespace)\b[^\n]*\n",
}
# What the parser raises: the last two for what is nested, or merely repeated, thousands of times.
_UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)


def completion_of_answer(problem: Problem, answer: str) -> str:
    """The completion that a chat answer means.

    Args:
        problem: what was asked.
        answer: text with code in a fenced block, an unfinished block, or nothing but code.
    """
    name = function_name(problem.prompt, problem.language)
    code = _code(answer, name)
    if problem.form == "mbpp":
        return _without_calls(code)
    if name is None:
        return code
    if problem.language == "python":
        return _python_body(code, name, problem.prompt)
    if problem.language == "ruby":
        return _ruby_body(code, name, problem)
    if problem.language in BRACES:
        return _brace_body(code, name, problem)
    return code.removeprefix(problem.prompt)


def _code(answer: str, name: str | None) -> str:
    """The fenced block that holds the function, or the first; the answer itself where nothing is fenced."""
    blocks = _FENCE.findall(answer)
    holding = [block for block in blocks if name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", block)]
    return (holding or blocks or [answer])[0]


def _python_body(code: str, name: str, prompt: str) -> str:
    """The body with imports and helpers moved into it, so that everything is indented like a plain completion."""
    indent = re.match(r"[ \t]*", prompt.rstrip().rsplit("\n", 1)[-1])
    margin = (indent[0] if indent else "") or "    "
    try:
        module = ast.parse(code)
    except _UNPARSED:
        return re.split(rf"^[ \t]*def\s+{name}\b[^\n]*\n", code, maxsplit=1, flags=re.MULTILINE)[-1]
    definition = next((n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
    if definition is None:
        return code
    kept = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    helpers = [node for node in module.body if isinstance(node, kept) and node is not definition]
    body = definition.body[1:] if ast.get_docstring(definition, clean=False) is not None else definition.body
    lines = code.splitlines()
    # A module that has only a docstring for a body does nothing; its completion must still parse.
    inner = _source(lines, body[0], definition.end_lineno) if body else "pass"
    parts = [_source(lines, node, node.end_lineno) for node in helpers] + [textwrap.dedent(inner)]
    return textwrap.indent("\n".join(parts) + "\n", margin)


def _source(lines: list[str], first: ast.stmt, end: int | None) -> str:
    """The lines from a statement's decorators on; of its first line not what stands before it, as `def f(): ` may."""
    begin = min([first.lineno, *(node.lineno for node in getattr(first, "decorator_list", []))])
    kept = lines[begin - 1 : end]
    before = lines[first.lineno - 1].encode()[: first.col_offset].decode()
    if before.strip():
        kept[0] = kept[0][len(before) :]
    return "\n".join(kept)


def _without_calls(code: str) -> str:
    """A Python module without the statements that only try it: assertions, calls and `if __name__` blocks."""
    try:
        module = ast.parse(code)
    except _UNPARSED:
        return code
    lines = code.splitlines()
    for node in reversed(module.body):
        called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
        main = isinstance(node, ast.If) and any(
            isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
        )
        if called or main or isinstance(node, ast.Assert):
            del lines[node.lineno - 1 : node.end_lineno]
    return "\n".join(lines) + "\n"


def _ruby_body(code: str, name: str, problem: Problem) -> str:
    """From the line after the signature to the `end` in the margin; what stands before moves into the body."""
    found = re.search(rf"^def\s+(?:self\.)?{re.escape(name)}(?!\w)[^\n]*\n(.*?)^end\b", code, re.DOTALL | re.MULTILINE)
    if not found:
        return code
    before = re.sub(r"^#[^\n]*\n", "", code[: found.start()], flags=re.MULTILINE).strip()
    body = (textwrap.indent(before, "  ") + "\n" if before else "") + found[1].rstrip()
    start = "" if problem.prompt.endswith("\n") else "\n"
    return start + body + ("\nend\n" if problem.form == "multipl_e" else "")


def _brace_body(code: str, name: str, problem: Problem) -> str:
    """The body and the helpers around the function; the brace that the form or the tests add is left out."""
    language = problem.language
    code = _without_main(code, language)
    found = re.search(_DEFINITION[language].format(name=re.escape(name)), masked(code, language))
    if not found:
        return code
    end = body_end(code[found.end() :], language)
    if end is None:
        return code[found.end() :].lstrip("\n")
    body = code[found.end() : found.end() + end - 1].strip("\n").rstrip()
    before, after = _helpers(code[: found.start()], problem), without_comments(code[found.end() + end :], language)
    if language == "java":
        after = after.rstrip().removesuffix("}").rstrip()
    helpers = "\n".join(part.strip("\n") for part in (before, after) if part.strip())
    if language == "rust":
        # The prompt's arguments are not mutable; an answer may have made its own so.
        mutable = re.findall(r"\bmut\s+(\w+)\s*:", found[0])
        return "\n".join([helpers] * bool(helpers) + [f"    let mut {name} = {name};" for name in mutable] + [body])
    if language == "cpp":
        body, helpers = _declared(code, body, helpers)
    if language == "go" and problem.form == "multipl_e":
        return f"{body}\n}}\n\n{helpers}".rstrip() + "\n"
    return f"{body}\n}}\n\n{helpers}".rstrip().removesuffix("}").rstrip() if helpers else body


def _helpers(before: str, problem: Problem) -> str:
    """Definitions before the function that the prompt does not bring."""
    language = problem.language
    # The last line is the beginning of the definition itself: "bool", "pub", "public static int".
    before = without_comments(before[: before.rfind("\n") + 1], language)
    if language == "java":
        before = re.split(r"\bclass\s+\w+[^{]*\{", before, maxsplit=1)[-1]
    before = re.sub(_HEAD.get(language, r"\Z\A"), "", before, flags=re.MULTILINE)
    lines = (line.rstrip() for line in before.splitlines())
    return "\n".join(line for line in lines if line.strip() == "}" or line.strip() not in problem.prompt).strip("\n")


def _declared(code: str, body: str, helpers: str) -> tuple[str, str]:
    """Body and helpers of C++, where what stands after a function must be declared before its use: in its body."""
    headers = re.findall(r"^(\w[\w:<>,&* ]*?\w+\([^{};]*\))\s*\{", helpers, re.MULTILINE)
    lines = [f"    {header};" for header in headers]
    if re.search(r"^using namespace std;", code, re.MULTILINE):
        lines.insert(0, "    using namespace std;")
        helpers = f"using namespace std;\n{helpers}" if helpers else ""
    return "\n".join([*lines, body]), helpers


def _without_main(code: str, language: str) -> str:
    while found := re.search(_OWN_MAIN[language], masked(code, language)):
        end = body_end(code[found.end() :], language)
        code = code[: found.start()] + (code[found.end() + end :] if end is not None else "")
    return code
