"""The warning of a loss that rises: given once, at a rate far too high, and at none that learns."""

import random
from pathlib import Path

import pytest

from multipl_moe.train.rising_loss import RisingLoss
from multipl_moe.train.trainer import train_model
from tests.train.conftest import Interrupt
from tests.train.tiny import World, with_train

_STEPS = {"tokens": 24 * 4 * 32}


def _warnings(losses: list[float], warmup_steps: int = 4) -> int:
    rise = RisingLoss(warmup_steps)
    return sum(rise.shows(loss) for loss in losses)


def test_noise_of_the_batches_is_no_rise_and_a_clear_rise_is_told_once():
    random.seed(0)
    noisy = [[random.gauss(2.5 - 0.005 * step, 0.4) for step in range(120)] for _ in range(200)]
    assert sum(map(_warnings, noisy)) <= 4
    rising = [[random.gauss(2.5 + min(0.2 * step, 2), 0.4) for step in range(120)] for _ in range(50)]
    assert [_warnings(losses) for losses in rising] == [1] * 50


def test_a_rise_long_after_the_first_steps_is_none_of_its_business():
    assert _warnings([2.5, 2.6] * 60 + [9.0] * 20) == 0


def test_a_rate_far_too_high_is_told_once_with_the_remedy_also_in_the_result(world: World, tmp_path: Path):
    def run(rate: float, *callbacks) -> tuple[list[str], list[str]]:
        told: list[str] = []
        recipe, output = with_train(world.recipe, learning_rate=rate, **_STEPS), tmp_path / str(rate)
        result = train_model(recipe, world.hybrid, world.corpus, output, callbacks=callbacks, on_note=told.append)
        return told, result.warnings

    assert run(1e-2) == ([], [])
    with pytest.raises(KeyboardInterrupt):
        run(3.0, Interrupt(20))
    told, warnings = run(3.0)
    assert told == []  # before the interruption it was
    assert len(warnings) == 1
    assert warnings[0].startswith("the loss rises: ")
    assert "lower train.learning_rate, or with auto" in warnings[0]
