"""Just enough reading of source text: comments, literals and braces, without a parser per language."""

import re
from functools import cache

from multipl_judge.languages.entries import ENTRIES

# Every pattern takes time in proportion to the text, whatever it holds. A comment or literal that does not end goes to
# the end of the text, so that nobody looks for its end twice; and a quotation mark after a backslash opens nothing, so
# that of the marks of a line only one can look in vain.
_LINE_COMMENT = r"//[^\n]*+"
_SLASHES = _LINE_COMMENT + r"|/\*.*?\*/"
_SLASHES_TO_THE_END = _LINE_COMMENT + r"|/\*(?:.*?\*/|.*)"
_STRING = r'(?<!\\)"(?:\\.|[^"\\\n])*+"'
_SINGLE_STRING = r"(?<!\\)'(?:\\.|[^'\\\n])*+'"
_CHARACTER = r"'(?:\\[^'\n]{1,10}|\\'|[^'\\\n])'"
_TRIPLE_STRING = r'"""(?:\\.|[^"\\]|"(?!""))*+(?:"""|\\?\Z)'
_PYTHON_STRING = "|".join([_TRIPLE_STRING, _TRIPLE_STRING.replace('"', "'"), _STRING, _SINGLE_STRING])

# What is read as comments and as literals; a quoted character is one character, so that Rust's lifetimes are none.
# A recipe's own languages join while it is worked on.
COMMENTS = {
    "python": r"#[^\n]*+",
    "ruby": r"#(?!\{)[^\n]*+|^=begin\b(?:.*?^=end\b[^\n]*+|.*)",
    **dict.fromkeys(("cpp", "rust", "java", "go"), _SLASHES_TO_THE_END),
    **{name: entry.comments for name, entry in ENTRIES.items()},
}
_LITERALS = {
    "python": _PYTHON_STRING,
    "ruby": _STRING + "|" + _SINGLE_STRING,
    "cpp": r'R"(?P<mark>[^()\s\\]{0,16})\((?:.*?\)(?P=mark)"|.*)|' + _STRING + "|" + _CHARACTER,
    "rust": r"""(?<!')\b[bc]?r(?P<mark>#*+)"(?:.*?"(?P=mark)|.*)|(?<!\\)"(?:\\.|[^"\\])*+"|'\\u\{[0-9A-Fa-f_]*+\}'|"""
    + _CHARACTER,
    "java": _TRIPLE_STRING + "|" + _STRING + "|" + _CHARACTER,
    "go": r"`[^`]*`|" + _STRING + "|" + _CHARACTER,
    **{name: entry.literals for name, entry in ENTRIES.items()},
}
_SIGNATURE = {
    "python": r"^[ \t]*+def\s+(\w+)",
    "ruby": r"^[ \t]*+def\s+(?:self\.)?(\w+[?!]?)",
    "go": r"^func\s+(\w+)",
    "rust": r"\bfn\s+(\w+)",
    **{name: entry.definition.replace("{name}", f"({entry.word})") for name, entry in ENTRIES.items()},
}
_CALL = re.compile(r"\b(\w++)\s*+\(")
# Languages whose functions end with a brace.
BRACES = frozenset({"cpp", "go", "java", "rust"})
_FLAGS = re.DOTALL | re.MULTILINE
_DOCSTRINGS = ('"' * 3, "'" * 3)


def without_comments(code: str, language: str) -> str:
    """The code with each comment replaced by a blank; literals stay."""
    return _pattern(language).sub(lambda match: match[0] if match["comment"] is None else " ", code)


def masked_comments(code: str, language: str) -> str:
    """The code with comments blanked out, every other character where it was."""
    return _pattern(language).sub(
        lambda match: match[0] if match["comment"] is None else re.sub(r"[^\n]", " ", match[0]), code
    )


def comments(code: str, language: str) -> list[str]:
    """The comments of the code."""
    return [match["comment"] for match in _pattern(language).finditer(code) if match["comment"] is not None]


def bare_code(code: str, language: str) -> str:
    """The code with each comment and each literal replaced by a blank."""
    return _pattern(language).sub(" ", code)


def marked_code(code: str, language: str) -> str:
    """The code with each comment replaced by a blank and each literal by a quotation mark.

    Python's literals in triple quotes go as comments do, which is what most of them are.
    """

    def mark(match: re.Match[str]) -> str:
        is_comment = match["comment"] is not None or (language == "python" and match[0][:3] in _DOCSTRINGS)
        return " " if is_comment else '"'

    return _pattern(language).sub(mark, code)


def masked(code: str, language: str) -> str:
    """The code with comments and literals blanked out, every other character where it was."""
    return _pattern(language).sub(lambda match: re.sub(r"[^\n]", " ", match[0]), code)


def open_blocks(code: str, language: str) -> int:
    """Blocks that are open at the end of the code: braces, or what the language has in their place."""
    bare = bare_code(code, language)
    entry = ENTRIES.get(language)
    opens, closes = (entry and entry.blocks) or (r"\{", r"\}")
    return len(re.findall(opens, bare, re.MULTILINE)) - len(re.findall(closes, bare, re.MULTILINE))


def closes_blocks(language: str) -> bool:
    """Whether it can be seen in a text that a function lacks its end, and nothing else."""
    entry = ENTRIES.get(language)
    return language in BRACES if entry is None else entry.blocks is not None


def body_end(completion: str, language: str) -> int | None:
    """Where in a completion its function, which the prompt opens, is closed: the index after its last brace.

    None if it is still open at the end.
    """
    depth = 1
    for brace in re.finditer(r"[{}]", masked(completion, language)):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return None


def function_name(prompt: str, language: str) -> str | None:
    """Name of the last function of a prompt, the one that is to be completed; None if there is none."""
    code = bare_code(prompt, language)
    if language in ("cpp", "java"):
        found = (_CALL.search(re.split("[;}]", text)[-1]) for text in code.split("{")[:-1])
        names = [match[1] for match in found if match]
    else:
        found = re.finditer(_SIGNATURE.get(language, _CALL.pattern), code, re.MULTILINE)
        names = [next(filter(None, match.groups())) for match in found]
    return names[-1] if names else None


def comment_pattern(line: str | None, block: tuple[str, str] | None) -> str:
    """What the markers of a language make a comment; slashes, if it has none."""
    opening, closing = map(re.escape, block or ("", ""))
    blocks, lines = f"{opening}(?:.*?{closing}|.*)", re.escape(line or "") + r"[^\n]*+"
    return "|".join([blocks] * bool(block) + [lines] * bool(line)) or _SLASHES


def _pattern(language: str) -> re.Pattern[str]:
    return _compiled(COMMENTS.get(language, _SLASHES), _LITERALS.get(language, _STRING))


@cache
def _compiled(comments: str, literals: str) -> re.Pattern[str]:
    return re.compile(f"(?P<comment>{comments})|(?P<literal>{literals})", _FLAGS)
