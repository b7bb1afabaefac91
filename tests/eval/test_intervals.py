"""Intervals of rates: published values, coverage, clusters, and the edges where all tasks score alike."""

import numpy as np
import pytest

from multipl_moe.eval.intervals import (
    Estimate,
    TaskScores,
    bootstrap_means,
    estimate_difference,
    estimate_mean_rate,
    estimate_rate,
    mean_of_languages,
    wilson,
)


def _scores(*values: float, prefix: str = "task") -> TaskScores:
    return TaskScores(values, [f"{prefix}/{index}" for index in range(len(values))])


@pytest.mark.parametrize(
    ("passed", "tasks", "low", "high"),
    [
        # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_has_the_published_values(passed: int, tasks: int, low: float, high: float):
    interval = wilson(passed, tasks)
    assert interval.value == passed / tasks
    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_wilson_mirrors_and_stays_between_0_and_1():
    for passed in range(26):
        one, other = wilson(passed, 25), wilson(25 - passed, 25)
        assert one.low == pytest.approx(1 - other.high)
        assert 0 <= one.low <= one.value <= one.high <= 1
    assert (wilson(0, 25).low, wilson(25, 25).high) == (0, 1)


def test_greedy_tasks_get_wilsons_interval():
    assert estimate_rate(_scores(1, 0, 0, 1, 0), samples=100, seed=0) == wilson(2, 5)


def test_several_samples_make_the_task_the_unit_and_not_the_sample():
    # 40 tasks, half of them always pass: a hundred samples of each prove no more than one does.
    shares = [1.0] * 19 + [0.99] + [0.0] * 20
    interval = estimate_rate(_scores(*shares), samples=2000, seed=0)
    of_tasks, of_samples = wilson(20, 40), wilson(2000, 4000)
    assert interval.high - interval.low == pytest.approx(of_tasks.high - of_tasks.low, rel=0.15)
    assert interval.high - interval.low > 5 * (of_samples.high - of_samples.low)


def test_tasks_of_one_cluster_are_drawn_together():
    # Two tasks in each cluster that always agree hold the information of one.
    values = [1.0, 1.0, 0.0, 0.0] * 20
    pairs = TaskScores(values, [f"pair/{index // 2}" for index in range(80)])
    interval = estimate_rate(pairs, samples=3000, seed=0)
    of_clusters = wilson(20, 40)
    assert interval.high - interval.low == pytest.approx(of_clusters.high - of_clusters.low, rel=0.1)


def test_the_same_problems_in_several_languages_do_not_narrow_the_mean():
    scores = _scores(*[1, 0] * 30)
    one = estimate_mean_rate([[scores]] * 2, samples=2000, seed=0)
    same = estimate_mean_rate([[scores]] * 6, samples=2000, seed=0)
    others = [[TaskScores(scores.values, [f"{n}/{name}" for name in scores.clusters])] for n in range(6)]
    other = estimate_mean_rate(others, samples=2000, seed=0)
    assert (same.low, same.high) == (pytest.approx(one.low), pytest.approx(one.high))
    assert one.high - one.low == pytest.approx(wilson(30, 60).high - wilson(30, 60).low, rel=0.1)
    assert other.high - other.low == pytest.approx((one.high - one.low) / 6**0.5, rel=0.15)


def test_the_mean_over_one_set_is_its_rate():
    greedy, sampled = _scores(1, 0, 0), _scores(0.5, 1, 0)
    for scores in (greedy, sampled):
        rate = estimate_rate(scores, samples=100, seed=0)
        assert estimate_mean_rate([[scores]], samples=100, seed=0) == rate


def test_languages_weigh_alike_and_so_do_the_sets_of_a_language():
    ten, two = _scores(*[1.0] * 10), _scores(0.0, 0.0, prefix="other")
    assert mean_of_languages([[ten], [two]]) == 0.5
    assert mean_of_languages([[ten, two], [two]]) == 0.25


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_tasks_that_all_score_alike_prove_no_certainty(value: float):
    scores = TaskScores([value] * 20, [f"task/{index // 2}" for index in range(20)])
    assert estimate_rate(scores, samples=200, seed=0) == wilson(value * 10, 10)
    assert estimate_mean_rate([[scores], [scores]], samples=200, seed=0) == wilson(value * 10, 10)


def test_a_set_that_a_draw_misses_keeps_its_mean():
    draws = bootstrap_means([[TaskScores([0.75], ["lonely"])], [_scores(*[0.25] * 8)]], samples=500, seed=0)
    assert draws == pytest.approx(np.full(500, 0.5))


def test_difference_of_equal_models_is_exactly_nothing():
    assert estimate_difference([[_scores(*[0.0] * 30)]], samples=300, seed=0) == Estimate(0, 0, 0)
