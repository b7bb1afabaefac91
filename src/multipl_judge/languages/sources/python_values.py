"""Values that go from one Python process to another as JSON; it runs inside the sandbox.

What arrives is made anew of numbers, texts and containers, of values of the standard library, and of classes that both
ends have by themselves: no method of the other end ever runs here. Anything else arrives as a `Remote`, which can be
called and looked into.
"""

import builtins
import operator
import sys
from collections.abc import Callable
from typing import Any, Protocol

# Modules whose classes have values for instances.
_VALUES = (
    *("collections", "fractions", "decimal", "datetime", "zoneinfo", "pathlib", "pathlib._local"),
    *("statistics", "uuid", "ipaddress", "array"),
)
# What an object could answer as a test wishes: it is asked about values of the tests, or says no more than yes.
LENIENT = (
    *("eq", "ne", "lt", "le", "gt", "ge", "truth", "contains"),
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor"),
)
_VIEWS = {"keys": type({}.keys()), "items": type({}.items()), "values": type({}.values())}
_WORD = 2**63


class Asking(Protocol):
    """What a `Remote` needs of its end."""

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the other end do something."""
        ...


class Remote:
    """Something of the other process, which this end asks whatever is done with it."""

    def __init__(self, peer: "Asking", number: int, about: str):
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
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        self._made: list[Any] = []

    def classes(self) -> dict[str, Any]:
        """The classes of the main module that both ends have."""
        raise NotImplementedError

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the other end do something."""
        raise NotImplementedError

    def nearest_error(self, kinds: list[Any]) -> type[BaseException]:
        """The first of some classes of exceptions, each a module and a name, that this end knows."""
        for module, name in kinds:
            scope = self.classes() if module == "__main__" else vars(sys.modules.get(module, object))
            found = self._errors.get((module, name)) or scope.get(name)
            if isinstance(found, type) and issubclass(found, BaseException):
                return found
        return Exception

    def packed(self, value: Any) -> Any:
        """A value as JSON can hold it."""
        self._seen, self._kept = {}, []
        return self._pack(value)

    def unpacked(self, packed: Any) -> Any:
        """The value that the other end packed."""
        self._made = []
        return self._unpack(packed)

    def _pack(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        is_shared = kind.__module__ == "__main__" and self._class_named("__main__", kind.__qualname__) is kind
        immutable = None if is_shared else self._pack_immutable(value)
        if immutable is not None:
            return immutable
        if id(value) in self._seen:
            return {"seen": self._seen[id(value)]}
        self._seen[id(value)] = len(self._kept)
        self._kept.append(value)
        return self._pack_object(value, kind) if is_shared else self._pack_mutable(value, kind)

    def _pack_immutable(self, value: Any) -> Any:
        """What is packed again wherever it occurs; instances of subclasses become what they are below. Else None."""
        if isinstance(value, int):
            number = int.__pos__(value)
            return number if -_WORD < number < _WORD else {"int": hex(number)}
        if isinstance(value, float):
            return float.__pos__(value)
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, bytes):
            return {"bytes": bytes.decode(value, "latin-1")}
        if type(value) is complex:
            return {"complex": [value.real, value.imag]}
        if isinstance(value, tuple):
            fields = {"fields": list(getattr(value, "_fields", ()))} if type(value) is not tuple else {}
            return {"tuple": [self._pack(item) for item in tuple.__iter__(value)], **fields}
        if isinstance(value, frozenset):
            return {"frozenset": [self._pack(item) for item in frozenset.__iter__(value)]}
        if type(value) is Remote and value.harness_peer is self:
            return {"yours": value.harness_number}
        return None

    def _pack_mutable(self, value: Any, kind: type) -> Any:
        if isinstance(value, list):
            return [self._pack(item) for item in list.__iter__(value)]
        if isinstance(value, set):
            return {"set": [self._pack(item) for item in set.__iter__(value)]}
        if isinstance(value, dict):
            pairs = [[self._pack(key), self._pack(item)] for key, item in dict.items(value)]
            return {
                "dict": pairs,
                "kind": next(base.__name__ for base in kind.__mro__ if base.__module__ != "__main__"),
            }
        if kind in _VIEWS.values():
            name = next(name for name, view in _VIEWS.items() if kind is view)
            return {"view": name, "of": [self._pack(item) for item in value]}
        if kind is type(sys) and is_library(value.__name__):
            return {"module": value.__name__}
        if kind.__module__ == "numpy" and hasattr(value, "dtype") and not value.dtype.hasobject:
            shape = list(value.shape)
            return {"numpy": value.dtype.str, "shape": shape, "bytes": value.tobytes().decode("latin-1")}
        return self._pack_object(value, kind)

    def _pack_object(self, value: Any, kind: type) -> Any:
        """An object of a class that both ends know, or a number for one that only this end knows."""
        if self.is_known(kind):
            made = _making(value)
            if made is not None:
                is_called, parts = made
                named = [kind.__module__, kind.__qualname__]
                return {"class": named, "call": is_called, "of": [self._pack(part) for part in parts]}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"error": [[base.__module__, base.__qualname__] for base in value.__mro__]}
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._given)
            self._given.append(value)
        return {"mine": self._numbers[id(value)], "about": f"{kind.__module__}.{kind.__qualname__}"}

    def is_known(self, kind: type) -> bool:
        """Whether instances of a class are made of data at the other end."""
        return self._class_named(kind.__module__, kind.__qualname__) is kind

    def _class_named(self, module: str, name: str) -> type | None:
        """A class that may be made of data: of the main module, or of those whose instances are values."""
        if module == "__main__":
            found = self.classes().get(name)
        elif module == "builtins":
            found = vars(builtins)[name] if name in ("range", "slice", "bytearray") else None
        else:
            found = getattr(__import__(module, fromlist=["x"]), name, None) if module in _VALUES else None
        return found if isinstance(found, type) else None

    def _unpack(self, packed: Any) -> Any:
        if packed is None or isinstance(packed, bool | int | float | str):
            return packed
        if isinstance(packed, list):
            return self._keep([]).__iadd__(self._unpack(item) for item in packed)
        return getattr(self, f"_unpack_{next(iter(packed))}")(packed)

    def _keep(self, made: Any) -> Any:
        self._made.append(made)
        return made

    def _unpack_int(self, packed: Any) -> int:
        return int(packed["int"], 16)

    def _unpack_bytes(self, packed: Any) -> bytes:
        return packed["bytes"].encode("latin-1")

    def _unpack_complex(self, packed: Any) -> complex:
        return complex(*packed["complex"])

    def _unpack_tuple(self, packed: Any) -> tuple[Any, ...]:
        import collections

        items = tuple(self._unpack(item) for item in packed["tuple"])
        if len(packed.get("fields", ())) != len(items) or not items:
            return items
        return collections.namedtuple("Result", packed["fields"], rename=True)(*items)

    def _unpack_frozenset(self, packed: Any) -> frozenset[Any]:
        return frozenset(self._unpack(item) for item in packed["frozenset"])

    def _unpack_yours(self, packed: Any) -> Any:
        return self._given[packed["yours"]]

    def _unpack_mine(self, packed: Any) -> Remote:
        number = packed["mine"]
        return self._keep(self._remotes.setdefault(number, Remote(self, number, packed["about"])))

    def _unpack_error(self, packed: Any) -> type[BaseException]:
        """A class of exceptions; one that this end does not know is made, below the nearest that it knows."""
        own = tuple(packed["error"][0])
        nearest = self.nearest_error(packed["error"])
        if nearest is not self.nearest_error([own]):
            nearest = self._errors[own] = type(own[1], (nearest,), {})
        return self._keep(nearest)

    def _unpack_module(self, packed: Any) -> Any:
        """A module of the standard library, which a test may use because the completion imports it."""
        name = packed["module"]
        return self._keep(__import__(name, fromlist=["x"]) if is_library(name) else None)

    def _unpack_seen(self, packed: Any) -> Any:
        return self._made[packed["seen"]]

    def _unpack_set(self, packed: Any) -> set[Any]:
        made = self._keep(set())
        made.update(self._unpack(item) for item in packed["set"])
        return made

    def _unpack_dict(self, packed: Any) -> dict[Any, Any]:
        import collections

        kinds = {"OrderedDict": collections.OrderedDict, "Counter": collections.Counter}
        made = self._keep(kinds.get(packed["kind"], dict)())
        for key, item in packed["dict"]:
            key = self._unpack(key)
            made[key] = self._unpack(item)
        return made

    def _unpack_view(self, packed: Any) -> Any:
        self._keep(None)
        items = [self._unpack(item) for item in packed["of"]]
        if packed["view"] == "keys":
            return dict.fromkeys(items).keys()
        return dict(items).items() if packed["view"] == "items" else dict(enumerate(items)).values()

    def _unpack_numpy(self, packed: Any) -> Any:
        numpy = __import__("numpy")
        self._keep(None)
        flat = numpy.frombuffer(packed["bytes"].encode("latin-1"), numpy.dtype(packed["numpy"]))
        return flat.reshape(packed["shape"]).copy()[()]

    def _unpack_class(self, packed: Any) -> Any:
        index = len(self._made)
        self._keep(None)
        kind: Any = self._class_named(*packed["class"])
        arguments, state, items, pairs = packed["of"]
        arguments = self._unpack(arguments)
        made = kind(*arguments) if packed["call"] else kind.__new__(kind, *arguments)
        self._made[index] = made
        state, items, pairs = self._unpack(state), self._unpack(items), self._unpack(pairs)
        if hasattr(kind, "__setstate__"):
            made.__setstate__(state)
        else:
            for values in state if isinstance(state, tuple) else (state,):
                for name, value in (values or {}).items():
                    if not name.startswith("__"):
                        object.__setattr__(made, name, value)
        if items:
            made.extend(items)
        for key, value in pairs:
            made[key] = value
        return made


def is_library(name: str) -> bool:
    """Whether a module is of the standard library, or numpy."""
    return name.partition(".")[0] in (*sys.stdlib_module_names, "numpy")


def _making(value: Any) -> tuple[bool, list[Any]] | None:
    """How an object is made again: whether its class is called, then arguments, state, items and pairs; None if not."""
    if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
        return True, [(value.value,), None, [], []]
    make, arguments, state, items, pairs, *_ = *value.__reduce_ex__(2), None, None, None
    is_new = getattr(make, "__name__", "") == "__newobj__"
    if not is_new and make is not type(value):
        return None
    arguments = arguments[1:] if is_new else arguments
    return not is_new, [tuple(arguments), state, list(items or ()), [list(pair) for pair in pairs or ()]]
