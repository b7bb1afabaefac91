"""Calls of a function with the values of a case, written in the function's language.

Values are those of JSON. How one is written depends, where a compiler asks for types, on what the function's signature
says: `[1]` is `&[1]` for Rust's `&[i32]` and `::std::vec![1]` for `Vec<i32>`.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from multipl_judge.languages.source_text import masked

_OPENS, _CLOSES = "([{<", ")]}>"
_PRINTABLE = range(0x20, 0x7F)
_RUST_COLLECTION = re.compile(r"(?:\w+::)*(?:Vec|VecDeque|BinaryHeap|LinkedList|HashSet|BTreeSet|HashMap|BTreeMap)$")
_JAVA_LISTS = {"List": "ArrayList", "Collection": "ArrayList", "Iterable": "ArrayList", "ArrayList": "ArrayList"}
_JAVA_SETS = {"Set": "LinkedHashSet", "HashSet": "LinkedHashSet"}
_OCAML_TYPES = {"array", "bool", "char", "float", "int", "list", "option", "string"}
_GENERIC = re.compile(r"(?P<name>[\w.:]+)<(?P<inside>.*)>$", re.DOTALL)


def parameter_types(prompt: str, name: str, language: str) -> list[str]:
    """The types of the parameters of a function as its signature writes them, in order.

    Raises:
        ValueError: the prompt has no such signature.
    """
    code = masked(prompt, language)
    found = list(re.finditer(rf"\b{re.escape(name)}\s*(?:<[^()]*>\s*)?\(", code))
    if not found:
        raise ValueError(f"the prompt has no signature of {name}")
    parts = _split(code[found[-1].end() :])
    if language == "rust":
        return [part.partition(":")[2].strip() for part in parts]
    if language == "go":
        types = [part.partition(" ")[2].strip() for part in parts]
        for place in range(len(types) - 2, -1, -1):  # in `a, b int` the second tells
            types[place] = types[place] or types[place + 1]
        return types
    return [re.sub(r"\s*\b\w+$|\bfinal\s+", "", part.partition("=")[0].strip()).strip() for part in parts]


def ocaml_types(prompt: str, name: str) -> list[str]:
    """The types of the parameters of a function in OCaml, in order, and of its answer.

    Raises:
        ValueError: the prompt has no signature with types, or its answer is of one that cannot be printed.
    """
    code = masked(prompt, "ocaml")
    found = re.findall(rf"\blet\s+(?:rec\s+)?{re.escape(name)}\b([^=]*?):\s*([\w ]+?)\s*=", code)
    if not found:
        raise ValueError(f"the prompt has no signature of {name} with types, as `let {name} (n : int) : int =`")
    given, answer = found[-1]
    if not _OCAML_TYPES.issuperset(answer.split()):
        raise ValueError(f"{name} answers {answer}; only of {', '.join(sorted(_OCAML_TYPES))} can answers be printed")
    return [*re.findall(r"\(\s*\w+\s*:\s*([^()]+?)\s*\)", given), answer]


def call(name: str, values: Sequence[Any], types: Sequence[str] | None, language: str) -> str:
    """A call of a function, as an expression of its language.

    Args:
        values: its arguments, as JSON has them.
        types: of its parameters, where the language is one with types.

    Raises:
        ValueError: the values are not as many as the parameters, or cannot be written as the types say.
    """
    if types is None:
        written = [repr(value) if language == "python" else _PLAIN[language].write(value) for value in values]
    elif len(types) != len(values):
        raise ValueError(f"{name} has {len(types)} parameters, a case {len(values)} arguments")
    else:
        written = [_TYPED[language](value, kind) for value, kind in zip(values, types, strict=True)]
    if language == "racket":
        return f"({' '.join([name, *written])})"
    if language in ("haskell", "ocaml"):
        return " ".join([name, *(f"({one})" for one in written or [""] * (language == "ocaml"))])
    return f"{name}({', '.join(written)})"


def _split(text: str) -> list[str]:
    """What stands between commas up to the bracket that closes what the text begins in."""
    depth, start, parts = 0, 0, list[str]()
    for place, letter in enumerate(text):
        depth += (letter in _OPENS) - (letter in _CLOSES and text[place - 1 : place] != "-")
        if depth < 0 or (depth == 0 and letter == ","):
            parts.append(" ".join(text[start:place].split()))
            start = place + 1
        if depth < 0:
            break
    return [part for part in parts if part]


def _inner(kind: str) -> tuple[str, list[str]]:
    """Name and arguments of a generic type; no arguments where it is none."""
    found = _GENERIC.match(kind)
    return (found["name"], _split(f"{found['inside']}>")) if found else (kind, [])


def _is_list(value: Any) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_map(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _unfit(value: Any, kind: str) -> ValueError:
    return ValueError(f"{json.dumps(value)} cannot be written as {kind}")


def _quoted(text: str, escape: Callable[[int], str], mark: str = '"') -> str:
    """A text of printable ASCII as it is, every other character escaped."""
    plain = (
        letter if ord(letter) in _PRINTABLE and letter not in "\"\\'#$" else escape(ord(letter)) for letter in text
    )
    return f"{mark}{''.join(plain)}{mark}"


@dataclass(frozen=True)
class _Plain:
    """How a language writes values for which it asks for no types: formats of lists, maps and what is in them."""

    items: str = "[{}]"
    pairs: tuple[str, str] | None = None
    between: str = ", "
    words: tuple[str, str, str | None] = ("false", "true", "nil")
    escape: str = r"\u{{{:x}}}"

    def write(self, value: Any) -> str:
        if isinstance(value, str):
            return _quoted(value, self.escape.format)
        if _is_list(value):
            return self.items.format(self.between.join(map(self.write, value)))
        if _is_map(value) and self.pairs is not None:
            whole, pair = self.pairs
            return whole.format(
                self.between.join(pair.format(self.write(key), self.write(one)) for key, one in value.items())
            )
        word = self.words[2 if value is None else value] if value is None or isinstance(value, bool) else None
        if word is None and (value is None or isinstance(value, bool | dict)):
            raise _unfit(value, "a value of this language")
        return word or re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value))


def _ocaml(value: Any, kind: str) -> str:
    inner, _, name = kind.rpartition(" ")
    if _is_list(value) and name in ("list", "array"):
        listed = "; ".join(_ocaml(one, inner) for one in value)
        return f"[{listed}]" if name == "list" else f"[|{listed}|]"
    if name == "option":
        return "None" if value is None else f"Some ({_ocaml(value, inner)})"
    if isinstance(value, str) and kind == "string":
        return _quoted(value, r"\u{{{:x}}}".format)
    if isinstance(value, bool) and kind == "bool":
        return json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and kind in ("int", "float"):
        return repr(float(value) if kind == "float" else value)
    raise _unfit(value, kind)


def _rust(value: Any, kind: str) -> str:
    kind = re.sub(r"^&\s*'\w+\s*", "&", kind)
    name, inside = _inner(kind)
    if kind == "&str" and isinstance(value, str):
        return _quoted(value, r"\u{{{:x}}}".format)
    if kind.startswith("&"):
        is_changed = kind.startswith("&mut ")
        return ("&mut " if is_changed else "&") + _rust(value, kind.removeprefix("&mut ").removeprefix("&").strip())
    if name.endswith("Option") and inside:
        return "::std::option::Option::" + ("None" if value is None else f"Some({_rust(value, inside[0])})")
    if name.endswith("String") and isinstance(value, str):
        return f"::std::string::String::from({_rust(value, '&str')})"
    if kind == "char" and isinstance(value, str) and len(value) == 1:
        return _quoted(value, r"\u{{{:x}}}".format, "'")
    if _is_map(value) and _RUST_COLLECTION.match(name):
        pairs = ", ".join(f"({_rust(key, inside[0])}, {_rust(one, inside[1])})" for key, one in value.items())
        return f"::std::vec![{pairs}].into_iter().collect()"
    if _is_list(value):
        return _rust_list(value, kind, name, inside)
    if isinstance(value, bool) and kind == "bool":
        return json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and re.fullmatch(r"[iuf]\w+", kind):
        return repr(float(value) if kind.startswith("f") else value)
    raise _unfit(value, kind)


def _rust_list(value: list[Any], kind: str, name: str, inside: list[str]) -> str:
    if kind.startswith("("):
        parts = _split(f"{kind[1:-1]})")
        if len(parts) == len(value):
            return f"({''.join(f'{_rust(one, part)}, ' for one, part in zip(value, parts, strict=True))})"
    elif kind.startswith("["):
        return f"[{', '.join(_rust(one, kind[1:-1].rpartition(';')[0].strip() or kind[1:-1]) for one in value)}]"
    elif inside and _RUST_COLLECTION.match(name):
        listed = f"::std::vec![{', '.join(_rust(one, inside[0]) for one in value)}]"
        return listed if name.endswith("Vec") else f"{listed}.into_iter().collect()"
    raise _unfit(value, kind)


def _go(value: Any, kind: str, *, named: bool = True) -> str:
    """A composite literal names its type, those inside of it do not."""
    if kind in ("any", "interface{}") and not isinstance(value, list | dict):
        return "nil" if value is None else _go_text(value) if isinstance(value, str) else json.dumps(value)
    if _is_list(value) and (found := re.match(r"\[\d*\]", kind)):
        items = ", ".join(_go(one, kind[found.end() :], named=False) for one in value)
        return f"{kind if named else ''}{{{items}}}"
    if _is_map(value) and (found := re.match(r"map\[(\w+)\]", kind)):
        inner = kind[found.end() :]
        pairs = (f"{_go(key, found[1])}: {_go(one, inner, named=False)}" for key, one in value.items())
        return f"{kind if named else ''}{{{', '.join(pairs)}}}"
    if isinstance(value, str) and kind == "string":
        return _go_text(value)
    if isinstance(value, str) and kind in ("rune", "byte") and len(value) == 1:
        return str(ord(value))
    if isinstance(value, bool) and kind == "bool":
        return json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and re.fullmatch(r"u?int\w*|float\w+", kind):
        return repr(value)
    raise _unfit(value, kind)


def _go_text(value: str) -> str:
    return _quoted(value, r"\U{:08x}".format)


def _java(value: Any, kind: str) -> str:
    name, inside = _inner(kind)
    name = name.rpartition(".")[2]
    if _is_list(value) and kind.endswith("[]"):
        return f"new {re.sub(r'<.*>', '', kind)} {{{', '.join(_java(one, kind[:-2]) for one in value)}}}"
    if _is_list(value) and inside and (made := (_JAVA_LISTS | _JAVA_SETS).get(name)):
        items = ", ".join(_java(one, inside[0]) for one in value)
        return f"new java.util.{made}<{inside[0]}>(java.util.Arrays.<{inside[0]}>asList({items}))"
    if _is_map(value) and len(inside) == 2 and name in ("Map", "HashMap", "LinkedHashMap", "TreeMap"):
        pairs = (f"java.util.Map.entry({_java(key, inside[0])}, {_java(one, inside[1])})" for key, one in value.items())
        made = {"Map": "HashMap"}.get(name, name)
        return f"new java.util.{made}<{kind[kind.index('<') + 1 : -1]}>(java.util.Map.ofEntries({', '.join(pairs)}))"
    if isinstance(value, str) and name in ("String", "Object", "CharSequence"):
        return _quoted(value, _java_escape)
    if isinstance(value, str) and name in ("char", "Character") and len(value) == 1:
        return _quoted(value, _java_escape, "'")
    if isinstance(value, bool) and name in ("boolean", "Boolean", "Object"):
        return json.dumps(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name in ("double", "Double", "float", "Float"):
            return repr(float(value)) + ("f" if name.lower() == "float" else "")
        if isinstance(value, int) and name in ("int", "Integer", "long", "Long", "short", "byte", "Object"):
            return f"({name}) {value}" if name in ("short", "byte") else f"{value}{'L' * (name.lower() == 'long')}"
    if value is None and name[:1].isupper():
        return "null"
    raise _unfit(value, kind)


def _java_escape(code: int) -> str:
    """Octal for what would end the literal if it stood as \\u, which is read before anything else."""
    if code < 0x80:
        return f"\\{code:03o}"
    units = chr(code).encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


def _cpp(value: Any, kind: str) -> str:
    bare = re.sub(r"\bconst\b|&", "", kind).strip()
    made = f"std::remove_cv_t<std::remove_reference_t<{kind}>>"
    if bare.endswith(("*", "]")) and not isinstance(value, str):
        raise _unfit(value, kind)
    return f"harness::lvalue<{made}>({_cpp_items(value, kind)})"


def _cpp_items(value: Any, kind: str) -> str:
    """What braces hold, and all that is no text, gets its type from where it goes."""
    if isinstance(value, str):
        if re.search(r"\bchar\b(?!\s*\*)", kind) and len(value) == 1:
            return _quoted(value, r"\{:03o}".format, "'")
        data = value.encode(errors="surrogatepass").decode("latin-1")
        quoted = _quoted(data, r"\{:03o}".format)
        return (
            quoted if re.search(r"string_view|char\s*(?:const\s*)?\*", kind) else f"std::string({quoted}, {len(data)})"
        )
    if _is_list(value):
        return f"{{{', '.join(_cpp_items(one, kind) for one in value)}}}"
    if _is_map(value):
        pairs = (f"{{{_cpp_items(key, kind)}, {_cpp_items(one, kind)}}}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    return "std::nullopt" if value is None else json.dumps(value)


_PLAIN = {
    "ruby": _Plain(pairs=("{{{}}}", "{} => {}")),
    "lua": _Plain("{{{}}}", ("{{{}}}", "[{}] = {}")),
    "racket": _Plain("(list {})", ("(hash {})", "{} {}"), " ", ("#f", "#t", None), r"\U{:08x}"),
    "elixir": _Plain(pairs=("%{{{}}}", "{} => {}")),
    "haskell": _Plain(words=("False", "True", None), escape="\\{}\\&"),
}
_TYPED: dict[str, Callable[[Any, str], str]] = {"rust": _rust, "go": _go, "java": _java, "cpp": _cpp, "ocaml": _ocaml}
TYPED = tuple(_TYPED)
"""Languages in which the types of a function's parameters say how values are written."""
WRITTEN = ("python", *_PLAIN, *_TYPED)
"""Languages in which calls can be written."""
