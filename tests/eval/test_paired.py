"""Paired comparison: known p-values, coverage, and an honest bound of noise."""

import numpy as np
import pytest

from multipl_moe.eval.intervals import TaskScores
from multipl_moe.eval.paired import compare_means, compare_tasks, least_significant, mcnemar


def _scores(values: list[float], prefix: str = "task") -> TaskScores:
    return TaskScores(values, [f"{prefix}/{index}" for index in range(len(values))])


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    # R's binom.test(gained, gained + lost) gives the same
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (10, 2, 0.0385742), (5, 5, 1.0), (86, 150, 3.7e-5)],
)
def test_mcnemar_has_known_values(gained: int, lost: int, p_value: float):
    assert mcnemar(gained, lost) == pytest.approx(p_value, rel=0.02)
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_least_significant_is_where_mcnemar_turns():
    assert least_significant(0) == least_significant(5) == 6
    for num_changed in range(6, 60):
        least = least_significant(num_changed)
        lost = (num_changed - least) // 2
        assert mcnemar(num_changed - lost, lost) < 0.05 <= mcnemar(num_changed - lost - 1, lost + 1)


def test_greedy_models_are_judged_by_mcnemar():
    change = compare_tasks(_scores([0.0] * 8 + [1] * 12), _scores([1.0] * 7 + [0] + [1] * 12), samples=500, seed=0)
    assert (change.num_tasks, change.gained, change.lost) == (20, 7, 0)
    assert change.difference.value == pytest.approx(0.35)
    assert change.mcnemar_p == pytest.approx(2 / 2**7)
    assert change.noise_below == pytest.approx(7 / 20)  # of 7 changed tasks all must be gained
    assert not change.is_noise


def test_bound_of_noise_agrees_with_the_p_value():
    rng = np.random.default_rng(0)
    verdicts = set()
    for run in range(150):
        before, after = (rng.random(40) < rate for rate in (0.3, rng.uniform(0.2, 0.8)))
        pair = _scores(before.astype(float).tolist()), _scores(after.astype(float).tolist())
        change = compare_tasks(*pair, samples=100, seed=run)
        assert change.mcnemar_p is not None
        assert change.is_noise == (change.mcnemar_p >= 0.05)
        verdicts.add(change.is_noise)
    assert verdicts == {True, False}


def test_at_160_tasks_a_difference_under_7_to_9_points_is_noise():
    # A fifth of the tasks differ, as between models of like strength.
    before, after = [0.0] * 18 + [1] * 14 + [0] * 128, [1.0] * 18 + [0] * 14 + [0] * 128
    change = compare_tasks(_scores(before), _scores(after), samples=200, seed=0)
    assert 0.07 < change.noise_below < 0.09
    assert change.is_noise


def test_sampled_difference_is_noise_exactly_where_its_interval_holds_0():
    rng = np.random.default_rng(4)
    seen = set()
    for run in range(100):
        before, after = rng.exponential(0.1, 12), rng.exponential(rng.choice([0.05, 0.1, 0.2]), 12)
        change = compare_tasks(_scores(before.tolist()), _scores(after.tolist()), samples=200, seed=run)
        holds_0 = change.difference.low <= 0 <= change.difference.high
        assert change.mcnemar_p is None
        assert change.is_noise == holds_0
        seen.add((holds_0, change.difference.value > 0))
    assert len(seen) == 4


def test_interval_covers_the_true_difference_about_95_times_in_100():
    rng = np.random.default_rng(11)
    covered = 0
    for run in range(200):
        before = rng.random(120) < 0.3
        after = np.where(rng.random(120) < 0.2, rng.random(120) < 0.8, before)  # 0.2 * (0.8 - 0.3) = 0.1 on average
        pair = _scores(before.astype(float).tolist()), _scores(after.astype(float).tolist())
        difference = compare_tasks(*pair, samples=300, seed=run).difference
        covered += difference.low <= 0.1 <= difference.high
    assert 180 <= covered <= 199


def test_pairing_takes_the_difficulty_of_tasks_out():
    before = np.linspace(0, 0.8, 50)
    change = compare_tasks(_scores(before.tolist()), _scores((before + 0.2).tolist()), samples=300, seed=0)
    assert change.difference.high - change.difference.low < 1e-9
    assert not change.is_noise


def test_same_problems_in_six_languages_prove_no_more_than_in_one():
    before, after = [0.0] * 40, [1.0] * 10 + [0.0] * 30
    one = compare_means([[(_scores(before), _scores(after))]] * 2, samples=1000, seed=0)
    six = compare_means([[(_scores(before), _scores(after))]] * 6, samples=1000, seed=0)
    assert (six.difference.low, six.difference.high) == pytest.approx((one.difference.low, one.difference.high))
    assert one.difference.low < six.difference.value == 0.25 < six.difference.high
    assert (six.num_tasks, six.gained, six.lost) == (240, 60, 0)


def test_a_handful_of_changed_problems_is_noise_whatever_the_interval_says():
    few = compare_means([[(_scores([0.0] * 5), _scores([1.0] * 5))]] * 6, samples=300, seed=0)
    assert few.difference.low == 1.0
    assert few.is_noise
    assert few.noise_below == pytest.approx(6 / 5)
    enough = compare_means([[(_scores([0.0] * 6), _scores([1.0] * 6))]] * 6, samples=300, seed=0)
    assert not enough.is_noise


def test_models_that_do_alike_are_noise_with_a_bound():
    change = compare_means([[(_scores([0.5] * 24), _scores([0.5] * 24))]] * 2, samples=300, seed=0)
    assert change.is_noise
    assert change.noise_below == pytest.approx(6 / 24)


def test_tasks_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="same tasks in the same order"):
        compare_tasks(_scores([1.0, 0.0]), _scores([1.0, 0.0], prefix="other"), samples=100, seed=0)
