"""Values that go from one Python process to another as JSON; it runs inside the sandbox.

What arrives is made anew of numbers, texts and containers, of the values of the standard library that `_LIBRARY` lists,
and of classes that both ends have by themselves: no method of the other end ever runs here. Anything else arrives as a
`Remote`, which can be called and looked into.

A value is sent as its nodes, which name each other by number: so it may be as deep as it likes, and hold itself.
"""

import operator
import sys
from collections.abc import Callable, Iterable
from typing import Any

# Classes of the standard library whose instances are values: their module, the types of what they are called with, and
# that, which must make an equal one. Lists and dictionaries may hold anything, the others nothing.
_LIBRARY: dict[str, tuple[str, str, Callable[[Any], Iterable[Any]]]] = {
    "range": ("builtins", "int", lambda it: (it.start, it.stop, it.step)),
    "slice": ("builtins", "int NoneType", lambda it: (it.start, it.stop, it.step)),
    "bytearray": ("builtins", "bytes", lambda it: (bytes(it),)),
    "deque": ("collections", "list int NoneType", lambda it: (list(it), it.maxlen)),
    "UserDict": ("collections", "dict", lambda it: (it.data,)),
    "UserList": ("collections", "list", lambda it: (it.data,)),
    "UserString": ("collections", "str", lambda it: (it.data,)),
    "ChainMap": ("collections", "dict", lambda it: it.maps),
    "Fraction": ("fractions", "int", lambda it: (it.numerator, it.denominator)),
    "Decimal": ("decimal", "str", lambda it: (str(it),)),
    "date": ("datetime", "bytes", lambda it: it.__reduce_ex__(2)[1]),
    "time": ("datetime", "bytes timezone ZoneInfo", lambda it: it.__reduce_ex__(2)[1]),
    "datetime": ("datetime", "bytes timezone ZoneInfo", lambda it: it.__reduce_ex__(2)[1]),
    "timedelta": ("datetime", "int", lambda it: (it.days, it.seconds, it.microseconds)),
    "timezone": ("datetime", "timedelta str", lambda it: it.__getinitargs__()),
    "ZoneInfo": ("zoneinfo", "str", lambda it: (it.key,)),
    "NormalDist": ("statistics", "int float", lambda it: (it.mean, it.stdev)),
    "UUID": ("uuid", "str", lambda it: (str(it),)),
    "array": ("array", "str list", lambda it: (it.typecode, it.tolist())),
    **{
        name: (module, "str", lambda it: (str(it),))
        for module, names in (
            ("pathlib", "PurePosixPath PosixPath PureWindowsPath WindowsPath"),
            ("ipaddress", "IPv4Address IPv4Network IPv4Interface IPv6Address IPv6Network IPv6Interface"),
        )
        for name in names.split()
    },
}
# Modules whose exceptions arrive as such, beside the main module's.
_ERRORS = ("builtins", "decimal", "json.decoder", "re", "statistics")
_TYPES = (
    *(bool, bytearray, bytes, complex, dict, float, frozenset, int, list, object, range, set, slice, str, tuple),
    *(type, type(None)),
)
# What needs no more than what a node says of it, and its parts.
_MAKERS: dict[str, Callable[[Any, list[Any]], Any]] = {
    "plain": lambda about, values: values[0],
    "int": lambda about, values: int(about, 16),
    "bytes": lambda about, values: about.encode("latin-1"),
    "complex": lambda about, values: complex(*about),
    "frozenset": lambda about, values: frozenset(values),
}
_NUMPY_KINDS = "biufcUSmM"
_ATOMS = frozenset((type(None), bool, str, float))
# What an object could answer as a test wishes: it is asked about values of the tests, or says no more than yes.
LENIENT = (
    *("eq", "ne", "lt", "le", "gt", "ge", "truth", "contains"),
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"),
)
_VIEWS = {"keys": type({}.keys()), "items": type({}.items()), "values": type({}.values())}
_WORD = 2**63


