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


def test_another_base_is_told_apart(tmp_path, base):
    upcycle(recipe_for(base), tmp_path / "out")
    other = save_base(tmp_path / "other", rms_norm_eps=0.1)
    verification = verify_start(other, tmp_path / "out", tiny_moe(), dtype=torch.float32, exact_copies=True, seed=0)
    assert not verification.passed
