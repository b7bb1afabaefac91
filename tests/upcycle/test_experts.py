"""Noise and re-initialisation of experts."""

import pytest
import torch

from multipl_moe.upcycle.experts import add_noise, dropped_units, reinitialize_units


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("reinit", "number"), [(0.0, 0), (0.1, 5), (0.25, 12), (0.5, 24), (1.0, 48)])
def test_the_share_of_units_asked_for_is_dropped_each_once(reinit, number):
    units = dropped_units(48, reinit, generator()).tolist()
    assert len(units) == len(set(units)) == number
    assert set(units) <= set(range(48))


def test_units_are_drawn_not_the_first_ones():
    assert sorted(dropped_units(48, 0.5, generator()).tolist()) != list(range(24))


@pytest.mark.parametrize("dim", [0, 1])
def test_only_the_chosen_units_start_anew(dim):
    weight = torch.randn(12, 9)
    before = weight.clone()
    units = torch.tensor([1, 4, 7])
    fresh = reinitialize_units(weight, units, dim, generator())
    rest = [i for i in range(weight.shape[dim]) if i not in units.tolist()]
    assert torch.equal(fresh.index_select(dim, torch.tensor(rest)), before.index_select(dim, torch.tensor(rest)))
    assert (fresh.index_select(dim, units) != before.index_select(dim, units)).all()
    assert torch.equal(weight, before)


def test_fresh_units_have_the_statistics_of_those_they_replace():
    weight = torch.randn(400, 100)
    units = torch.arange(100)
    weight[units] = 3 + 0.5 * weight[units]
    fresh = reinitialize_units(weight, units, 0, generator())[units]
    assert fresh.mean().item() == pytest.approx(3, abs=0.03)
    assert fresh.std().item() == pytest.approx(0.5, abs=0.03)


def test_no_unit_changes_nothing():
    weight = torch.randn(3, 4)
    assert torch.equal(reinitialize_units(weight, torch.tensor([], dtype=torch.long), 0, generator()), weight)


def test_a_single_value_is_replaced_by_a_finite_one():
    fresh = reinitialize_units(torch.tensor([1.0, 2.0]), torch.tensor([1]), 0, generator())
    assert fresh.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dtype_stays(dtype):
    weight = torch.randn(6, 4).to(dtype)
    assert reinitialize_units(weight, torch.tensor([2]), 0, generator()).dtype == dtype
    assert add_noise(weight, 0.1, generator()).dtype == dtype


@pytest.mark.parametrize(("noise", "scale"), [(0.01, 1.0), (0.2, 1.0), (0.2, 0.03)])
def test_noise_is_measured_in_standard_deviations_of_the_weight(noise, scale):
    weight = scale * torch.randn(300, 200)
    added = add_noise(weight, noise, generator()) - weight
    assert added.std().item() == pytest.approx(noise * scale, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.02 * noise * scale)


def test_no_noise_is_bit_equal():
    weight = torch.randn(5, 5)
    assert torch.equal(add_noise(weight, 0.0, generator()), weight)