class Remote:
    """Something of the other process, which this end asks whatever is done with it."""

    def __init__(self, peer: "Values", number: int, about: str):
        vars(self).update(harness_peer=peer, harness_number=number, harness_about=about)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call it."""
        return self.harness_peer.ask("call", self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self.harness_peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.harness_peer.ask("setattr", self, name, value)

    def __repr__(self) -> str:
        return f"<of the other process: {self.harness_about}>"

    def __hash__(self) -> int:
        return self.harness_number


def _forward(name: str) -> Callable[..., Any]:
    def forward(self: Remote, *arguments: Any) -> Any:
        return self.harness_peer.ask(name, self, *arguments)

    return forward


_METHODS: dict[str, Callable[..., Any]] = {
    **{name: getattr(operator, name) for name in (*LENIENT, "getitem", "setitem", "delitem", "neg")},
    **{"iter": iter, "next": next, "len": len, "abs": abs, "round": round},
    "enter": lambda thing: thing.__enter__(),
    "exit": lambda thing, *exception: thing.__exit__(*exception),
}
for _name in _METHODS:
    setattr(Remote, "__bool__" if _name == "truth" else f"__{_name.rstrip('_')}__", _forward(_name))
OPERATIONS: dict[str, Callable[..., Any]] = {
    **_METHODS,
    "call": lambda thing, *arguments, **named: thing(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
}


class Values:
    """What packs and unpacks values, and knows what it gave the other end a number for."""

    def __init__(self):
        self._given: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self._errors: dict[tuple[str, str], type[BaseException]] = {}
        self._tuples: dict[tuple[str, ...], Any] = {}
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []

    def class_named(self, name: str) -> type | None:
        """A class of the main module that both ends have."""
        raise NotImplementedError

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the other end do something."""
        raise NotImplementedError

    def nearest_error(self, kinds: list[Any]) -> type[BaseException]:
        """The first of some classes of exceptions, each a module and a name, that this end knows: no other than those
        of the main module and of `_ERRORS`, for a test's framework has some that are no failure."""
        return next((found for kind in kinds if (found := self._error_named(*kind))), Exception)

    def _error_named(self, module: str, name: str) -> type[BaseException] | None:
        scope = vars(sys.modules[module]) if module in _ERRORS and module in sys.modules else {}
        known = self.class_named(name) if module == "__main__" else scope.get(name)
        found = self._errors.get((module, name)) or known
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    def is_known(self, kind: type) -> bool:
        """Whether instances of a class are made of data at the other end."""
        if kind.__module__ == "__main__":
            return self.class_named(kind.__qualname__) is kind
        return kind.__qualname__ in _LIBRARY and _library_class(kind.__qualname__) is kind

    def packed(self, value: Any) -> Any:
        """A value as JSON can hold it: itself or the number of a node, and all nodes."""
        self._seen, self._kept = {}, []
        root = self._part(value)
        return [root, [self._node(thing) for thing in self._kept]]  # which grows meanwhile

    def unpacked(self, packed: Any) -> Any:
        """The value that the other end packed: what a node holds is made first, but for what it is itself held by."""
        root, nodes = packed
        made: dict[int, Any] = {}
        begun, done, late, todo = set[int](), set[int](), list[int](), []
        if type(root) is not list:
            return root
        todo.append(root[0])
        while todo:
            number = todo[-1]
            tag, about, parts = nodes[number]
            if number not in begun:
                begun.add(number)
                if (shell := self._shell(tag, about, parts)) is not None:
                    made[number] = shell
                todo += [part[0] for part in parts if type(part) is list and part[0] not in begun]
                continue
            todo.pop()
            if number in done:
                continue
            done.add(number)
            if number in made and any(type(part) is list and part[0] not in made for part in parts):
                late.append(number)
            else:
                self._finish(number, nodes[number], made)
        for number in late:
            self._finish(number, nodes[number], made)
        return made[root[0]]

    def _part(self, value: Any) -> Any:
        """What stands for a value in a node: itself, or its number in a list."""
        kind = type(value)
        if kind in _ATOMS or (kind is int and -_WORD < value < _WORD):
            return value
        number = self._seen.get(id(value))
        if number is None:
            number = self._seen[id(value)] = len(self._kept)
            self._kept.append(value)
        return [number]

    def _parts(self, values: Iterable[Any]) -> list[Any]:
        return [self._part(value) for value in values]

    def _node(self, value: Any) -> list[Any]:
        """What it is, more about that, and its parts; instances of subclasses become what they are below."""
        kind = type(value)
        if kind.__module__ == "__main__" and self.is_known(kind):
            return self._shared_node(value, kind)
        if isinstance(value, int):
            return ["int", hex(int.__pos__(value)), []]
        if isinstance(value, float):
            return ["plain", None, [float.__pos__(value)]]
        if isinstance(value, str):
            return ["plain", None, [str.__str__(value)]]
        if isinstance(value, bytes):
            return ["bytes", bytes.decode(value, "latin-1"), []]
        if isinstance(value, tuple):
            fields = list(getattr(value, "_fields", ())) if kind is not tuple else []
            return ["tuple", fields, self._parts(tuple.__iter__(value))]
        for base in (list, set, frozenset):
            if isinstance(value, base):
                return [base.__name__, None, self._parts(base.__iter__(value))]
        if isinstance(value, dict):
            below = next(base.__name__ for base in kind.__mro__ if base.__module__ != "__main__")
            return ["dict", below, [part for pair in dict.items(value) for part in self._parts(pair)]]
        if kind is Remote and value.harness_peer is self:
            return ["yours", value.harness_number, []]
        return self._other_node(value, kind)

    def _other_node(self, value: Any, kind: type) -> list[Any]:
        if kind is complex:
            return ["complex", [value.real, value.imag], []]
        for name, view in _VIEWS.items():
            if kind is view:
                return ["view", name, self._parts(value)]
        if kind is type(sys) and is_library(value.__name__):
            return ["module", value.__name__, []]
        if kind is type and value in _TYPES:
            return ["type", _TYPES.index(value), []]
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and value.dtype.kind in _NUMPY_KINDS:
            return ["numpy", [value.dtype.str, list(value.shape)], [value.tobytes().decode("latin-1")]]
        if self.is_known(kind):
            return ["value", kind.__qualname__, self._parts(_LIBRARY[kind.__qualname__][2](value))]
        if isinstance(value, type) and issubclass(value, BaseException):
            return ["error", [[base.__module__, base.__qualname__] for base in value.__mro__], []]
        return self._numbered(value, kind)

    def _shared_node(self, value: Any, kind: type) -> list[Any]:
        """An object of a class of the main module that both ends know, by its data."""
        if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
            return ["member", kind.__qualname__, self._parts([value.value])]
        make, arguments, state, items, pairs, *_ = *value.__reduce_ex__(2), None, None, None
        is_new = getattr(make, "__name__", "") == "__newobj__"
        if not is_new and make is not kind:
            return self._numbered(value, kind)
        arguments = tuple(arguments[1:] if is_new else arguments) or None
        pairs = [part for pair in pairs for part in pair] if pairs else None
        return ["object", kind.__qualname__, self._parts([arguments, state, list(items) if items else None, pairs])]

    def _numbered(self, value: Any, kind: type) -> list[Any]:
        """What only this end has, by a number."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._given)
            self._given.append(value)
        number, about = self._numbers[id(value)], f"{kind.__module__}.{kind.__qualname__}"
        return ["awaited" if about == "builtins.coroutine" else "mine", about, [number]]

    def _shell(self, tag: str, about: Any, parts: list[Any]) -> Any:
        """What can be made before its parts, for they may hold it; None if it cannot."""
        if tag in ("list", "set"):
            return [] if tag == "list" else set()
        if tag == "dict":
            return getattr(__import__("collections"), about)() if about in ("OrderedDict", "Counter") else {}
        return self._new_object(about, ()) if tag == "object" and parts[0] is None else None

    def _finish(self, number: int, node: Any, made: dict[int, Any]) -> None:
        """Fill what there is, or make it of its parts."""
        tag, about, parts = node
        values = [made[part[0]] if type(part) is list else part for part in parts]
        if tag == "list":
            made[number].extend(values)
        elif tag == "set":
            made[number].update(values)
        elif tag == "dict":
            dict.update(made[number], zip(values[::2], values[1::2], strict=True))
        elif tag == "object":
            if number not in made:
                made[number] = self._new_object(about, values[0])
            self._fill_object(made[number], *values[1:])
        else:
            made[number] = (_MAKERS.get(tag) or getattr(self, f"_make_{tag}"))(about, values)

    def _new_object(self, name: str, arguments: tuple[Any, ...]) -> Any:
        kind: Any = self.class_named(name)
        return kind.__new__(kind, *arguments)

    def _fill_object(self, made: Any, state: Any, items: Any, pairs: Any) -> None:
        """Give an object its data."""
        kind: Any = type(made)
        if hasattr(kind, "__setstate__"):
            made.__setstate__(state)
        else:
            for values in state if isinstance(state, tuple) else (state,):
                for name, value in (values or {}).items():
                    require_no_method(kind, name, value)
                    if not name.startswith("__"):
                        object.__setattr__(made, name, value)
        if items:
            made.extend(items)
        if pairs:
            for key, value in zip(pairs[::2], pairs[1::2], strict=True):
                made[key] = value

    def _make_tuple(self, fields: list[str], values: list[Any]) -> tuple[Any, ...]:
        if len(fields) != len(values) or not values or any(hasattr(tuple, field) for field in fields):
            return tuple(values)
        if tuple(fields) not in self._tuples:
            import collections

            self._tuples[tuple(fields)] = collections.namedtuple("Result", fields, rename=True)
        return self._tuples[tuple(fields)](*values)

    def _make_yours(self, number: int, values: list[Any]) -> Any:
        return self._given[number]

    def _make_mine(self, about: str, values: list[Any]) -> Remote:
        if values[0] not in self._remotes:
            self._remotes[values[0]] = Remote(self, values[0], about)
        return self._remotes[values[0]]

    def _make_awaited(self, about: str, values: list[Any]) -> Any:
        """A coroutine, in whose place the other end runs its own."""
        thing = self._make_mine(about, values)

        async def awaited() -> Any:
            return self.ask("await", thing)

        return awaited()

    def _make_error(self, kinds: list[Any], values: list[Any]) -> type[BaseException]:
        """A class of exceptions; one that this end does not know is made, below the nearest that it knows."""
        module, name = kinds[0]
        if found := self._error_named(module, name):
            return found
        made = self._errors[module, name] = type(name, (self.nearest_error(kinds),), {})
        return made

    def _make_module(self, name: str, values: list[Any]) -> Any:
        """A module of the standard library, which a test may use because the completion imports it."""
        return __import__(name, fromlist=["x"]) if is_library(name) else None

    def _make_type(self, index: int, values: list[Any]) -> type:
        return _TYPES[index]

    def _make_view(self, name: str, values: list[Any]) -> Any:
        if name == "keys":
            return dict.fromkeys(values).keys()
        return dict(values).items() if name == "items" else dict(enumerate(values)).values()

    def _make_numpy(self, about: Any, values: list[Any]) -> Any:
        numpy = __import__("numpy")
        kind = numpy.dtype(about[0])
        if kind.kind not in _NUMPY_KINDS:
            raise TypeError(f"{kind}: no numbers")
        return numpy.frombuffer(values[0].encode("latin-1"), kind).reshape(about[1]).copy()[()]

    def _make_member(self, name: str, values: list[Any]) -> Any:
        kind: Any = self.class_named(name)
        if not issubclass(kind, sys.modules["enum"].Enum) or type(values[0]) is Remote:
            raise TypeError(f"{name}: no member")
        return kind(values[0])

    def _make_value(self, name: str, values: list[Any]) -> Any:
        allowed = _LIBRARY[name][1].split()
        if any(type(value).__module__ == "__main__" or type(value).__name__ not in allowed for value in values):
            raise TypeError(f"{name}: not made of this")
        return _library_class(name)(*values)


def require_no_method(kind: type, name: str, value: Any) -> None:
    """Raise TypeError where an attribute of an object would take the place of a method: a test would call it."""
    if callable(value) and callable(getattr(kind, name, None)):
        raise TypeError(f"{name}: no data, but a method")


def is_library(name: str) -> bool:
    """Whether a module is of the standard library, or numpy."""
    return name.partition(".")[0] in (*sys.stdlib_module_names, "numpy")


def _library_class(name: str) -> Any:
    return getattr(__import__(_LIBRARY[name][0]), name, None)
