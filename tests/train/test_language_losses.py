"""The training loss of each language: equal to a slow reference, and the model's loss stays what it was."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.loss.loss_utils import ForCausalLMLoss

from multipl_moe.checkpoints.loading import load_dense
from multipl_moe.data.training_data import mixture, training_data
from multipl_moe.train.language_losses import LanguageLosses, WithLanguage
from multipl_moe.train.methods import load_for_training
from tests.train.conftest import train_told
from tests.train.tiny import World, with_train

_WEIGHTS = {"rust": 2.0, "go": 1.0, "python": 1.0, "english": 0.5}


@pytest.mark.parametrize("num_items", [None, 7, torch.tensor(7)])
def test_loss_and_gradient_are_those_of_transformers(num_items):
    logits = torch.randn(3, 5, 11).requires_grad_()
    labels = torch.randint(0, 11, (3, 5)).masked_fill(torch.rand(3, 5) < 0.3, -100)
    expected = ForCausalLMLoss(logits, labels, 11, num_items)
    (gradient,) = torch.autograd.grad(expected, logits)
    loss = LanguageLosses(["a"])(logits=logits, labels=labels, vocab_size=11, num_items_in_batch=num_items)
    (ours,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(ours, gradient)


def test_rows_know_their_language(world: World):
    data = mixture(world.corpus, _WEIGHTS, num_sequences=40, sequence_tokens=32, seed=0)
    rows = WithLanguage(data, list(_WEIGHTS))
    alone = {
        name: mixture(world.corpus, {name: 1.0}, num_sequences=40, sequence_tokens=32, seed=0) for name in _WEIGHTS
    }
    for index in (8, 5, 25):
        item = rows[index]
        name = rows.languages[item["language"]]
        assert torch.equal(item["input_ids"], data[index]["input_ids"])
        assert any(torch.equal(item["input_ids"], alone[name][other]["input_ids"]) for other in range(40)), name
    assert len(rows) == 40


class SlowLosses(TrainerCallback):
    """Losses of each token of each step by a forward pass of its own, on a copy of the model."""

    def __init__(self, rows: WithLanguage, rows_per_pass: int, passes: int) -> None:
        self.rows, self.rows_per_pass, self.passes = rows, rows_per_pass, passes
        self.losses: dict[int, dict[str, list[float]]] = {}

    def on_step_begin(self, args, state, control, **kwargs):
        step = state.global_step + 1
        self.losses[step] = {name: [] for name in self.rows.languages}
        model = copy.deepcopy(kwargs["model"]).train()
        for number in range(self.passes):
            begin = (state.global_step * self.passes + number) * self.rows_per_pass
            items = [self.rows[index] for index in range(begin, begin + self.rows_per_pass)]
            inputs = {key: torch.stack([item[key] for item in items]) for key in ("input_ids", "position_ids")}
            with torch.no_grad():
                logits = model(**inputs).logits.double().log_softmax(-1)
            for item, row in zip(items, logits, strict=True):
                self._add(step, self.rows.languages[item["language"]], item["labels"], row)

    def _add(self, step: int, name: str, labels: Tensor, row: Tensor) -> None:
        for position, label in enumerate(labels[1:].tolist()):
            if label != -100:
                self.losses[step][name].append(-row[position, label].item())


@pytest.mark.parametrize(("method", "accumulation"), [("experts", 2), ("lora", 1)])
def test_losses_by_language_equal_a_slow_reference(with_answers: World, tmp_path, method: str, accumulation: int):
    values = {"weights": _WEIGHTS, "method": method, "accumulation_steps": accumulation}
    data = training_data(with_train(with_answers.recipe, **values), with_answers.corpus, 16 * accumulation)
    assert "rust.answers" in data.summary.languages
    slow = SlowLosses(WithLanguage(data, list(data.summary.languages)), 4, accumulation)
    lines = train_told(with_answers, tmp_path, slow, tokens=4 * 128 * accumulation, **values)
    assert [line["step"] for line in lines] == [1, 2, 4]
    for before, line in pairwise([{"step": 0}, *lines]):
        steps = [slow.losses[step] for step in range(before["step"] + 1, line["step"] + 1)]
        tokens = {name: [loss for step in steps for loss in step[name]] for name in slow.rows.languages}
        expected = {name: sum(losses) / len(losses) for name, losses in tokens.items() if losses}
        assert line["losses"] == pytest.approx(expected, abs=1e-4)
        assert len(expected) > 1


@pytest.mark.parametrize("method", ["dense", "lora"])
def test_model_gets_its_own_loss_back(world: World, method: str):
    model = load_for_training(with_train(world.recipe, method=method).train, world.base)
    causal_lm = model.get_base_model() if method == "lora" else model  # pyright: ignore[reportCallIssue]
    losses = LanguageLosses(["rust"])
    with losses.in_place_of(model):
        assert causal_lm.loss_function is losses  # pyright: ignore[reportAttributeAccessIssue]
    assert causal_lm.loss_function == load_dense(world.base).loss_function  # pyright: ignore[reportAttributeAccessIssue]
