"""A run that is killed and started again reads the same tokens in the same batches, and stops where they are no use."""

import copy
import json
import math
import signal
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import TrainerCallback

from multipl_moe.data.packing import Packing
from multipl_moe.data.training_data import TrainingData, training_data
from multipl_moe.errors import TrainingError
from multipl_moe.model.documents import attention_arguments
from multipl_moe.train.loop import fit
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.setup import TrainingSetup
from tests.train.conftest import Run, changed, train
from tests.train.killable import Death, Job, exit_codes, start
from tests.train.tiny import World, with_train

_STEPS, _ROWS, _ACCUMULATION = 6, 2, 2


def _read(file: Path, rank: int) -> list[tuple[int, list[list[int]]]]:
    """Steps and rows that a process noted, in order."""
    return [tuple(json.loads(line)) for line in file.with_suffix(f".{rank}").read_text().splitlines()]


def _expected(data: TrainingData, first_step: int, rank: int, num_processes: int) -> list[tuple[int, list[list[int]]]]:
    """The same, from the order of the data: in each step the processes take batches in turn."""
    batches = []
    for step in range(first_step, _STEPS):
        for passes in range(_ACCUMULATION):
            batch = (step * _ACCUMULATION + passes) * num_processes + rank
            batches.append((step, [data[batch * _ROWS + row]["input_ids"].tolist() for row in range(_ROWS)]))
    return batches


