"""What goes from one process to another arrives as an equal value of the same type, or as something remote."""

import json
from array import array
from collections import ChainMap, Counter, UserDict, UserList, UserString, deque, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from ipaddress import ip_address
from pathlib import PurePosixPath
from statistics import NormalDist
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_judge.languages.sources.python_values import Remote, Values

_KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
_PLAIN = st.recursive(
    _KEYS | st.complex_numbers(allow_nan=False) | st.fractions() | st.decimals(allow_nan=False) | st.dates(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_KEYS, inner)
        | st.sets(_KEYS)
        | st.frozensets(_KEYS)
    ),
)


class End(Values):
    """An end whose main module has one class."""

    def class_named(self, name: str) -> type | None:
        return Point if name == "Point" else None


class Point:
    def __init__(self, x: Any):
        self.x = x

    def norm(self) -> Any:
        return abs(self.x)


Point.__module__ = "__main__"


def sent(value: Any) -> Any:
    """The value as the other end gets it."""
    return End().unpacked(json.loads(json.dumps(End().packed(value))))


def shape(value: Any) -> Any:
    """The types of a value and of all in it."""
    items = [shape(item) for item in value] if isinstance(value, list | tuple) else []
    return type(value), items


@settings(max_examples=20)
@given(_PLAIN)
def test_a_value_arrives_as_it_was(value):
    arrived = sent(value)
    assert arrived == value
    assert shape(arrived) == shape(value)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        pytest.param(10**5000, id="many digits"),
        "\udc80",
        Counter("aab"),
        deque([1, 2]),
        bytearray(b"x"),
        PurePosixPath("a/b"),
        [UserList([1]), UserDict(a=1), UserString("a"), ChainMap({1: 2}, {3: 4})],
        [timedelta(1, 2, 3), time(1, 2), datetime(2000, 1, 2, tzinfo=timezone(timedelta(hours=1), "x"))],
        [range(1, 9, 2), slice(1, None), array("d", [1.5]), UUID(int=7), ip_address("10.0.0.1"), NormalDist(1, 2)],
        [int, type(None), ValueError],
        {1: 2}.items(),
        [Fraction(1, 3), {"a": [Decimal("1.50"), date(2000, 1, 2)]}],
    ],
)
def test_values_of_the_standard_library_arrive_as_they_were(value):
    assert sent(value) == value
    assert type(sent(value)) is type(value)


def test_subclasses_arrive_as_what_they_are_below():
    class Liar(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    pair = namedtuple("Pair", "left right")
    assert [type(sent(Liar(3))), sent(Liar(3)) == 4] == [int, False]
    assert (sent(pair(1, 2)), sent(pair(1, 2)).right) == ((1, 2), 2)
    assert type(sent(IntEnum("Kind", {"one": 1})["one"])) is int  # type: ignore[attr-defined]


def test_what_is_one_object_stays_one_and_may_hold_itself():
    inner: list[Any] = [1]
    inner.append(inner)
    one, other = sent([inner, inner])
    assert one is other
    assert one[1] is one


def test_objects_of_shared_classes_are_made_of_their_data_alone():
    arrived = sent([Point([1, Point(2)])])[0]
    assert (type(arrived), arrived.x[0], arrived.x[1].x) == (Point, 1, 2)


@pytest.mark.parametrize("value", [object(), lambda: 1, (item for item in ()), type("Point", (), {})()])
def test_anything_else_is_remote(value):
    assert type(sent(value)) is Remote


def test_a_value_may_be_as_deep_as_it_likes_and_hold_itself_through_what_cannot_change():
    deep: Any = 1
    for number in range(5000):
        deep = [(deep, number), {"deep": Point(number)}]
    arrived, depth = sent(deep), 0
    while arrived != 1:
        arrived, depth = arrived[0][0], depth + 1
    assert depth == 5000
    inner: list[Any] = []
    inner.append((inner, 1))
    one = sent(inner)
    assert one[0] == (one, 1)


_REMOTE = ["mine", "builtins.function", [0]]


@pytest.mark.parametrize(
    "nodes",
    [
        [["value", "Popen", ["true"]]],
        [["value", "UserString", [[1]]], _REMOTE],
        [["value", "Fraction", [[1], 1]], _REMOTE],
        [["value", "Decimal", [["value", "Decimal", ["1"]]]]],
        [["object", "Point", [None, [1], None, None]], ["dict", "dict", ["norm", [2]]], _REMOTE],
        [["object", "Point", [None, [1], None, None]], ["dict", "dict", ["norm", [2]]], ["type", 0, []]],
        [["member", "Point", [1]]],
        [["type", 17, []]],
        [["tuple", [], [[0]]]],
        [["numpy", ["|O", [1]], ["12345678"]]],
        [["yours", 0, []]],
        [["run", "x", []]],
        {"run": "x"},
    ],
    ids=lambda nodes: str(nodes)[:48],
)
def test_a_forged_message_makes_nothing(nodes):
    with pytest.raises((TypeError, AttributeError, LookupError, ValueError)):
        End().unpacked([[0], nodes])


@pytest.mark.parametrize("kind", ["unittest.case.SkipTest", "_pytest.outcomes.Skipped", "__main__.Point"])
def test_no_exception_of_a_framework_arrives(kind):
    own = list(kind.rpartition(".")[::2])
    made = End().unpacked([[0], [["error", [own, ["builtins", "Exception"]], []]]])
    assert (made.__name__, made.__mro__[1:]) == (own[1], Exception.__mro__)
