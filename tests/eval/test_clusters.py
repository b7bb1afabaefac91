"""Clustered means against the formulas written out, and the textbook where all weigh alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.eval.clusters import TaskScores, independent_means, mean_of_languages
from tests.eval.judged import languages_of, scores_of


@settings(max_examples=60)
@given(languages_of([0, 0.25, 0.5, 1]))
def test_parts_add_up_to_the_mean_and_share_no_cluster(languages: list[list[TaskScores]]):
    parts = independent_means(languages)
    assert sum(part.weight for part in parts) == pytest.approx(1)
    assert sum(part.weight * part.value for part in parts) == pytest.approx(mean_of_languages(languages), abs=1e-9)
    names = {name for sets in languages for scores in sets for name in scores.clusters}
    assert sum(len(part.shares) for part in parts) == len(names)
    for part in parts:
        assert part.shares.sum() == pytest.approx(part.value, abs=1e-9)
        assert 1 - 1e-9 <= part.num_clusters <= len(part.shares) + 1e-9
        assert part.variance >= 0
        assert 0 < part.degrees <= max(len(part.shares) - 1, 1)


@settings(max_examples=60)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=12))
def test_of_the_same_problems_in_each_language_it_is_the_textbooks_mean(rows: list[list[float]]):
    languages = [[scores_of(*column)] for column in zip(*rows, strict=True)]
    (part,) = independent_means(languages)
    means = np.mean(rows, axis=1)
    assert part.value == pytest.approx(means.mean(), abs=1e-9)
    assert part.variance == pytest.approx(means.var(ddof=1) / len(rows), abs=1e-9)
    assert part.degrees == pytest.approx(len(rows) - 1)
    assert part.num_clusters == pytest.approx(len(rows))


def _by_matrices(languages: list[list[TaskScores]]) -> tuple[float, float]:
    """CR2 variance and Satterthwaite's degrees of freedom of a mean of cells, as Bell and McCaffrey write them."""
    cells = [scores for sets in languages for scores in sets]
    cell = np.array([index for index, scores in enumerate(cells) for _ in scores.values])
    cluster = np.array([name for scores in cells for name in scores.clusters])
    values = np.array([value for scores in cells for value in scores.values])
    weights = np.array([1 / (len(languages) * len(sets)) for sets in languages for _ in sets])
    design = np.eye(len(cells))[cell]
    bread = np.linalg.inv(design.T @ design)
    left = np.eye(len(cell)) - design @ bread @ design.T
    columns = []
    for name in sorted(set(cluster)):
        own = cluster == name
        sizes, vectors = np.linalg.eigh(left[np.ix_(own, own)])
        adjusted = vectors @ np.diag(sizes**-0.5) @ vectors.T
        columns.append(left[:, own] @ adjusted @ design[own] @ bread @ weights)
    matrix = np.array(columns).T
    inner = matrix.T @ matrix
    return float(np.square(values @ matrix).sum()), float(np.trace(inner) ** 2 / np.square(inner).sum())


def test_unlike_sets_that_share_problems_have_the_published_variance_and_degrees():
    rng = np.random.default_rng(0)
    for sizes in ((12, 4, 9), (5, 5, 2), (20, 3, 3)):
        names = [rng.permutation(20)[:size].astype(str).tolist() for size in sizes]
        names[0] = names[1] + names[2] + names[0][: sizes[0] // 2]  # all in one part, some tasks of one cluster
        languages = [[TaskScores(rng.random(len(own)).tolist(), own)] for own in names]
        (part,) = independent_means(languages)
        variance, degrees = _by_matrices(languages)
        assert (part.variance, part.degrees) == pytest.approx((variance, degrees))


def test_a_small_set_beside_a_large_one_is_a_part_of_its_own():
    parts = independent_means([[scores_of(0, 1, 0, prefix="own"), scores_of(*[0, 1] * 80)]])
    assert sorted((part.weight, part.num_clusters, part.degrees) for part in parts) == [
        (0.5, pytest.approx(3), pytest.approx(2)),
        (0.5, pytest.approx(160), pytest.approx(159)),
    ]


def test_a_single_cluster_shows_no_spread_and_languages_and_the_sets_of_one_weigh_alike():
    (part,) = independent_means([[TaskScores([1, 0], ["one", "one"])], [TaskScores([1], ["one"])]])
    assert (part.value, part.num_clusters, part.variance) == (0.75, 1, np.inf)
    ten, two = scores_of(*[1.0] * 10), scores_of(0.0, 0.0, prefix="other")
    assert mean_of_languages([[ten], [two]]) == 0.5
    assert mean_of_languages([[ten, two], [two]]) == 0.25


def test_gains_and_losses_that_cancel_are_exactly_nothing():
    (part,) = independent_means([[scores_of(0.1, 0.3)], [scores_of(0.2, 0)], [scores_of(-0.3, -0.3)]])
    assert part.value == 0
    assert not part.shares.any()
