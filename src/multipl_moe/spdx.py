"""SPDX licence expressions: what they mean, and whether a recipe's lists allow them."""

import difflib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Any, Literal

from license_expression import ExpressionError, LicenseWithExceptionSymbol, Licensing, get_spdx_licensing

UNKNOWN = "unknown"
_PLUS = re.compile(r"[\w.-]+\+")
_OWN = re.compile(r"(DocumentRef-[\w.-]+:)?LicenseRef-[\w.-]+", re.IGNORECASE)
_NAME = re.compile(r"[\w.+-]+")
_OPERATOR = re.compile(r"\s(?:OR|AND)\s", re.IGNORECASE)


class LicencePolicy:
    """Which licences go into a corpus.

    "A OR B" is allowed if one of them is, "A AND B" if both are. An exception only permits more, so "A WITH E" is
    allowed if A is. A denied A denies it too, unless "A WITH E" itself is in the allow list. The answer is None if the
    known parts do not decide. Two cases are refused although a part is unknown: `GPL-3.0 WITH Foo` if GPL-3.0 is not
    allowed, and free text such as `GPL-2.0 / MIT` that names a denied licence.

    Args:
        allow: SPDX ids, `ID WITH EXCEPTION`, or patterns such as `BSD-*`; None allows all that is not denied.
        deny: the same; it has the last word.
    """

    def __init__(self, allow: Iterable[str] | None, deny: Iterable[str] = ()):
        self._allow = None if allow is None else tuple(entry.casefold() for entry in allow)
        self._deny = tuple(entry.casefold() for entry in deny)

    def permits(self, expression: str) -> bool | None:
        """Whether code under this expression may be used; None if that is unknown."""
        parsed = _parsed(expression)
        return self._refuses_a_name_in(expression) if parsed is None else self._permits(parsed)

    def _permits(self, node: Any) -> bool | None:
        if isinstance(node, _licensing().OR):
            answers = [self._permits(part) for part in node.args]
            return True if True in answers else None if None in answers else False
        if isinstance(node, _licensing().AND):
            answers = [self._permits(part) for part in node.args]
            return False if False in answers else None if None in answers else True
        if isinstance(node, LicenseWithExceptionSymbol):
            alone = self._permits(node.license_symbol)
            if not _is_known(node):
                return None if alone else alone
            whole = f"{node.license_symbol.key} WITH {node.exception_symbol.key}".casefold()
            if self._allow is not None and whole in self._allow and whole not in self._deny:
                return True
            return alone and not _matches(whole, self._deny)
        if not _is_known(node):
            return self._refuses_a_name_in(node.key)
        name = node.key.casefold()
        return (self._allow is None or _matches(name, self._allow)) and not _matches(name, self._deny)

    def _refuses_a_name_in(self, text: str) -> Literal[False] | None:
        """False if a text that is not a licence names a denied one ("GPL-2.0 / MIT"), else None."""
        names = (standard_expression(name) or name for name in _NAME.findall(text))
        return False if any(_matches(name.casefold(), self._deny) for name in names) else None


def standard_expression(text: str) -> str | None:
    """The SPDX spelling of an expression or of a licence's (or outdated) name, or None if it is neither."""
    parsed = _parsed(text)
    if parsed is None or not all(_is_known(symbol) for symbol in _licensing().license_symbols(parsed, decompose=False)):
        return None
    return parsed.render()


def joined(expressions: Iterable[str], operator: Literal["AND", "OR"] = "AND") -> str | None:
    """One expression of several, each named once; None if there are none."""
    distinct = list(dict.fromkeys(expressions))
    if len(distinct) < 2:
        return distinct[0] if distinct else None
    return f" {operator} ".join(f"({part})" if _OPERATOR.search(part) else part for part in distinct)


def unknown_licences(entries: Iterable[str]) -> list[str]:
    """A line for each entry of an allow or deny list that names no licence, with the nearest name."""
    return [problem for entry in entries if (problem := _problem_of(entry))]


def _problem_of(entry: str) -> str | None:
    licences = (name for name, symbol in _licensing().known_symbols.items() if not symbol.is_exception)
    spelt = {name.casefold(): name for name in sorted(licences)}
    if "*" in entry:
        return None if any(fnmatchcase(id, entry.casefold()) for id in spelt) else f"no SPDX licence matches {entry!r}"
    parsed = _parsed(entry)
    if parsed is not None and _is_known(parsed):
        return None if parsed.render() == entry else f"{entry!r} is spelt {parsed.render()!r} in SPDX"
    if parsed is not None and not hasattr(parsed, "key") and not isinstance(parsed, LicenseWithExceptionSymbol):
        return f"{entry!r} is an expression; name its licences one by one"
    near = difflib.get_close_matches(entry.casefold(), spelt, n=1, cutoff=0.3)
    return f"unknown SPDX licence {entry!r}" + (f"; did you mean {spelt[near[0]]!r}?" if near else "")


def _matches(name: str, entries: Iterable[str]) -> bool:
    return any(fnmatchcase(name, entry) if "*" in entry else name == entry for entry in entries)


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    """The tree of an expression, with licences that SPDX does not know as symbols; None if it is not an expression."""
    try:
        return _licensing().parse(_PLUS.sub(_without_plus, text))
    except ExpressionError:
        return None


def _without_plus(name: re.Match[str]) -> str:
    """Outdated names keep their plus; of others whoever uses the code may choose the very version that is named."""
    return name.group() if _is_known(_licensing().parse(name.group())) else name.group()[:-1]


def _is_known(symbol: Any) -> bool:
    known = _licensing().known_symbols
    if isinstance(symbol, LicenseWithExceptionSymbol):
        exception = known.get(symbol.exception_symbol.key)
        return _is_known(symbol.license_symbol) and exception is not None and exception.is_exception
    key = getattr(symbol, "key", "")
    return bool(_OWN.fullmatch(key)) or (key in known and not known[key].is_exception)
