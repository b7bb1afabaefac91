"""The proof that a conversion starts at the base."""

import pytest

from multipl_moe.upcycle.verify import TOLERANCE, Verification


@pytest.mark.parametrize(
    ("difference", "must_be_exact", "passed"),
    [(0.0, True, True), (1e-3, True, True), (1.1e-3, True, False), (float("nan"), True, False), (5.0, False, True)],
)
def test_only_a_broken_promise_fails(difference, must_be_exact, passed):
    assert TOLERANCE == 1e-3
    assert Verification(difference, must_be_exact).passed is passed
