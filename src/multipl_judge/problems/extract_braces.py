"""The code of a whole function in Rust, Go, Java or C++, as a completion of the prompt that opens it.

What comes out is the function's body, then its helpers: `extract` says which answer means what. The signature stays the
prompt's, so arguments of other names are given these first. In C++ an answer that needs more before its function than
functions stands below the prompt's, which calls it by another name.
"""

import re

from multipl_judge.languages.source_text import body_end, masked, without_comments
from multipl_judge.problems.forms.own_imports import own_imports
from multipl_judge.problems.problem import Problem

BRACE_DEFINITION = {
    "go": r"\bfunc\s+{name}\s*\((?:\b(?:interface|struct)\s*\{{[^{{}}]*\}}|[^{{}}]){{0,2000}}\{{",
    "rust": r"\bfn\s+{name}\b[^{{}};]{{0,2000}}\{{",
    "java": r"[\w>\]]\s+{name}\s*\([^{{}};]{{0,2000}}\{{",
    "cpp": r"[\w>&*]\s*\b{name}\s*\([^{{}};]{{0,2000}}\{{",
}
# What an answer may hold beside the function that the tests, or the prompt, bring themselves.
_OWN_MAIN = {
    "go": r"\bfunc\s+(?:main|Test\w*|Example\w*)\s*\([^{}]{0,2000}\{",
    "rust": r"(?:#\[cfg\(test\)\]\s*mod\s+\w+|\bfn\s+main\s*\(\))[^{};]{0,2000}\{",
    "java": r"\bpublic\s+static\s+void\s+main\s*\([^{};]{0,2000}\{",
    "cpp": r"\bint\s+main\s*\([^{};]{0,2000}\{",
}
# What stands at the head of a file and not in a function.
_HEAD = {
    "go": r"^package[^\n]*\n|^import\s*+(?:\([^()]*+\)|\"[^\"]*+\")[^\n]*\n",
    "cpp": r"^[ \t]*(?:#[ \t]*include|using namespace)\b[^\n]*\n",
}
_JAVA_TYPE = re.compile(
    r"(?:\b(?:public|abstract|final)\s+){0,3}\b(?:class|interface|enum|record)\s+\w+[^{};]{0,2000}\{"
)
# What stands at the margin of C++ and can neither go below a function nor be declared in its body.
_CPP_BEFORE = re.compile(
    r"^(?!using\s+namespace\s+std\b)(?:template|struct|class|enum|union|typedef|namespace|const|constexpr|inline|using"
    r"|static(?![^;={]*\()|[\w:<>,&* ]{1,200}\s\w+(?:\[[^\]\n]*\])*\s*[={;]|#[ \t]*(?!include|pragma))",
    re.MULTILINE,
)
_INCLUDED = re.compile(r"^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"\n]+[>\"])", re.MULTILINE)


def brace_body(code: str, name: str, problem: Problem, as_written: bool = False) -> str:
    """Imports, body, and helpers around the function; the brace that the form or the tests add is left out.

    Args:
        as_written: add nothing that the answer lacks, for what is to be learnt. So an answer fails that needs its own
            argument names, or in C++ what stands before the function.
    """
    language = problem.language
    code = _without_main(code, language)
    if language == "java":
        code = _in_one_class(code, name)
    if not (found := _definition(code, name, language)):
        return code
    if as_written:
        return own_imports(code, problem.prompt, language) + _body(code, found, name, problem, [])
    given = _definition(problem.prompt, name, language) or found
    pairs = list(zip(*(_arguments(one[0], name, language) for one in (given, found)), strict=False))
    renamed = [(old, part, new) for (_, old), (part, new) in pairs if old != new]
    if language == "cpp" and (whole := _below_its_call(code, found, given[0], problem, bool(renamed))):
        return whole
    return own_imports(code, problem.prompt, language) + _body(code, found, name, problem, _rebound(renamed, language))


def _definition(code: str, name: str, language: str) -> re.Match[str] | None:
    return re.search(BRACE_DEFINITION[language].format(name=re.escape(name)), masked(code, language))


def _arguments(head: str, name: str, language: str) -> list[tuple[str, str]]:
    """The arguments in a function's head: each as it is written, without a default, and its name."""
    opening = re.search(rf"\b{re.escape(name)}\s*(?:<[^()]*>)?\s*\(", head)
    parts, depth = [""], 0
    for character in head[opening.end() :].replace("->", "  ") if opening else "":
        depth += (character in "([{<") - (character in ")]}>")
        if depth < 0:
            break
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    pattern = {"rust": r"\s*(?:mut\s+)?(\w+)\s*:", "go": r"\s*(\w+)"}.get(language, r".*?(\w+)\s*(?:\[\s*\]\s*)*\Z")
    plain = [part.split("=")[0].strip() for part in parts]
    return [(part, match[1]) for part in plain if (match := re.match(pattern, part, re.DOTALL))]


def _rebound(renamed: list[tuple[str, str, str]], language: str) -> list[str]:
    """Lines that give the prompt's arguments the answer's names; of (prompt's name, answer's argument, its name)."""
    if not renamed:
        return []
    old, _, new = zip(*renamed, strict=True)
    if language == "rust":
        return [f"    let ({', '.join(new)},) = ({', '.join(old)},);"]
    if set(old) & set(new):
        return []
    if language == "go":
        return [f"\t{', '.join(new)} := {', '.join(old)}", f"\t{', '.join('_' * len(new))} = {', '.join(new)}"]
    return [f"    {part} = {given};" for given, part, _ in renamed]


