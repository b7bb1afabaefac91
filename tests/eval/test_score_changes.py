"""Changes of bits per byte: by hand, by coverage, at the edges; means of programming languages only; metrics.json."""

import numpy as np
import pytest
from scipy import stats

from multipl_moe.errors import ConfigError
from multipl_moe.eval.bits_per_byte import FileScore
from multipl_moe.eval.intervals import Estimate
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.score_changes import compare_scores, mean_relative_change
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.result import Change, RunResult
from tests.train.tiny import scores


def _change(before: list[FileScore], after: list[FileScore], samples: int = 300, seed: int = 0) -> Estimate:
    return mean_relative_change([(before, after)], samples=samples, seed=seed)


def _drawn(rng: np.random.Generator, change: float, num_files: int) -> tuple[list[FileScore], list[FileScore]]:
    """Files of like length whose bits change by `change` on average, with noise of 5%."""
    before = rng.uniform(900, 1100, num_files)
    after = before * (1 + change + rng.normal(0, 0.05, num_files))
    return scores(*before.tolist()), scores(*after.tolist())


def test_change_is_that_of_the_totals_and_its_interval_spans_the_files_own_changes():
    # Four draws of two files: both, the first twice, the second twice.
    change = _change(scores(100, 300), scores(80, 300), samples=4000)
    width = 2**0.5 * stats.t.ppf(0.975, 1) / stats.norm.ppf(0.975)  # of two files, over a plain bootstrap's
    expected = (-0.05, -0.05 - width * 0.15, -0.05 + width * 0.05)
    assert (change.value, change.low, change.high) == pytest.approx(expected)
    alone = _change(scores(100), scores(90))  # one file proves nothing
    assert (alone.value, alone.low, alone.high) == pytest.approx((-0.1, -1.1, 0.9))


def test_identical_models_change_by_exactly_nothing():
    before = scores(*np.random.default_rng(0).uniform(50, 5000, 40).tolist(), num_bytes=317)
    assert mean_relative_change([(before, list(before))] * 3, samples=500, seed=3) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "after",
    [scores(1, 2), scores(1, 2, 3, 4), scores(1, 2, 3)[::-1], scores(1, 2, 3, first=1)],
    ids=["fewer", "more", "another order", "other files"],
)
def test_files_that_do_not_pair_are_refused(after: list[FileScore]):
    with pytest.raises(ValueError, match="same files in the same order"):
        _change(scores(1, 2, 3), after)


@pytest.mark.parametrize("num_files", [2, 5, 40])
def test_interval_covers_the_true_change_about_95_times_in_100(num_files: int):
    rng = np.random.default_rng(7)
    changes = [_change(*_drawn(rng, -0.03, num_files), samples=400, seed=run) for run in range(300)]
    covered = sum(change.low <= -0.03 <= change.high for change in changes)
    assert 270 <= covered <= 297
    assert all(change.low < change.value < change.high for change in changes)


def test_pairing_takes_the_difference_between_files_and_tokenizers_out():
    # Files differ a hundredfold, the change is the same in each: no uncertainty is left.
    change = _change(scores(10, 100, 1000, 5000), scores(9, 90, 900, 4500))
    assert change.high - change.low < 1e-9
    # Half the bytes, where another tokenizer cuts files, for half the bits is no change.
    change = _change(scores(100, 300, num_bytes=100), scores(50, 150, num_bytes=50))
    assert (change.value, change.low, change.high) == pytest.approx((0, 0, 0))


def test_mean_weighs_languages_alike_whatever_their_size_and_files_are_resampled_within_each():
    # Were files drawn from all languages together, each draw would mix -10% and 0%.
    small, large = (scores(50, 50), scores(45, 45)), (scores(5000, 5000), scores(5000, 5000))
    change = mean_relative_change([small, large], samples=100, seed=0)
    assert (change.value, change.low, change.high) == pytest.approx((-0.05, -0.05, -0.05))


def test_languages_are_resampled_independently():
    pair = _drawn(np.random.default_rng(0), -0.05, 30)
    one = mean_relative_change([pair], samples=1000, seed=0)
    four = mean_relative_change([pair] * 4, samples=1000, seed=0)
    assert (four.high - four.low) == pytest.approx((one.high - one.low) / 2, rel=0.2)


def test_one_seed_gives_one_interval_and_another_seed_another():
    pair = _drawn(np.random.default_rng(0), -0.05, 20)
    first, again, other = (_change(*pair, seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert other.value == first.value
    assert other.interval != first.interval


def test_the_keys_of_metrics_json_are_frozen_its_values_those_of_the_run_and_it_comes_back(metrics, tmp_path):
    values = metrics.to_json()
    keys = {"tokens", "seconds", "parameters", "languages", "against", "means", "frozen_sha256", "routing", "seed"}
    keys |= {"learning_rate", "warnings", "environment", "router_health", "sentence"}
    assert set(values) == keys
    assert next(iter(values)) == "sentence"
    assert set(values["parameters"]) == {"total", "active", "trained"}
    for row in values["means"].values():
        assert set(row) == {"change", "interval"}
    assert (metrics.tokens, metrics.seconds, metrics.seed) == (12_345, 67.0, 4711)
    assert metrics.frozen_sha256 == "ab" * 32
    roles = {name: row.role for name, row in metrics.languages.items()}
    assert roles == {"rust": "learn", "cpp": "learn", "python": "keep", "english": "keep"}
    assert values["languages"]["rust"] == {
        "title": "Rust",
        "role": "learn",
        "bpb_before": 2.0,
        "bpb_after": 1.6,
        "change": pytest.approx(-0.2),
        "interval": [pytest.approx(-0.2)] * 2,
        "files": 3,
        "bytes": 300,
    }
    metrics.write(tmp_path / "metrics.json")
    assert RunResult.read(tmp_path / "metrics.json") == metrics


def test_means_count_programming_languages_only(recipe, before, after):
    result = compare_scores(recipe, before, after)
    assert result.means["learn"].change == pytest.approx(-0.15)
    assert result.means["keep"].change == pytest.approx(0.01)  # English, +50%, stands by itself
    assert result.languages["english"].change == pytest.approx(0.5)
    no_code = validate_recipe({"learn": ["rust"], "keep": ["english"]})
    assert set(compare_scores(no_code, before, after).means) == {"learn"}


def test_files_that_one_model_alone_scores_do_not_count(recipe, before, after):
    whole = compare_scores(recipe, before, after)
    more = [FileScore("file_9", 7.0, 100, 25), *before.files["rust"]]
    assert compare_scores(recipe, before.but(files=before.files | {"rust": more}), after) == whole
    with pytest.raises(ConfigError, match="no held-out text in rust is scored for both models; raise eval"):
        compare_scores(recipe, before.but(files=before.files | {"rust": more[:1]}), after)


def test_intervals_come_from_the_recipes_seed_and_samples(recipe, before, after):
    rust = after.files["rust"]
    uneven = [rust[0], rust[1], before.files["rust"][2]]
    after = LanguageScores(files=after.files | {"rust": uneven})
    result = compare_scores(recipe, before, after)
    change = _change(before.files["rust"], uneven, samples=300, seed=4711)
    assert result.languages["rust"].interval == change.interval
    assert change.low < change.high
    pairs = [(before.files[name], after.files[name]) for name in ("rust", "cpp")]
    mean = mean_relative_change(pairs, samples=300, seed=4711)
    assert result.means["learn"] == Change(change=mean.value, interval=mean.interval)