@pytest.mark.extended
@pytest.mark.parametrize(("packing", "num_processes"), [("best_fit", 2), ("windows", 1)])
def test_killed_run_goes_on_with_the_very_tokens(world: World, tmp_path: Path, packing: Packing, num_processes: int):
    tokens = _STEPS * _ROWS * _ACCUMULATION * num_processes * 32
    values = {"tokens": tokens, "batch_sequences": _ROWS, "accumulation_steps": _ACCUMULATION, "save_every_steps": 2}
    mixed = {"packing": packing, "replay": 0.3, "mixture_temperature": 2.0, "skip_tokens": 3 * 32}
    recipe = with_train(world.recipe, **values, **mixed)
    job = Job(recipe, world.hybrid, world.corpus, tmp_path / "run", seen=tmp_path / "killed")
    assert -signal.SIGKILL in exit_codes(start(job, Death("step", 3), num_processes))
    codes = exit_codes(start(replace(job, seen=tmp_path / "resumed"), None, num_processes))
    assert codes == [0] * num_processes
    data = training_data(recipe, world.corpus, tokens // 32)
    for rank in range(num_processes):
        killed, resumed = (_read(tmp_path / name, rank) for name in ("killed", "resumed"))
        whole = _expected(data, 0, rank, num_processes)
        assert killed == whole[: len(killed)]
        assert len(killed) >= 2 * _ACCUMULATION
        assert resumed == _expected(data, 2, rank, num_processes)
    ids = [row for _, rows in _expected(data, 0, 0, num_processes) for row in rows]
    assert len({tuple(row) for row in ids}) > 5  # rows differ, or the order would not show


@pytest.mark.parametrize("method", ["dense", "lora"])
def test_attention_of_dense_models_is_told_where_documents_begin(world: World, tmp_path, monkeypatch, method: str):
    monkeypatch.setattr("multipl_moe.train.setup.takes_document_bounds", lambda attention: True)
    told: list[dict[str, Any]] = []

    class Look(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            kwargs["model"].register_forward_pre_hook(lambda m, args, values: told.append(values), with_kwargs=True)

    train(world, tmp_path / "run", Look(), method=method, tokens=2 * 800, sequence_tokens=200, packing="best_fit")
    assert len(told) == 2
    for values in told:
        expected = attention_arguments(values["position_ids"])
        assert torch.equal(values["cu_seq_lens_q"], expected["cu_seq_lens_q"])
        assert values["max_length_k"] == expected["max_length_k"]


class _Rows(Dataset[dict[str, Tensor]]):
    """Nine rows of 17 tokens, of which more or fewer count, in one of them none."""

    def __init__(self, vocabulary: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.ids = torch.randint(vocabulary, (9, 17), generator=generator)
        counts = torch.rand(9, 17, generator=generator) < torch.linspace(0, 0.9, 9)[:, None]
        self.labels = self.ids.where(counts, -100)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.ids[index], "position_ids": torch.arange(17), "labels": self.labels[index]}

    def language_of(self, index: int) -> str:
        return "rust"


class _Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        named = kwargs["model"].named_parameters()
        self.of = {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


@pytest.mark.parametrize(("method", "batch", "accumulation"), [("dense", 3, 3), ("lora", 1, 9)])
def test_a_step_s_loss_is_the_mean_of_all_tokens_that_count(world, tmp_path, method, batch, accumulation):
    values = {"sequence_tokens": 17, "batch_sequences": batch, "accumulation_steps": accumulation, "tokens": 9 * 17}
    recipe = with_train(world.recipe, method=method, max_grad_norm=1e9, log_every_steps=1, **values)
    model = load_for_training(recipe.train, world.base)
    prepare(model, recipe)
    setup, rows, seen = TrainingSetup.of(recipe), _Rows(model.config.vocab_size), _Gradients()
    slow: Any = copy.deepcopy(model).double()
    logits = torch.cat([slow(input_ids=row[None]).logits for row in rows.ids]).log_softmax(-1)
    places = [(row, place) for row in range(9) for place in range(1, 17) if rows.labels[row, place] >= 0]
    assert (rows.labels[0] == -100).all()
    loss = -torch.stack([logits[row, place - 1, rows.labels[row, place]] for row, place in places]).mean()
    loss.backward()
    trainer = fit(setup, model, rows, tmp_path / "checkpoints", [seen])
    assert trainer.state.log_history[0]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    expected = {name: parameter.grad for name, parameter in slow.named_parameters() if parameter.grad is not None}
    assert seen.of.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(seen.of[name].double(), gradient, rtol=1e-4, atol=1e-7)


class _Poison(TrainerCallback):
    """Spoils a step: the output of the model's second pass, or the gradient of a weight; keeps what was before."""

    def __init__(self, step: int, factor: float, weight: str | None = None) -> None:
        self.step, self.factor, self.weight = step, factor, weight

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step + 1 != self.step:
            return
        self.model = kwargs["model"]
        self.before = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        if self.weight is not None:
            self.model.get_parameter(self.weight).register_hook(lambda gradient: gradient * self.factor)
        else:
            factors = chain([1.0], repeat(self.factor))
            self.model.model.norm.register_forward_hook(lambda module, args, output: output * next(factors))


def _assert_not_learnt(spoilt: _Poison) -> None:
    assert all(torch.equal(tensor, spoilt.before[name]) for name, tensor in spoilt.model.state_dict().items())


def test_a_step_that_is_not_finite_ends_the_run_before_it_is_learnt(run: Run, world: World, tmp_path: Path):
    last = tmp_path / "run" / "checkpoints" / "checkpoint-5"
    for _ in range(2):  # from the beginning, and resumed
        spoilt = _Poison(8, 1e30, weight="model.layers.1.mlp.experts.down_proj")
        with pytest.raises(TrainingError) as caught:
            train(world, tmp_path / "run", spoilt)
        assert str(caught.value) == (
            f"step 8: the gradient's norm is inf; start anew with a lower train.learning_rate ({last} is good, but the "
            "same steps come after it)"
        )
        _assert_not_learnt(spoilt)
    resumed = train(world, tmp_path / "run")
    assert changed(resumed.model_folder, run.result.model_folder) == set()


def test_a_loss_that_is_not_finite_in_one_of_a_steps_passes_ends_the_run_too(world: World, tmp_path: Path):
    spoilt = _Poison(2, math.nan)
    with pytest.raises(TrainingError, match=r"^step 2: the loss is nan; .* \(there is no checkpoint yet\)$"):
        train(world, tmp_path, spoilt, accumulation_steps=2, tokens=4 * 256)
    _assert_not_learnt(spoilt)
