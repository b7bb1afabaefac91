"""A loss or gradient that is no number, and spikes: the run stops with the batch saved, or skips and counts."""

import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import TrainerCallback

from multipl_moe.data.training_data import training_data
from multipl_moe.errors import TrainingError
from multipl_moe.model.decoder import hybrid_layers_of
from multipl_moe.train.bad_steps import BadStepGuard
from tests.train.conftest import Interrupt, changed, train, train_told
from tests.train.tiny import World, tensors, with_train

_NAN, _INF = float("nan"), float("inf")


class Poison(TrainerCallback):
    """Multiplies the output of a module, or a weight's gradient, in chosen steps; from a chosen forward pass on."""

    def __init__(self, steps: set[int], factor: float, module: str = "model.norm", weight: str | None = None, after=0):
        self.steps, self.factor, self.module, self.weight, self.after = steps, factor, module, weight, after
        self.handles: list[Any] = []

    def on_step_begin(self, args, state, control, **kwargs):
        self._clear()
        if state.global_step + 1 not in self.steps:
            return
        if self.weight is not None:
            parameter = kwargs["model"].get_parameter(self.weight)
            self.handles = [parameter.register_hook(lambda gradient: gradient * self.factor)]
            return
        passes = iter(range(1000))
        module = kwargs["model"].get_submodule(self.module)
        poison = lambda module, args, output: output * (self.factor if next(passes) >= self.after else 1)  # noqa: E731
        self.handles = [module.register_forward_hook(poison)]

    def on_step_end(self, args, state, control, **kwargs):
        self._clear()

    def _clear(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []


class Snapshots(TrainerCallback):
    """Weights, what routers choose by, and moments after each step."""

    def __init__(self) -> None:
        self.states: dict[int, dict[str, Tensor]] = {}
        self.thresholds: dict[int, list[Tensor]] = {}

    def on_step_end(self, args, state, control, **kwargs):
        model, moments = kwargs["model"], kwargs["optimizer"].state_dict()["state"]
        weights = {name: tensor.clone() for name, tensor in model.named_parameters()}
        moments = {f"{n}.{key}": value.clone() for n, values in moments.items() for key, value in values.items()}
        self.states[state.global_step] = weights | moments
        layers = hybrid_layers_of(model).values()
        self.thresholds[state.global_step] = [buffer.clone() for layer in layers for buffer in layer.buffers()]


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_run_stops_at_no_number_with_the_batch_saved(world: World, tmp_path: Path, accumulation: int):
    values = {"accumulation_steps": accumulation, "tokens": 12 * 128 * accumulation}
    poison = Poison({8}, _NAN, after=accumulation - 1)
    with pytest.raises(TrainingError) as caught:
        train(world, tmp_path, poison, **values)
    file, last = tmp_path / "bad_step_8.safetensors", tmp_path / "checkpoints" / "checkpoint-5"
    assert str(caught.value).startswith(f"step 8: the loss is nan; its batch: {file}; {last} is good: ")
    rows = 4 * accumulation
    data = training_data(world.recipe, world.corpus, 8 * rows)
    items = [data[index] for index in range(7 * rows, 8 * rows)]
    saved = load_file(file)
    assert saved.keys() == {"input_ids", "position_ids", "labels"}
    assert all(torch.equal(saved[key], torch.stack([item[key] for item in items])) for key in saved)
    resumed, whole = (train(world, tmp_path / name, **values) for name in ("", "whole"))
    assert changed(resumed.model_folder, whole.model_folder) == set()


def test_without_a_checkpoint_the_message_says_so(world: World, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"step 2: the loss is nan.*there is no checkpoint yet"):
        train(world, tmp_path, Poison({2}, _NAN))


_WAYS: dict[str, Callable[[], Poison]] = {
    "loss": lambda: Poison({8}, _NAN),
    "infinite": lambda: Poison({8}, _INF),
    "gates": lambda: Poison({8}, _NAN, module="model.embed_tokens"),
    "gradient": lambda: Poison({8}, _INF, weight="model.layers.1.mlp.experts.down_proj"),
}


@pytest.mark.extended
@pytest.mark.parametrize(("way", "accumulation"), [("loss", 2), ("infinite", 1), ("gates", 2), ("gradient", 1)])
def test_skipped_step_changes_nothing_and_is_counted(world: World, tmp_path: Path, way: str, accumulation: int):
    values = {"accumulation_steps": accumulation, "tokens": 12 * 128 * accumulation, "on_bad_step": "skip"}
    poison, look = _WAYS[way](), Snapshots()
    lines = train_told(world, tmp_path, poison, look, **values)
    assert _same(look.states[8], look.states[7])
    assert all(torch.equal(*pair) for pair in zip(look.thresholds[8], look.thresholds[7], strict=True))
    assert not _same(look.states[9], look.states[8])
    assert all(bool(tensor.isfinite().all()) for tensor in tensors(tmp_path / "model").values())
    assert [line["skipped_steps"] for line in lines] == [0, 0, 0, 0, 1, 1, 1]
    assert all(math.isfinite(loss) for line in lines for loss in [line["loss"], *line["losses"].values()])
    record = json.loads((tmp_path / "training.json").read_text())
    assert (record["skipped_steps"], record["steps"]) == (1, 12)


def test_lines_tell_of_the_kept_steps_alone(world: World, tmp_path: Path):
    values = {"tokens": 8 * 128, "on_bad_step": "skip", "spike_factor": 2.0}
    poisons = lambda: [Poison({3}, _NAN, module="model.embed_tokens"), Poison({7}, 30.0)]  # noqa: E731
    kept = train_told(world, tmp_path / "each", *poisons(), **values, log_every_steps=1)
    lines = train_told(world, tmp_path / "four", *poisons(), **values, log_every_steps=4)
    assert [line["step"] for line in kept] == [1, 2, 4, 5, 6, 8]
    assert [line["skipped_steps"] for line in lines] == [0, 1, 2]
    for line, steps in zip(lines, (kept[:1], kept[1:3], kept[3:]), strict=True):
        assert line["loss"] == pytest.approx(statistics.fmean(step["loss"] for step in steps))
        assert line["grad_norm"] == steps[-1]["grad_norm"]
        for index, routers in line["routers"].items():
            for key in ("token_entropy", "shared_share", "token_load"):
                means = torch.tensor([step["routers"][index][key] for step in steps]).mean(dim=0)
                assert routers[key] == pytest.approx(means.tolist(), abs=1e-5), key
    for text in (tmp_path / "four" / "metrics.jsonl").read_text().splitlines():
        json.loads(text, parse_constant=pytest.fail)  # NaN and Infinity are no JSON


@pytest.mark.extended
def test_run_with_skipped_steps_goes_on_to_the_same_weights_and_count(world: World, tmp_path: Path):
    values = {"on_bad_step": "skip", "spike_factor": 2.0}
    poisons = lambda: [Poison({4, 8}, _NAN), Poison({10}, 30.0)]  # noqa: E731
    whole = train(world, tmp_path / "whole", *poisons(), **values)
    with pytest.raises(KeyboardInterrupt):
        train(world, tmp_path / "broken", *poisons(), Interrupt(5), **values)
    resumed = train(world, tmp_path / "broken", *poisons(), **values)
    assert changed(resumed.model_folder, whole.model_folder) == set()
    assert resumed.skipped_steps == whole.skipped_steps == 3


def test_a_spike_is_told_by_the_factor_and_only_where_there_is_one(world: World, tmp_path: Path):
    assert train(world, tmp_path / "none", Poison({10}, 30.0)).skipped_steps == 0
    with pytest.raises(TrainingError, match=r"step 10: the loss is \d+\.\d+, \d+\.\d times its running median"):
        train(world, tmp_path / "stop", Poison({10}, 30.0), spike_factor=2.0)


def test_too_many_skipped_in_a_row_stop_the_run(world: World, tmp_path: Path):
    with pytest.raises(TrainingError, match="step 12: the loss is nan, and the 10 steps before it were skipped"):
        train(world, tmp_path, Poison(set(range(2, 13)), _NAN), on_bad_step="skip")
    assert (tmp_path / "bad_step_12.safetensors").is_file()


# The guard alone


def test_guard_finds_the_spikes_that_a_slow_reference_finds(world: World):
    guard = BadStepGuard(with_train(world.recipe, spike_factor=1.2).train)
    generator = torch.Generator().manual_seed(0)
    good: list[float] = []
    found = 0
    for loss in (torch.rand(200, generator=generator) + 1).tolist():
        window = good[-50:]
        is_spike = len(window) >= 5 and loss > 1.2 * statistics.median(window)
        assert (guard.judge(loss, 1.0) is not None) == is_spike
        found += is_spike
        good += [] if is_spike else [loss]
    assert 0 < found < 200


def test_a_good_step_ends_a_row_and_the_state_goes_through_json(world: World):
    recipe = with_train(world.recipe, on_bad_step="skip", spike_factor=3.0)
    guard = BadStepGuard(recipe.train)
    for loss in (2.0, _NAN, _INF, 1 / 3):
        if guard.judge(loss, 1.0):
            assert guard.skip()
    assert guard.judge(1.0, _NAN) == "the gradient's norm is nan (loss 1.000)"
    assert guard.skip()
    assert (guard.num_skipped, guard.num_in_a_row) == (3, 1)
    again = BadStepGuard(recipe.train)
    again.restore(json.loads(json.dumps(guard.state())))
    assert again.state() == guard.state()
    assert not BadStepGuard(world.recipe.train).skip()
