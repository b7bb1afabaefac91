"""Python functions as functions of another language: its head, written by the types of the values in their tests."""

import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Any

from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.problems.own import Call, OwnProblem
from multipl_judge.problems.problem import commented
from multipl_moe.corpus.decontamination.words import KEYWORDS

_TOLERANCE = 1e-6
_MOST = 2**62  # whole numbers have 64 bits, in OCaml 63
_TAKEN = {*KEYWORDS, "main", "init"}
# Words of one language that no function or argument can be called by, and of C++ what `std` has under the name.
_TAKEN_IN = {
    "ruby": "alias freeze initialize inspect then to_s undef",
    "rust": "abstract become box crate dyn macro move override priv pub ref typeof unsized",
    "go": "append cap chan clear close complex copy fallthrough imag len print println real recover string",
    "java": "abstract clone native notify record strictfp synchronized transient volatile wait",
    "cpp": "alignas alignof array asm auto bitand bitor bitset byte compl complex consteval constexpr constinit "
    "decltype deque divides explicit friend function greater hash inline less list minus modulus multiplies mutable "
    "negate noexcept optional pair plus queue rank ratio regex register requires set stack string thread tuple typeid "
    "variant vector volatile wchar_t xor",
    "lua": "end elseif function goto local nil repeat then until",
    "racket": "",
    "elixir": "abs after apply ceil do elem end exit floor fn hd inspect length max min node raise rem rescue round "
    "self send spawn then throw tl trunc when",
    "ocaml": "begin constraint done downto end exception external fun function functor include inherit initializer "
    "lazy match method module mutable new nonrec object of open private rec sig struct then to type val "
    "virtual when",
    "haskell": "abs all and any asTypeOf break ceiling compare concat concatMap const cos curry cycle data deriving "
    "div divMod drop dropWhile elem error even exp fail filter flip floor foldl foldr fromEnum fst gcd "
    "getLine head id init infix infixl infixr instance interact iterate last lcm length lines log lookup "
    "map mapM max maxBound maximum maybe mconcat min minBound minimum mod module negate newtype not "
    "notElem null odd of or pi print product properFraction pure putStr quot quotRem read reads recip rem "
    "repeat replicate reverse round scanl scanr seq sequence show signum sin snd span splitAt sqrt "
    "subtract succ sum tail take takeWhile tan then toEnum traverse truncate type uncurry undefined "
    "unlines until unwords unzip where words zip zipWith",
}


@dataclass(frozen=True)
class _Heads:
    """How a language writes heads of functions; `boxed`: its types in lists, where they differ."""

    head: str
    argument: str = "{name}"
    types: tuple[str, str, str, str, str] = ("", "", "", "", "")
    """bool, int, float, str, and a list of something."""
    boxed: tuple[str, str, str, str] | None = None
    file: str = ""
    margin: str = ""
    between: str = ", "

    def type_of(self, kind: str, in_list: bool = False) -> str:
        if kind.startswith("[]"):
            return self.types[-1].format(self.type_of(kind[2:], True))
        return ((in_list and self.boxed) or self.types)[_KINDS.index(kind)]


