"""Intervals: published values, what must hold of all of them, and what few tasks and clusters prove."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import stats

from multipl_moe.eval.clusters import TaskScores
from multipl_moe.eval.intervals import Estimate, estimate_difference, estimate_rate
from tests.eval.judged import languages_of, scores_of


def _width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


@pytest.mark.parametrize(
    ("passed", "tasks", "low", "high"),
    [
        # Newcombe 1998, table I, method 5
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_greedy_tasks_get_the_published_interval_of_clopper_and_pearson(passed, tasks, low, high):
    interval = estimate_rate([[scores_of(*[1.0] * passed, *[0.0] * (tasks - passed))]])
    assert interval.value == passed / tasks
    assert interval.interval == pytest.approx((low, high), abs=5e-5)


@settings(max_examples=60)
@given(languages_of([0, 0.1, 0.5, 1]))
def test_a_rate_is_in_its_interval_which_has_a_width_and_mirrors(languages: list[list[TaskScores]]):
    interval = estimate_rate(languages)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert _width(interval) > 0.05
    failures = [[TaskScores([1 - v for v in one.values], one.clusters) for one in sets] for sets in languages]
    assert estimate_rate(failures).interval == pytest.approx((1 - interval.high, 1 - interval.low), abs=1e-6)


@settings(max_examples=60)
@given(languages_of([-1, -0.1, 0, 0.5, 1]))
def test_a_difference_is_in_its_interval_which_has_a_width_and_mirrors(languages: list[list[TaskScores]]):
    interval = estimate_difference(languages)
    assert -1 <= interval.low <= interval.value <= interval.high <= 1
    assert _width(interval) > 0.05
    back = estimate_difference(
        [[TaskScores([-v for v in one.values], one.clusters) for one in sets] for sets in languages]
    )
    assert back == Estimate(-interval.value, -interval.high, -interval.low)


def test_a_difference_is_told_from_0_where_students_paired_test_tells_it():
    rng = np.random.default_rng(0)
    told = []
    for _ in range(400):
        tasks = int(rng.integers(6, 40))
        rows = rng.binomial(1, 0.6, (tasks, 3)) * rng.choice([-1, 1, 1], (tasks, 3))
        interval = estimate_difference([[scores_of(*column.tolist())] for column in rows.T])
        result: Any = stats.ttest_1samp(rows.mean(axis=1), 0)
        told.append(bool(result.pvalue < 0.05))
        assert told[-1] == (not interval.low <= 0 <= interval.high)
    assert 100 < sum(told) < 300


def test_of_greedy_tasks_that_is_mcnemars_test():
    # Without correction for few tasks it would need |gained - lost| > 1.96 * sqrt(gained + lost).
    for gained, lost in ((12, 0), (18, 5), (30, 12)):
        assert estimate_difference([[scores_of(*[1] * gained, *[-1] * lost, *[0] * 120)]]).low > 0
    for gained, lost in ((3, 0), (14, 6), (30, 18)):
        assert estimate_difference([[scores_of(*[1] * gained, *[-1] * lost, *[0] * 120)]]).low < 0


def test_the_task_is_the_unit_and_samples_narrow_only_what_tasks_do_not_tell_apart():
    # 40 tasks, half of them always pass: a hundred samples of each prove no more than one does.
    sampled = estimate_rate([[scores_of(*[1.0] * 19, 0.99, *[0.0] * 20)]])
    assert _width(sampled) == pytest.approx(_width(estimate_rate([[scores_of(*[1.0] * 20, *[0.0] * 20)]])), rel=0.02)
    even = estimate_rate([[scores_of(*[0.4, 0.5, 0.6] * 10)]])
    assert _width(even) < 0.5 * _width(estimate_rate([[scores_of(*[1, 0] * 15)]]))


def test_tasks_of_one_cluster_count_once():
    pairs = TaskScores([1.0, 1.0, 0.0, 0.0] * 20, [f"pair/{index // 2}" for index in range(80)])
    once = estimate_rate([[scores_of(*[1, 0] * 20)]])
    assert estimate_rate([[pairs]]).interval == pytest.approx(once.interval)


def test_the_same_problems_in_several_languages_prove_no_more_than_in_one():
    scores, changes = scores_of(*[1, 0] * 30), scores_of(*[1] * 12, *[-1] * 3, *[0] * 30)
    others = [[TaskScores(scores.values, [f"{n}/{name}" for name in scores.clusters])] for n in range(6)]
    for estimate, values in ((estimate_rate, scores), (estimate_difference, changes)):
        one, six = estimate([[values]]), estimate([[values]] * 6)
        assert six.interval == pytest.approx(one.interval)
    assert _width(estimate_rate(others)) == pytest.approx(_width(estimate_rate([[scores]])) / 6**0.5, rel=0.1)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_tasks_that_all_pass_or_fail_prove_no_certainty(value: float):
    sampled = TaskScores([value] * 20, [f"task/{index // 2}" for index in range(20)])
    greedy = estimate_rate([[scores_of(*[value] * 10)]])
    assert estimate_rate([[sampled], [sampled]]).interval == pytest.approx(greedy.interval)


@pytest.mark.parametrize(("tasks", "reach"), [(5, 0.61), (31, 0.12), (164, 0.023)])
def test_models_that_do_alike_may_still_differ(tasks: int, reach: float):
    interval = estimate_difference([[scores_of(*[0.0] * tasks)]] * 3)
    assert (interval.value, interval.high) == (0, pytest.approx(reach, abs=0.005))
    assert interval.low == -interval.high


def test_all_gained_is_told_from_nothing_from_four_tasks_on_and_never_certain():
    lows = [estimate_difference([[scores_of(*[1.0] * tasks)]]).low for tasks in (1, 2, 3, 4, 5, 20)]
    assert lows == sorted(lows)
    assert [low > 0 for low in lows] == [False, False, False, True, True, True]
    assert max(lows) < 0.95


def test_a_small_set_beside_a_large_one_does_not_borrow_its_certainty():
    few, many = scores_of(1, 0, 0, 1, 0, prefix="own"), scores_of(*[1, 0] * 80)
    alone = estimate_rate([[few]])
    both = estimate_rate([[few, many]])
    assert both.high - both.value > 0.5 * (alone.high - alone.value)
