"""Each part of each expert has random numbers of its own."""

import pytest
import torch

from multipl_moe.checkpoints.draws import expert_generator


def test_equal_parts_draw_equal_values_in_any_order():
    first = torch.randn(9, generator=expert_generator(3, 1, 2, "up"))
    torch.randn(9, generator=expert_generator(3, 1, 1, "up"))
    assert torch.equal(torch.randn(9, generator=expert_generator(3, 1, 2, "up")), first)


@pytest.mark.parametrize(
    "other", [(4, 1, 2, "up"), (3, 2, 2, "up"), (3, 1, 3, "up"), (3, 1, 2, "down"), (3, 2, 1, "up")]
)
def test_another_seed_layer_expert_or_part_draws_other_values(other):
    first = torch.randn(9, generator=expert_generator(3, 1, 2, "up"))
    assert not torch.equal(torch.randn(9, generator=expert_generator(*other)), first)