def _in_one_class(code: str, name: str) -> str:
    """Java with the types that stand beside the function's class in it, as a completion has no place beside it."""
    mask, types, end = masked(code, "java"), list[tuple[re.Match[str], int]](), 0
    while found := _JAVA_TYPE.search(mask, end):
        end = found.end() + (body_end(code[found.end() :], "java") or len(code))
        types.append((found, end))
    at = _definition(code, name, "java")
    own = next(((one, end) for one, end in types if at and one.start() < at.start() < end), None)
    if own is None or len(types) < 2:
        return code
    nested = [
        re.sub(r"^(?:public\b)? ?", "static ", code[one.start() : end]) for one, end in types if (one, end) != own
    ]
    return "\n".join([code[: types[0][0].start()] + code[own[0].start() : own[1] - 1], *nested, "}"])


def _below_its_call(code: str, found: re.Match[str], posed: str, problem: Problem, is_renamed: bool) -> str | None:
    """C++ that calls the answer, by another name, which stands below with all that it needs; None if it can do without.

    Args:
        found, posed: the function's head, in the answer and in the prompt.
    """
    mask, name = masked(code, "cpp"), re.findall(r"(\w+)\s*\(", posed)[0]
    before = mask[: found.start() + 1]
    included, given = (set(_INCLUDED.findall(text)) for text in (code, problem.prompt))
    is_needed = is_renamed or _CPP_BEFORE.search(mask[: before.rfind("\n") + 1])
    is_needed = is_needed or (included - given and "<bits/stdc++.h>" not in given)
    kind = re.sub(r"^[ \t]*#[^\n]*\n", "", re.split("[;}]", before)[-1], flags=re.MULTILINE).lstrip()
    if not is_needed or before.count("{") > before.count("}") or "template" in kind or "operator" in kind:
        return None
    linked = re.sub(r"\b(?:static|inline)\b", lambda word: " " * len(word[0]), kind)
    code = code[: len(before) - len(kind)] + linked + code[len(before) :]
    head = f"{linked.strip()}{found[0][1:-1].rstrip()}"
    answer = re.compile(rf"(?<![\w.>]){re.escape(name)}(?=\s*\()")
    pieces, end = list[str](), 0
    for one in answer.finditer(mask):
        pieces += [code[end : one.start()], f"answer_{name}"]
        end = one.end()
    called = ", ".join(old for _, old in _arguments(posed, name, "cpp"))
    using = ["    using namespace std;"] if re.search(r"^using namespace std;", mask, re.MULTILINE) else []
    lines = [*using, f"    {answer.sub(f'answer_{name}', head)};", f"    return answer_{name}({called});", "}", ""]
    return "\n".join([*lines, "".join([*pieces, code[end:]]).strip(), "", "namespace answer_ends {"])


def _body(code: str, found: re.Match[str], name: str, problem: Problem, first: list[str]) -> str:
    """Body and helpers; `first` are lines that the body begins with."""
    language = problem.language
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
        first = first + [f"    let mut {name} = {name};" for name in re.findall(r"\bmut\s+(\w+)\s*:", found[0])]
        free = re.findall(r"^(?:pub\s+)?fn\s+(\w+)", helpers, re.MULTILINE)
        if not any(re.search(rf"(?:\bsuper::|(?<![\w:.])){one}\(", problem.tests) for one in free):
            return "\n".join([helpers] * bool(helpers) + first + [body])
        # What the tests call stands outside; imports inside, and outside but for names that the prompt imports, too.
        imports = re.findall(r"^use\b[^;]*;", helpers, re.MULTILINE)
        given = set(re.findall(r"\w+", " ".join(re.findall(r"^use\b[^;]*;", problem.prompt, re.MULTILINE))))
        again = [one for one in imports if given.intersection(re.findall(r"\w+(?=\s*[,;}])", one))]
        helpers = re.sub(r"^use\b[^;]*;\n?", lambda use: "" if use[0].strip() in again else use[0], helpers, flags=re.M)
        first = [*imports, *first]
    body = "\n".join([*first, body])
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
        opening = re.search(r"\bclass\s+\w+", before)
        before = before[before.find("{", opening.end()) + 1 :] if opening else before
    before = re.sub(_HEAD.get(language, r"\Z\A"), "", before, flags=re.MULTILINE)
    given = " ".join(without_comments(problem.prompt, language).split())
    kept, definition, depth = list[str](), list[str](), 0
    for line, bare in zip(before.split("\n"), masked(before, language).split("\n"), strict=True):
        definition.append(line.rstrip())
        depth += bare.count("{") - bare.count("}")
        if depth <= 0 and (not bare.strip() or bare.rstrip().endswith((";", "}"))):
            text = " ".join(" ".join(definition).split())
            kept += [] if text in given and text != "}" else definition
            definition = []
    return "\n".join(line for line in [*kept, *definition] if line).strip("\n")


def _declared(code: str, body: str, helpers: str) -> tuple[str, str]:
    """Body and helpers of C++, where what stands after a function must be declared before its use: in its body."""
    headers = re.findall(r"^(\w[\w:<>,&* ]*\w\([^{};]{0,2000}\))\s*+\{", helpers, re.MULTILINE)
    lines = [f"    {header};" for header in headers]
    if re.search(r"^using namespace std;", code, re.MULTILINE):
        lines.insert(0, "    using namespace std;")
        helpers = f"using namespace std;\n{helpers}" if helpers else ""
    return "\n".join([*lines, body]), helpers


def _without_main(code: str, language: str) -> str:
    """The code without mains and tests of its own, read once from begin to end however many there are."""
    mask, kept, position = masked(code, language), [], 0
    pattern = re.compile(_OWN_MAIN[language])
    while found := pattern.search(mask, position):
        kept.append(code[position : found.start()])
        depth, position = 1, len(code)
        for brace in re.compile(r"[{}]").finditer(mask, found.end()):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                position = brace.end()
                break
    return "".join([*kept, code[position:]])
