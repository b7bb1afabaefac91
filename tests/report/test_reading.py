"""A coloured text says what its reading says, and two models' continuations stand whole beside each other."""

import re

import pytest

from multipl_moe.generate.reading import Reading
from multipl_moe.report.continuations import Continuation, continuations_table
from multipl_moe.report.reading import GATE, coloured_text, legend, views_of
from tests.report.test_grid import printed

_EXPERTS = ["token expert 0", "token expert 1", "segment expert 0", "segment expert 1"]
_WEIGHTS = [[0.5, 0.0, 0.2, 0.0], [0.0, 0.4, 0.0, 0.0], [0.0, 0.0, 0.1, 0.3]]


def reading(**values) -> Reading:
    known = {
        "pieces": ["fn", " <b>", "\n"],
        "bits": [None, 2.0, 1.0],
        "base_bits": [None, 5.0, 1.5],
        "gate": [0.5, 0.0, 1.0],
        "experts": _EXPERTS,
        "weights": {4: _WEIGHTS, 7: _WEIGHTS[::-1]},
    }
    return Reading(**(known | values))


def tokens(html: str) -> list[dict[str, str]]:
    pattern = r'<span(?: class="prompt")? style="--c:(.*?);--w:(.*?)%;--h:(.*?);--d:(.*?)%" title="(.*?)">(.*?)</span>'
    names = ("colour", "weight", "heat", "strength", "title", "text")
    return [dict(zip(names, found, strict=True)) for found in re.findall(pattern, html, re.DOTALL)]


def test_the_text_is_there_escaped_with_its_gate_and_its_bits():
    shown = tokens(coloured_text(reading(), GATE))
    assert [one["text"] for one in shown] == ["fn", " &lt;b&gt;", "\n"]
    assert [float(one["weight"]) for one in shown] == [30, 0, 60]
    assert [(one["heat"], one["strength"]) for one in shown[1:]] == [("var(--better)", "100"), ("var(--better)", "17")]
    assert shown[0]["heat"] == "transparent"
    assert shown[1]["title"] == "gate 0.00, 2.0 bits (base 5.0)"
    worse = tokens(coloured_text(reading(base_bits=[None, 1.0, 1.0]), GATE))
    assert (worse[1]["heat"], worse[2]["strength"]) == ("var(--worse)", "0")


@pytest.mark.parametrize(("base", "told"), [(None, ""), (0.0, "1.000 bits per byte"), (1.0, "the base 1.000 (+0.0%)")])
def test_the_legend_tells_bits_as_far_as_there_are_some(base: float | None, told: str):
    bits = {"bits": [None], "base_bits": [None]} if base is None else {"bits": [1.0], "base_bits": [base]}
    shown = legend(reading(pieces=["a"], gate=[1.0], weights={}, **bits), GATE, None, None)
    assert told in shown
    assert ("bits" in shown) == (told != "")


@pytest.mark.parametrize(
    ("values", "views"),
    [
        ({}, [GATE, "token", "segment"]),
        ({"gate": None}, ["token", "segment"]),
        ({"experts": ["segment expert 0"]}, [GATE]),
        ({"experts": ["segment expert 0"], "gate": None}, ["segment"]),
    ],
)
def test_what_there_is_one_of_is_no_view(values, views):
    assert views_of(reading(**values)) == views


@pytest.mark.parametrize(
    ("gate", "base", "title"), [(None, "x", "Rust"), ([0.5, 0.0, 1.0], "\n", "Rust: both write the same")]
)
def test_both_continuations_are_there_and_whether_they_differ(gate: list[float] | None, base: str, title: str):
    one = Continuation("Rust", "fn <b>", base, "\n", reading(gate=gate))
    assert Continuation.from_json(one.to_json()) == one
    assert one.title == title
    assert [token["text"] for token in tokens(str(one.html))] == ["fn", " &lt;b&gt;", "\n"]
    assert str(one.html).count('class="prompt"') == 2, "what was given"
    text = printed(continuations_table([one]), 80)
    assert title in text
    assert text.count("fn <b>") == 2
    assert ("the gate is open" in text) == (gate is not None)
