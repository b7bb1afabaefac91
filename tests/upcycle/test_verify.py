"""The proof that a conversion starts at the base."""

import pytest
import torch

from multipl_moe.upcycle.convert import upcycle
from multipl_moe.upcycle.verify import TOLERANCE, Verification, verify_start
from tests.conftest import tiny_moe

from .conftest import recipe_for, save_base


@pytest.mark.parametrize(
    ("difference", "must_be_exact", "passed"),
    [(0.0, True, True), (1e-3, True, True), (1.1e-3, True, False), (float("nan"), True, False), (5.0, False, True)],
)
def test_only_a_broken_promise_fails(difference, must_be_exact, passed):
    assert TOLERANCE == 1e-3
    assert Verification(difference, must_be_exact).passed is passed


@pytest.mark.parametrize(
    ("preset", "exact_copies", "must_be_exact"),
    [("causal", True, True), ("causal", False, False), ("paper", True, False)],
)
def test_equality_is_promised_for_copies_under_normalised_fusion(tmp_path, base, preset, exact_copies, must_be_exact):
    upcycle(recipe_for(base, preset, verify=False), tmp_path / "out")
    verification = verify_start(
        base, tmp_path / "out", tiny_moe(preset), dtype=torch.float32, exact_copies=exact_copies, seed=0
    )
    assert verification.must_be_exact is must_be_exact


def test_another_base_is_told_apart(tmp_path, base):
    upcycle(recipe_for(base), tmp_path / "out")
    other = save_base(tmp_path / "other", rms_norm_eps=0.1)
    verification = verify_start(other, tmp_path / "out", tiny_moe(), dtype=torch.float32, exact_copies=True, seed=0)
    assert not verification.passed
