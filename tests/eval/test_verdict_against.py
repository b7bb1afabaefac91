"""Two models: keys frozen, differences paired, and plain words where it is noise."""

import pytest

from multipl_moe.errors import UserError
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.eval.verdict_against import compare_tasks, judge_against
from multipl_moe.runs.verdict import VerdictComparison
from tests.eval.judged import cell_of, problems, results, scores_of

_SETTINGS = VerdictSettings(roles={"rust": "learn", "go": "learn", "python": "keep"})
_RUST, _GO, _PYTHON = (problems(name, 20) for name in ("rust", "go", "python"))
_ASKED = _RUST + _GO + _PYTHON
_BEFORE = results(_RUST, "w" * 20) + results(_GO, "p" * 5 + "w" * 15) + results(_PYTHON, "p" * 10 + "w" * 10)
_AFTER = results(_RUST, "p" * 12 + "w" * 8) + results(_GO, "p" * 7 + "w" * 13) + results(_PYTHON, "p" * 9 + "w" * 11)
_CELL = {"tasks", "before", "after", "difference", "interval", "gained", "lost", "is_noise", "sentence"}


def test_keys_are_frozen():
    verdict = judge_against(_ASKED, _BEFORE, _AFTER, _SETTINGS)
    assert verdict.but(before=None, comparison=None) == build_verdict(_ASKED, _AFTER, _SETTINGS)
    assert verdict.before == build_verdict(_ASKED, _BEFORE, _SETTINGS)
    comparison = verdict.to_json()["comparison"]
    assert set(comparison) == {"languages", "means", "unpaired"}
    for row in comparison["languages"].values():
        assert set(row) == {"title", "role", "benchmarks"}
        assert all(set(cell) == _CELL | {"parses_or_compiles"} for cell in row["benchmarks"].values())
    assert all(set(row) == _CELL | {"languages"} for row in comparison["means"].values())


def compared(before, after, asked=_RUST) -> VerdictComparison:
    comparison = judge_against(asked, before, after, _SETTINGS).comparison
    assert comparison is not None
    return comparison


def test_what_changed_is_told_in_plain_words_and_means_are_those_of_the_roles():
    comparison = compared(_BEFORE, _AFTER, _ASKED)
    cell = cell_of(comparison)
    assert (cell.before, cell.after, cell.difference) == (0.0, 0.6, pytest.approx(0.6))
    assert (cell.gained, cell.lost, cell.is_noise) == (12, 0, False)
    assert cell.sentence == ("+60.0 points (0.0% to 60.0%) is more than noise: 12 tasks gained and 0 lost, of 20 tasks")
    cell = cell_of(comparison, "go")
    low, high = (f"{100 * end:+.1f}" for end in cell.interval)
    assert cell.is_noise
    assert cell.sentence == (
        f"+10.0 points (25.0% to 35.0%) is within noise: of 20 tasks, anything from {low} to {high} may be true"
    )
    means = comparison.means
    assert means["learn"].languages == ["rust", "go"]
    assert means["learn"].difference == pytest.approx((0.6 + 0.1) / 2)
    assert means["learn"].interval[0] > 0
    assert means["all"].before == pytest.approx(0.25)
    assert (means["keep"].difference, means["keep"].is_noise) == (pytest.approx(-0.05), True)
    assert "of 20 tasks in 1 language, anything from " in means["keep"].sentence


def test_what_parses_is_compared_too():
    before, after = results(_RUST, "c" * 15 + "w" * 5), results(_RUST, "c" * 3 + "w" * 16 + "p")
    cell = cell_of(compared(before, after))
    built = cell.parses_or_compiles
    assert (built.before, built.after, built.difference) == (0.25, 0.85, pytest.approx(0.6))
    assert built.interval[0] > 0 > cell.interval[0]


def test_tasks_that_the_judge_failed_on_for_one_model_do_not_pair():
    comparison = compared(results(_RUST, "h" + "w" * 19), results(_RUST, "p" * 19 + "h"))
    assert comparison.unpaired == ["starter/rust/0", "starter/rust/19"]
    assert cell_of(comparison).tasks == 18
    with pytest.raises(UserError, match="no problem counts for both models"):
        compared(results(_RUST, "h" * 20), results(_RUST, "p" * 20))


def test_several_samples_of_a_task_are_compared_by_their_share():
    before, after = results(_RUST, "w" * 20, "p" * 5 + "w" * 15), results(_RUST, "p" * 12 + "w" * 8, "p" * 20)
    assert not cell_of(compared(before, after)).is_noise


def test_gains_and_losses_are_counted_over_all_tasks():
    before, after = scores_of(*[0.0] * 8, *[1] * 12), scores_of(*[1.0] * 7, 0, *[1] * 11, 0)
    change = compare_tasks([[(before, after)]] * 2)
    assert (change.tasks, change.gained, change.lost) == (40, 14, 2)
    assert change.difference == pytest.approx(0.3)
    assert not change.is_noise
    few = compare_tasks([[(scores_of(*[0.0] * 40), scores_of(*[1.0] * 3, *[0.0] * 37))]] * 6)
    assert (few.gained, few.tasks, few.is_noise) == (18, 240, True)


def test_at_160_tasks_a_difference_under_7_to_9_points_is_noise():
    # A fifth of the tasks differ, as between models of like strength.
    words = {}
    for gained in range(17, 25):
        before, after = [0.0] * gained + [1] * (32 - gained) + [0] * 128, [1.0] * gained + [0] * (160 - gained)
        words[(2 * gained - 32) / 160] = compare_tasks([[(scores_of(*before), scores_of(*after))]]).is_noise
    assert [word for difference, word in words.items() if difference < 0.065] == [True] * 5
    assert [word for difference, word in words.items() if difference > 0.085] == [False] * 2


def test_tasks_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="same tasks in the same order"):
        compare_tasks([[(scores_of(1.0, 0.0), scores_of(1.0, 0.0, prefix="other"))]])