_KINDS = ["bool", "int", "float", "str"]
_HEADS = {
    "ruby": _Heads("def {name}({arguments})\n"),
    "rust": _Heads(
        "fn {name}({arguments}) -> {answer} {{\n", "{name}: {type}", ("bool", "i64", "f64", "String", "Vec<{}>")
    ),
    "go": _Heads(
        "func {name}({arguments}) {answer} {{\n",
        "{name} {type}",
        ("bool", "int", "float64", "string", "[]{}"),
        file="package main\n\n",
    ),
    "java": _Heads(
        "static {answer} {name}({arguments}) {{\n",
        "{type} {name}",
        ("boolean", "long", "double", "String", "List<{}>"),
        ("Boolean", "Long", "Double", "String"),
        "import java.util.*;\n\nclass Solution {\n",
        "    ",
    ),
    "cpp": _Heads(
        "{answer} {name}({arguments}) {{\n",
        "{type} {name}",
        ("bool", "long long", "double", "string", "vector<{}>"),
        file="#include <bits/stdc++.h>\nusing namespace std;\n\n",
    ),
    "lua": _Heads("local function {name}({arguments})\n"),
    "racket": _Heads("(define ({name}{gap}{arguments})\n", file="#lang racket\n\n", between=" "),
    "elixir": _Heads("def {name}({arguments}) do\n", file="defmodule Solution do\n", margin="  "),
    "ocaml": _Heads(
        "let rec {name} {arguments} : {answer} =\n",
        "({name} : {type})",
        ("bool", "int", "float", "string", "{} list"),
        between=" ",
    ),
    "haskell": _Heads(
        "{name} :: {signature}\n{name}{gap}{arguments} =\n",
        types=("Bool", "Int", "Double", "String", "[{}]"),
        between=" ",
    ),
}
_SMALL = ("ruby", "elixir", "ocaml", "haskell")  # where what begins with a capital is no function or variable


def has_heads(language: str) -> bool:
    """Whether functions can be posed in the language as such."""
    return language in _HEADS


def posed_as_function(
    id: str, words: str, name: str, arguments: Sequence[str], cases: Sequence[Sequence[Any]], language: str
) -> OwnProblem | None:
    """The problem of a function in the language; None where values of one place have no common type.

    Args:
        id: of the problem.
        words: what the function does.
        name, arguments: its name and those of its arguments.
        cases: of each call the arguments, then the answer.
    """
    types = [_kind_of(column) for column in zip(*cases, strict=True)]
    kinds = [kind for kind in types if kind is not None]
    arguments = [_name(argument, language) for argument in arguments]
    if len(kinds) < len(types) or len({*arguments}) < len(arguments):
        return None
    how, function = _HEADS[language], _name(name, language)
    told = [how.argument.format(name=one, type=how.type_of(kind)) for one, kind in zip(arguments, kinds, strict=False)]
    distinct = [values for place, values in enumerate(cases) if values not in cases[:place]]
    *given, answer = map(json.dumps, cases[0])
    text = f"{words}\n\n{function}({', '.join(given)}) == {answer}"
    text = text.replace("\\u", "\\\\u") if language == "java" else text  # which reads \\u in comments, too
    comment = commented(text, HARNESSES[language].comment)
    head = how.head.format(
        name=function,
        gap=" " if told else "",
        arguments=how.between.join(told) or ("()" if language == "ocaml" else ""),
        answer=how.type_of(kinds[-1]),
        signature=" -> ".join(map(how.type_of, kinds)),
    )
    return OwnProblem(
        id=id,
        language=language,
        prompt=how.file + indent(comment + head, how.margin),
        tests=[Call(arguments=list(values), answer=answer) for *values, answer in distinct],
        tolerance=_TOLERANCE * min([1.0, *(size for *_, answer in cases for size in _sizes(answer) if size)]),
    )


def _sizes(answer: Any) -> list[float]:
    """Of each number in an answer, without its sign."""
    if isinstance(answer, list | tuple):
        return [size for part in answer for size in _sizes(part)]
    return [abs(answer)] if isinstance(answer, int | float) else []


def _name(name: str, language: str) -> str:
    name = name.lower() if language in _SMALL else name
    return f"{name}_" if name in _TAKEN or name in _TAKEN_IN[language].split() or not name.strip("_") else name


def _kind_of(values: Collection[Any]) -> str | None:
    """One of `_KINDS`, after `[]` where they are lists of it; None where not all are, or where all lists are empty."""
    if values and all(isinstance(value, list | tuple) for value in values):
        inner = _kind_of([part for value in values for part in value])
        return inner and f"[]{inner}"
    types = {type(value) for value in values}
    kind = float if types == {int, float} else types.pop() if len(types) == 1 else None
    if kind is int and any(abs(value) >= _MOST for value in values):
        return None
    if kind is float and not all(map(math.isfinite, values)):
        return None
    return next((told for told in _KINDS if kind is not None and kind.__name__ == told), None)
