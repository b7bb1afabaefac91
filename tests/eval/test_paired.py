"""Paired comparison: counts, and one word with its interval."""

import pytest

from multipl_moe.eval.paired import compare_tasks
from tests.eval.judged import scores_of


def test_gains_and_losses_are_counted_over_all_tasks():
    before, after = scores_of(*[0.0] * 8, *[1] * 12), scores_of(*[1.0] * 7, 0, *[1] * 11, 0)
    change = compare_tasks([[(before, after)]] * 2)
    assert (change.tasks, change.gained, change.lost) == (40, 14, 2)
    assert change.difference == pytest.approx(0.3)
    assert not change.is_noise


def test_at_160_tasks_a_difference_under_7_to_9_points_is_noise():
    # A fifth of the tasks differ, as between models of like strength.
    words = {}
    for gained in range(17, 25):
        before, after = [0.0] * gained + [1] * (32 - gained) + [0] * 128, [1.0] * gained + [0] * (160 - gained)
        words[(2 * gained - 32) / 160] = compare_tasks([[(scores_of(*before), scores_of(*after))]]).is_noise
    assert [word for difference, word in words.items() if difference < 0.065] == [True] * 5
    assert [word for difference, word in words.items() if difference > 0.085] == [False] * 2


def test_pairing_takes_the_difficulty_of_tasks_out():
    before = [index / 60 for index in range(50)]
    change = compare_tasks([[(scores_of(*before), scores_of(*[value + 0.1 for value in before]))]])
    assert not change.is_noise


def test_few_changed_problems_are_noise():
    few = compare_tasks([[(scores_of(*[0.0] * 40), scores_of(*[1.0] * 3, *[0.0] * 37))]] * 6)
    assert few.is_noise
    assert (few.gained, few.tasks) == (18, 240)


def test_tasks_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="same tasks in the same order"):
        compare_tasks([[(scores_of(1.0, 0.0), scores_of(1.0, 0.0, prefix="other"))]])
