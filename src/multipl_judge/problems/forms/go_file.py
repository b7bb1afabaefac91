"""Go's imports: an unused one is an error, and they all stand before the first declaration."""

import re

from multipl_judge.languages.harnesses import GO_IMPORTS
from multipl_judge.languages.source_text import bare_code, masked

# What a program may use without having asked for it: the packages that solutions of small problems need. The first
# of two packages with one name wins.
_KNOWN = (
    "bytes crypto/md5 errors fmt math math/big math/bits math/rand os reflect regexp "
    "slices sort strconv strings testing time unicode unicode/utf8"
)
_PACKAGE = re.compile(r"^package\s+\w+[^\n]*\n", re.MULTILINE)
IMPORT = re.compile(r"^import\s*+(?:\([^()]*+\)|(?:\w+\s+)?\"[^\"]+\")[^\n]*\n?", re.MULTILINE)
# Where a name begins to mean a variable: after a signature, and after a declaration, whose right side may still use the
# package (`time := time.Now()`). A line with a signature, with the one after it in its second group, and what stands
# before `:=`, are each looked through once, so that no completion takes long.
_SIGNATURE = re.compile(r"\bfunc\b([^\n]*+)(?=(\s*+[^\n]*+))")
_ASSIGNMENT = re.compile(r"(?<![\w\s,])[\w\s,]*+:=[^;\n]*+")
_PARAMETER = r"[(,]\s*+{name}\b(?!\s*\.)[^{{\n]*"
_ASSIGNED = r"(?<![\w.]){name}\s*+(?:,|:=)"
_VARIABLE = r"\b(?:var|const)\s+(?:\w+\s*,\s*)*{name}\b[^;\n]*"
_USE = r"(?<![\w.]){name}\."
_PATH = re.compile(r"^[ \t]*+(?:import\b[ \t]*+\(?)?[ \t]*+(?:([\w.]+)[ \t]+)?\"([^\"]+)\"", re.MULTILINE)


def go_file(source: str, imports: str = "", tests: str = "", own_imports: str = GO_IMPORTS) -> str:
    """A whole file whose import declarations name exactly the packages that it uses.

    Args:
        source: code that may hold a package clause, without which it is package main, and imports.
        imports: more import declarations, which go before those of the source.
        tests: the part of the source whose packages are imported whatever else the source declares by their names.
        own_imports: those of the harness.
    """
    declared = "\n".join([*IMPORT.findall(tests), imports, *IMPORT.findall(source)])
    package, body = package_and_rest(source)
    body = IMPORT.sub("", body)
    code, tests_code = bare_code(body, "go"), bare_code(tests, "go")
    lines: dict[str, str] = {}
    for alias, path in _PATH.findall(declared):
        name = _name(alias, path)
        if name not in lines and (name in ("_", ".") or _names(name, code)):
            lines[name] = f'\t{alias} "{path}"\n'.replace("\t ", "\t")
    for path in _KNOWN.split():
        name = _name("", path)
        if name not in lines and (_uses_package(code, name) or _uses_package(tests_code, name)):
            lines[name] = f'\t"{path}"\n'
    used = f"import (\n{''.join(lines.values())})\n" if lines else ""
    return f"{package or 'package main'}\n{own_imports}{used}{body}"


def used_imports(source: str) -> list[str]:
    """Declarations, each on a line of its own, of what a source imports and its code uses."""
    declared, code = _PATH.findall("\n".join(IMPORT.findall(source))), bare_code(source, "go")
    used = [(alias, path) for alias, path in declared if _names(_name(alias, path), code)]
    return [f'import {alias} "{path}"' if alias else f'import "{path}"' for alias, path in used]


def with_imports(prompt: str, completion: str) -> str:
    """The prompt with the imports that its completion uses, so that both are a file that compiles where no judge helps.

    If either has imports, the prompt stays as it is: they are what an answer may use.
    """
    if IMPORT.search(prompt) or IMPORT.search(completion):
        return prompt
    whole = go_file(prompt + completion, own_imports="")
    return whole.removesuffix(completion) if IMPORT.search(whole) else prompt


def package_and_rest(source: str) -> tuple[str, str]:
    """The line with the package clause, "" if there is none, and the source without it. Comments hold no clause."""
    clause = _PACKAGE.search(masked(source, "go"))
    if clause is None:
        return "", source
    return source[slice(*clause.span())], source[: clause.start()] + source[clause.end() :]


def _name(alias: str, path: str) -> str:
    return alias or path.rsplit("/", 1)[-1]


def _names(name: str, code: str) -> bool:
    return re.search(_USE.format(name=re.escape(name)), code) is not None


def _uses_package(code: str, name: str) -> bool:
    """Whether a function uses the name with a dot where it is not yet a variable's."""
    if re.search(rf"^(?:var|const|type|func)\s+{name}\b", code, re.MULTILINE):
        return False
    for part in re.split(r"^(?=func\b)", code, flags=re.MULTILINE):
        use = re.search(_USE.format(name=name), part)
        if use and use.start() < _hidden_after(part, name):
            return True
    return False


def _hidden_after(code: str, name: str) -> int:
    """Where a name has come to mean a variable; the end of the code if it does not."""
    found: list[tuple[int, int]] = []
    parameter, assigned = (re.compile(pattern.format(name=name)) for pattern in (_PARAMETER, _ASSIGNED))
    for line in _SIGNATURE.finditer(code):
        match = parameter.search(code, line.start(1), line.end(2))
        if match and match.start() < line.end(1):
            found.append((line.start(), match.end()))
            break
    for run in _ASSIGNMENT.finditer(code):
        if match := assigned.search(code, run.start(), run.end()):
            found.append((match.start(), run.end()))
            break
    if match := re.search(_VARIABLE.format(name=name), code):
        found.append(match.span())
    return min(found)[1] if found else len(code)


def with_harness_imports(source: str) -> str:
    """The file as it is, with the imports of the nonce after its package clause."""
    package, rest = package_and_rest(source)
    return f"{package}\n{GO_IMPORTS}{rest}"
