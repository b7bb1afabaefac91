"""Weights from sizes, and shares within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.data.mixture_weights import shares_within, weights_by_size

_SIZES = {"rust": 8_000_000, "go": 1_000_000, "ruby": 64_000_000}


def test_temperature_one_gives_each_language_its_share_of_the_text():
    weights = weights_by_size(_SIZES, 1.0, 1.0)
    assert {name: weight / 3 for name, weight in weights.items()} == pytest.approx(
        {name: size / 73_000_000 for name, size in _SIZES.items()}
    )


def test_temperature_takes_a_root_and_keeps_the_mean():
    weights = weights_by_size(_SIZES, 3.0, 0.1)
    assert weights == pytest.approx({"rust": 0.3 * 2 / 7, "go": 0.3 * 1 / 7, "ruby": 0.3 * 4 / 7})
    assert weights_by_size(_SIZES, 1e9, 1.0) == pytest.approx(dict.fromkeys(_SIZES, 1.0))
    assert weights_by_size({}, 2.0, 1.0) == {}


def test_what_a_bound_takes_goes_to_the_others_until_they_reach_their_own():
    weights = {"a": 2.0, "b": 1.0, "c": 1.0}
    assert shares_within(weights, {"a": 0.3, "b": 1, "c": 1}) == pytest.approx({"a": 0.3, "b": 0.35, "c": 0.35})
    assert shares_within(weights, {"a": 0.3, "b": 0.3, "c": 1}) == pytest.approx({"a": 0.3, "b": 0.3, "c": 0.4})
    assert shares_within(weights, dict.fromkeys(weights, 0.2)) == dict.fromkeys(weights, 0.2)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 1.5)), min_size=1, max_size=6))
def test_shares_fill_the_whole_or_all_bounds(cases):
    weights = {str(number): weight for number, (weight, _) in enumerate(cases)}
    most = {str(number): bound for number, (_, bound) in enumerate(cases)}
    shares = shares_within(weights, most)
    assert all(shares[name] <= most[name] + 1e-9 for name in weights)
    assert sum(shares.values()) == pytest.approx(min(1, sum(most.values())))
    free = [shares[name] / weights[name] for name in weights if shares[name] < most[name] - 1e-9]
    assert free == pytest.approx([free[0]] * len(free) if free else [])
    assert all(shares[name] / weights[name] <= free[0] + 1e-9 for name in weights if free)
