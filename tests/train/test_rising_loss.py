"""The warning of a loss that rises: given once, at a rate far too high, and at none that learns."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.data.training_data import training_data
from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.train.rising_loss import RisingLoss
from multipl_moe.train.setup import TrainingSetup
from multipl_moe.train.trainer import train_model
from tests.train.conftest import Interrupt, Run, changed, train
from tests.train.tiny import World, with_train

_WARNING = "the loss rises: on the text that is learnt first it was "


@pytest.fixture(scope="module")
def learnt(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that knows its text, so that its loss can rise."""
    folder = tmp_path_factory.mktemp("learnt")
    return train(world, folder, method="dense", learning_rate=1e-2, tokens=40 * 4 * 32).model_folder


def test_a_rate_far_too_high_is_told_once_with_the_remedy_and_one_that_learns_is_not(world, learnt: Path, tmp_path):
    told: list[str] = []

    def run(rate: float, steps: int, *callbacks, **train) -> list[str]:
        recipe = with_train(world.recipe, method="dense", learning_rate=rate, tokens=steps * 4 * 32, **train)
        hooks = {"callbacks": callbacks, "on_note": told.append}
        return train_model(recipe, learnt, world.corpus, tmp_path / f"{rate} {train}", **hooks).warnings

    assert run(1e-3, 14) == told == []
    with pytest.raises(KeyboardInterrupt):
        run(0.1, 14, Interrupt(7))
    (warning,) = run(0.1, 14)
    assert told == [f"warning: {warning}"], "before the interruption, and not again"
    assert warning.startswith(_WARNING)
    assert warning.endswith("start anew with a lower train.learning_rate, or with auto, which finds one")
    assert run(1e-3, 18, warmup_share=0.95) == []
    (warning,) = run(0.1, 18, warmup_share=0.95)
    assert "after 16 steps" in warning, "in warm-up, which ends at step 17"


def test_watching_leaves_no_trace_in_training(run: Run, world: World, tmp_path: Path, monkeypatch):
    measured = []
    monkeypatch.setattr(RisingLoss, "_loss", lambda self, model: measured.append(model) or 1.0)
    assert changed(run.result.model_folder, train(world, tmp_path).model_folder) == set()
    assert len(measured) == 2


def test_the_loss_is_that_of_the_models_own_head_over_the_tokens_that_count(world: World, tmp_path: Path):
    rows = [training_data(world.recipe, world.corpus, 4)[row] for row in range(4)]
    rows[1]["labels"][:-3] = IGNORED_LABEL  # as a prompt's
    rows[2]["labels"][:] = IGNORED_LABEL
    model = load_hybrid(world.hybrid)
    total = count = 0.0
    for row in (rows[0], rows[1], rows[3]):
        counted = (row["labels"][1:] != IGNORED_LABEL).sum().item()
        with torch.no_grad():
            total += counted * model.eval()(**{key: value[None] for key, value in row.items()}).loss.item()
        count += counted
    setup = TrainingSetup.of(world.recipe)
    assert RisingLoss(cast(Any, rows), setup, tmp_path, print)._loss(model) == pytest.approx(total / count, abs=1e-5)
    assert RisingLoss(cast(Any, rows[2:3]), setup, tmp_path, print)._loss(model) == 0.0
