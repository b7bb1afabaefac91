"""What both models write after a prompt, for the terminal and for a page: whole, told apart, and no markup."""

import pytest

from multipl_moe.report.continuations import Continuation, continuations_table
from tests.report.test_grid import printed
from tests.report.test_reading import reading, tokens


@pytest.mark.parametrize(("base", "title"), [("x", "Rust"), ("\n", "Rust: both write the same")])
@pytest.mark.parametrize("gate", [None, [0.5, 0.0, 1.0]])
def test_both_texts_are_there_and_whether_they_differ(gate: list[float] | None, base: str, title: str):
    one = Continuation("Rust", "fn <b>", base, "\n", reading(gate=gate))
    assert Continuation.from_json(one.to_json()) == one
    assert one.title == title
    assert [token["text"] for token in tokens(str(one.html))] == ["fn", " &lt;b&gt;", "\n"]
    assert str(one.html).count('class="prompt"') == 2, "what was given"
    text = printed(continuations_table([one]), 80)
    assert title in text
    assert text.count("fn <b>") == 2
    assert ("the gate is open" in text) == (gate is not None)
