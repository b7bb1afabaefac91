"""Mixtures: shares, order, passes, and what a hash of the order tells."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Dataset

from multipl_moe.data.mixture_dataset import MixtureDataset, shares_within, weights_by_size
from multipl_moe.errors import ConfigError


class Numbers(Dataset):
    """Items that tell dataset and index."""

    def __init__(self, name: int, length: int):
        self.name, self.length = name, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int):
        return {"input_ids": torch.tensor([self.name, index])}


def mixture(
    weights: list[float], num_sequences: int, seed: int = 0, length: int = 7
) -> tuple[MixtureDataset, np.ndarray]:
    datasets = {f"language{i}": Numbers(i, length) for i in range(len(weights))}
    named = {f"language{i}": weight for i, weight in enumerate(weights)}
    mixed = MixtureDataset(datasets, named, num_sequences, seed)
    return mixed, np.array([mixed[i]["input_ids"].tolist() for i in range(len(mixed))]).reshape(-1, 2)


@settings(max_examples=40)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9), st.integers(0, 120))
def test_after_any_number_of_sequences_each_language_has_had_its_share(weights, num_sequences):
    _, items = mixture(weights, num_sequences)
    assert len(items) == num_sequences
    shares = np.array(weights) / sum(weights)
    counts = np.cumsum(items[:, :1] == np.arange(len(weights)), axis=0)
    expected = np.arange(1, num_sequences + 1)[:, None] * shares
    assert np.abs(counts - expected).max(initial=0) < 1 + 1e-6


def test_a_mixture_whose_order_would_fill_the_memory_is_refused():
    with pytest.raises(ConfigError, match=r"100,000,001 sequences are more than the 100,000,000"):
        mixture([1.0, 2.0], 10**8 + 1)


def test_each_pass_takes_every_sequence_once_in_a_new_order():
    mixed, items = mixture([1.0], 17)
    passes = [items[:7, 1], items[7:14, 1], items[14:, 1]]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(7))
    assert passes[0].tolist() != passes[1].tolist()
    assert len(set(passes[2])) == 3
    assert mixed.epochs == {"language0": 17 / 7}


def test_the_order_depends_on_the_seed_and_not_on_the_other_languages():
    _, items = mixture([1.0, 1.0], 20)
    _, again = mixture([1.0, 1.0], 20)
    _, other = mixture([1.0, 1.0], 20, seed=1)
    _, joined = mixture([1.0, 1.0, 3.0], 50)
    assert items.tolist() == again.tolist() != other.tolist()
    for language in (0, 1):
        assert joined[joined[:, 0] == language, 1].tolist() == items[items[:, 0] == language, 1].tolist()


def test_a_language_of_weight_zero_is_left_out():
    mixed, items = mixture([1.0, 0.0], 5)
    assert items[:, 0].tolist() == [0] * 5
    assert mixed.epochs == {"language0": 5 / 7}


def test_items_are_those_of_a_language_in_a_part_of_the_mixture_and_the_hash_tells_orders_apart():
    mixed, items = mixture([1.0, 2.0], 30)
    part = items[4:20]
    assert mixed.items("language1", 4, 20).tolist() == part[part[:, 0] == 1, 1].tolist()
    assert mixed.sha256 == mixture([1.0, 2.0], 30)[0].sha256
    others = [mixture([1.0, 2.0], 30, seed=1), mixture([1.0, 2.0], 31), mixture([2.0, 1.0], 30)]
    assert len({mixed.sha256, *(other.sha256 for other, _ in others)}) == 4


_SIZES = {"rust": 8_000_000, "go": 1_000_000, "ruby": 64_000_000}


def test_temperature_takes_a_root_and_keeps_the_mean():
    weights = weights_by_size(_SIZES, 3.0, 0.1)
    assert weights == pytest.approx({"rust": 0.3 * 2 / 7, "go": 0.3 * 1 / 7, "ruby": 0.3 * 4 / 7})
    assert weights_by_size(_SIZES, 1e9, 1.0) == pytest.approx(dict.fromkeys(_SIZES, 1.0))
    assert weights_by_size({}, 2.0, 1.0) == {}


@settings(max_examples=40)
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
