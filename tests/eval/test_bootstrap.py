"""Intervals of a change: by hand, by coverage, and at the edges."""

import numpy as np
import pytest

from multipl_moe.eval.bits_per_byte import FileScore
from multipl_moe.eval.bootstrap import Change, mean_relative_change, relative_change
from tests.train.tiny import scores


def test_change_is_that_of_the_totals():
    change = relative_change(scores(100, 300), scores(80, 300), samples=100, seed=0)
    assert change.value == pytest.approx(-0.05)


def test_interval_of_two_files_spans_their_own_changes():
    # Four draws of two files: both, the first twice, the second twice.
    change = relative_change(scores(100, 300), scores(80, 300), samples=4000, seed=0)
    assert change.low == pytest.approx(-0.2)
    assert change.high == pytest.approx(0.0)


def test_one_file_has_an_interval_of_no_width():
    change = relative_change(scores(100), scores(90), samples=100, seed=0)
    assert (change.low, change.high) == (pytest.approx(-0.1), pytest.approx(-0.1))


def test_identical_models_change_by_exactly_nothing():
    before = scores(*np.random.default_rng(0).uniform(50, 5000, 40).tolist(), num_bytes=317)
    assert relative_change(before, list(before), samples=500, seed=3) == Change(0.0, 0.0, 0.0)
    assert mean_relative_change([(before, before)] * 3, samples=500, seed=3) == Change(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "after",
    [scores(1, 2), scores(1, 2, 3, 4), scores(1, 2, 3)[::-1], scores(1, 2, 3, first=1)],
    ids=["fewer", "more", "another order", "other files"],
)
def test_files_that_do_not_pair_are_refused(after: list[FileScore]):
    with pytest.raises(ValueError, match="same files in the same order"):
        relative_change(scores(1, 2, 3), after, samples=100, seed=0)
    with pytest.raises(ValueError, match="same files in the same order"):
        mean_relative_change([(scores(1, 2, 3), after)], samples=100, seed=0)


def _drawn(rng: np.random.Generator, change: float, num_files: int) -> tuple[list[FileScore], list[FileScore]]:
    """Files of like length whose bits change by `change` on average, with noise of 5%."""
    before = rng.uniform(900, 1100, num_files)
    after = before * (1 + change + rng.normal(0, 0.05, num_files))
    return scores(*before.tolist()), scores(*after.tolist())


def test_interval_covers_the_true_change_about_95_times_in_100():
    rng = np.random.default_rng(7)
    changes = [relative_change(*_drawn(rng, -0.03, 40), samples=400, seed=run) for run in range(200)]
    covered = sum(change.low <= -0.03 <= change.high for change in changes)
    assert 180 <= covered <= 198
    assert all(change.low < change.value < change.high for change in changes)


def test_interval_of_a_large_effect_excludes_0_and_that_of_none_includes_it():
    rng = np.random.default_rng(1)
    assert relative_change(*_drawn(rng, -0.2, 30), samples=500, seed=0).high < -0.15
    assert relative_change(*_drawn(rng, 0.2, 30), samples=500, seed=0).low > 0.15
    none = relative_change(*_drawn(np.random.default_rng(2), 0.0, 30), samples=500, seed=0)
    assert none.low < 0 < none.high


def test_more_files_narrow_the_interval():
    few = relative_change(*_drawn(np.random.default_rng(3), -0.1, 10), samples=500, seed=0)
    many = relative_change(*_drawn(np.random.default_rng(3), -0.1, 160), samples=500, seed=0)
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_width_is_that_of_the_normal_approximation():
    before, after = _drawn(np.random.default_rng(4), -0.1, 400)
    changes = [a.bits / b.bits for b, a in zip(before, after, strict=True)]
    change = relative_change(before, after, samples=2000, seed=0)
    assert change.high - change.low == pytest.approx(2 * 1.96 * np.std(changes) / 400**0.5, rel=0.1)


def test_pairing_takes_the_difference_between_files_out():
    # Files differ a hundredfold, the change is the same in each: no uncertainty is left.
    before = scores(10, 100, 1000, 5000)
    after = scores(9, 90, 900, 4500)
    change = relative_change(before, after, samples=300, seed=0)
    assert change.high - change.low < 1e-9


def test_one_seed_gives_one_interval_and_another_seed_another():
    pair = _drawn(np.random.default_rng(0), -0.05, 20)
    first = relative_change(*pair, samples=200, seed=5)
    assert relative_change(*pair, samples=200, seed=5) == first
    other = relative_change(*pair, samples=200, seed=6)
    assert other.value == first.value
    assert (other.low, other.high) != (first.low, first.high)


def test_mean_weighs_languages_alike_whatever_their_size():
    small, large = (scores(100), scores(90)), (scores(10_000), scores(10_000))
    change = mean_relative_change([small, large], samples=100, seed=0)
    assert change.value == pytest.approx(-0.05)
    assert (change.low, change.high) == (pytest.approx(-0.05), pytest.approx(-0.05))


def test_files_are_resampled_within_each_language():
    # Were files drawn from all languages together, each draw would mix -20% and +20%.
    down = (scores(100, 100), scores(80, 80))
    up = (scores(100, 100), scores(120, 120))
    change = mean_relative_change([down, up], samples=300, seed=0)
    assert change.value == pytest.approx(0, abs=1e-12)
    assert change.high - change.low < 1e-9


def test_languages_are_resampled_independently():
    pair = _drawn(np.random.default_rng(0), -0.05, 30)
    one = mean_relative_change([pair], samples=1000, seed=0)
    four = mean_relative_change([pair] * 4, samples=1000, seed=0)
    assert (four.high - four.low) == pytest.approx((one.high - one.low) / 2, rel=0.2)


def test_models_whose_tokenizers_cut_files_at_different_bytes_compare_per_byte():
    # Half the bytes for half the bits is no change.
    before, after = scores(100, 300, num_bytes=100), scores(50, 150, num_bytes=50)
    change = relative_change(before, after, samples=300, seed=0)
    assert (change.value, change.low, change.high) == pytest.approx((0, 0, 0))
    mean = mean_relative_change([(before, after)], samples=300, seed=0)
    assert (mean.low, mean.high) == (pytest.approx(0), pytest.approx(0))
