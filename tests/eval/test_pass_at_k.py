"""pass@k against brute force, published values, and its edges."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.eval.pass_at_k import pass_at_k


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [(5, 2, 1, 0.4), (5, 2, 2, 0.7), (10, 3, 5, 0.91667), (200, 37, 10, 0.87737), (7, 0, 7, 0.0), (7, 1, 7, 1.0)],
)
def test_known_values(n: int, c: int, k: int, value: float):
    assert pass_at_k(n, c, k) == pytest.approx(value, abs=5e-6)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@given(_cases())
def test_it_is_the_share_of_all_subsets_that_hold_a_passing_sample(case: tuple[int, int, int]):
    n, c, k = case
    subsets = list(combinations([index < c for index in range(n)], k))
    assert pass_at_k(n, c, k) == sum(map(any, subsets)) / len(subsets)


def test_huge_numbers_of_samples_lose_no_digits():
    n = 100_000
    assert pass_at_k(n, 1, 7) == 7 / n
    assert 0 < 1 - pass_at_k(n, n // 2, 40) < 1e-12
    assert pass_at_k(n, n // 2, n // 2) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(5, 5, 10), (5, 2, 0), (5, 6, 1), (5, -1, 1)])
def test_impossible_counts_are_refused(n: int, c: int, k: int):
    with pytest.raises(ValueError, match="no such thing"):
        pass_at_k(n, c, k)
