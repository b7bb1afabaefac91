"""Import declarations of an answer's own, in languages where they stand before all else in a file.

An answer with a whole function brings them, and its completion begins with them. A model that merely goes on from a
prompt has no place to write any.
"""

import re

from multipl_judge.languages.source_text import without_comments
from multipl_judge.problems.forms.go_file import IMPORT, package_and_rest, used_imports

_DECLARATION = {
    "go": IMPORT.pattern,
    "java": r"^import\s++(?:static\s++)?[\w.]++(?:\*)?\s*+;[^\n]*+\n?",
    # None of the Prelude: without its names a program could give equality, which its tests need, another meaning.
    "haskell": r"^import[ \t](?:(?!\bPrelude\b)[^\n])*+(?:\n[ \t]++(?!\s)(?:(?!\bPrelude\b)[^\n])*+)*+(?:\n|\Z)",
}
_BEGINNING = {language: re.compile(rf"(?:{one}\n*+)+", re.MULTILINE) for language, one in _DECLARATION.items()}
_HASKELL = re.compile(_DECLARATION["haskell"], re.MULTILINE)
_JAVA = re.compile(r"^(import\s++(?:static\s++)?((?:\w+\.)+)(\w+|\*)\s*+;)", re.MULTILINE)
_EVERYWHERE = ("java.", "javax.")  # packages of the JDK


def own_imports(code: str, prompt: str, language: str) -> str:
    """Those in an answer's code that the code needs, each on lines of its own, but for what the prompt imports.

    In Go an unused one is an error, and in Java one of a package that is not there, such as those of tests. In Haskell
    all are taken but those of the Prelude itself.
    """
    if language not in _DECLARATION:
        return ""
    code = without_comments(code, language)
    if language == "go":
        lines = [line for line in used_imports(code) if line.removeprefix("import ") not in prompt]
    elif language == "haskell":
        lines = [found[0].rstrip("\n") for found in _HASKELL.finditer(code)]
    else:
        words = set(re.findall(r"\w+", _JAVA.sub("", code)))
        lines = [
            line
            for line, owner, name in _JAVA.findall(code)
            if line not in prompt and (owner.startswith(_EVERYWHERE) if name == "*" else name in words)
        ]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def with_imports_moved(prompt: str, completion: str, language: str) -> tuple[str, str]:
    """Prompt and completion, with the imports that the completion begins with at the head of the prompt."""
    begun = _BEGINNING[language].match(completion) if language in _BEGINNING else None
    if begun is None:
        return prompt, completion
    head, rest = package_and_rest(prompt) if language == "go" else ("", prompt)
    return f"{head}{begun[0].rstrip()}\n{rest}", completion[begun.end() :]
