"""What `shard` divides, and checkpoints of divided models: written by two processes, read by one without any group."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from multipl_moe.model import hybrid
from multipl_moe.model.data_parallel import over_ranks
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.train.freezing import freeze_all_but
from multipl_moe.train.sharding import full_weights, is_sharded, load_sharded, save_sharded, shard
from tests.conftest import random_tokens, tiny_hybrid
from tests.distributed import run_processes

_NUM_STEPS = 4
_ADDED_UP_IN_FLOAT32 = 1e-6  # relative to the largest


def _model() -> Any:
    model = tiny_hybrid(num_token_experts=3).train()  # five trained experts, which two processes cannot share evenly
    freeze_all_but(model, trained_names(model), {"": ""})
    return model


def _optimizer(model: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2, fused=True)


def _step(model: Any, optimizer: torch.optim.Optimizer, group: dist.ProcessGroup, seed: int) -> None:
    tokens = random_tokens(4, 22, seed)[2 * group.rank() : 2 * group.rank() + 2]
    with over_ranks(model, group):
        model(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def _saved_by_two(folder: Path) -> dict[str, Any]:
    dist.init_process_group("gloo")
    model, group = _model(), dist.new_group()
    assert isinstance(group, dist.ProcessGroup)
    shard(model)
    optimizer = _optimizer(model)
    for seed in range(_NUM_STEPS):
        _step(model, optimizer, group, seed)
    save_sharded(model, optimizer, folder)
    weights = {name: tensor.clone() for name, tensor in full_weights(model).items()}
    experts = model.model.layers[1].mlp.experts
    result = {
        "weights": weights,
        "divided": all(isinstance(parameter, DTensor) for parameter in model.parameters()) and is_sharded(model),
        "shape": tuple(experts.down_proj.to_local().shape),
    }
    again = _model()
    shard(again)
    fresh = _optimizer(again)
    load_sharded(again, fresh, folder)
    for one, other in ((model, optimizer), (again, fresh)):
        _step(one, other, group, seed=99)
    first, second = full_weights(model), full_weights(again)
    result["equal after another step"] = all(torch.equal(first[name], second[name]) for name in first)
    return result


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("sharded") / "checkpoint"
    return folder, run_processes(_saved_by_two, folder)


def test_every_weight_is_divided_and_experts_evenly(saved):
    for result in saved[1]:
        assert result["divided"]
        assert result["shape"] == (5, 16, 48)  # of (5, 32, 48)


def test_a_sharded_checkpoint_goes_on_bit_for_bit(saved):
    assert all(result["equal after another step"] for result in saved[1])


def test_a_checkpoint_of_two_processes_is_read_by_one_without_a_group(saved):
    folder, (main, other) = saved
    assert other["weights"] == {}
    model = _model()
    optimizer = _optimizer(model)
    assert not dist.is_initialized()
    load_sharded(model, optimizer, folder)
    ours: dict[str, Tensor] = model.state_dict()
    assert ours.keys() == main["weights"].keys()
    assert [name for name in ours if not torch.equal(ours[name], main["weights"][name])] == []
    start = _model().state_dict()
    changed = {name for name in ours if not torch.equal(ours[name], start[name])}
    assert trained_names(model) <= changed <= trained_names(model) | {n for n in ours if n.endswith(FLOAT32_BUFFERS)}
    states = optimizer.state_dict()["state"].values()
    assert len(states) == len(trained_names(model))
    assert all(state["step"] == _NUM_STEPS and state["exp_avg"].abs().max() > 0 for state in states)


def _gradients(model: Any, group: dist.ProcessGroup) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of two micro-batches under autocast, and the gradients that both leave, whole."""
    losses = []
    for seed in range(2):
        tokens = random_tokens(4, 22, seed)[2 * group.rank() : 2 * group.rank() + 2]
        with over_ranks(model, group), torch.autocast("cpu", torch.bfloat16):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        losses.append(loss.item())
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return losses, {name: g.full_tensor() if isinstance(g, DTensor) else g for name, g in gradients.items()}


def _in_bfloat16_of_two(dtype: torch.dtype) -> dict[str, Any]:
    dist.init_process_group("gloo")
    group = dist.new_group()
    assert isinstance(group, dist.ProcessGroup)
    whole, sharded = _model(), _model()
    shard(sharded, dtype)
    gathered: dict[str, torch.dtype] = {}
    for prefix, module in sharded.named_modules(remove_duplicate=False):
        module.register_forward_pre_hook(
            lambda module, args, prefix=prefix: gathered.update(
                {f"{prefix}.{name}": tensor.dtype for name, tensor in module._parameters.items() if tensor is not None}
                | {f"{prefix}.{name}": tensor.dtype for name, tensor in module._buffers.items() if tensor is not None}
            )
        )
    expected = _gradients(whole, group)
    for gradient in expected[1].values():
        dist.all_reduce(gradient, group=group)
        gradient /= 2
    held = {name: parameter.dtype for name, parameter in sharded.named_parameters()}
    ours, weights = _gradients(sharded, group), full_weights(sharded)
    same = all(torch.equal(weights[name], tensor) for name, tensor in whole.state_dict().items()) if weights else None
    return {"expected": expected, "ours": ours, "gathered": gathered, "held": held, "masters are the same": same}


@pytest.fixture(scope="module")
def in_bfloat16() -> list[dict[str, Any]]:
    return run_processes(_in_bfloat16_of_two, torch.bfloat16)


@pytest.mark.extended
def test_in_bfloat16_losses_are_those_of_whole_models_and_gradients_are_added_up_in_float32(in_bfloat16):
    for result in in_bfloat16:
        (losses, gradients), (expected_losses, expected) = result["ours"], result["expected"]
        assert losses == expected_losses
        assert gradients.keys() == expected.keys() == trained_names(_model())
        for name, gradient in gradients.items():
            assert gradient.dtype == torch.float32
            off, size = (gradient - expected[name]).abs().max(), expected[name].abs().max()
            assert size > 0
            assert off <= _ADDED_UP_IN_FLOAT32 * size, name


@pytest.mark.extended
def test_in_bfloat16_experts_and_feed_forward_blocks_alone_are_gathered_in_it(in_bfloat16):
    for result in in_bfloat16:
        gathered = result["gathered"]
        assert set(result["held"].values()) == {torch.float32}
        assert {name for name, dtype in gathered.items() if dtype == torch.bfloat16} == {
            name for name in gathered if ".experts." in name or ".shared_expert." in name or "layers.0.mlp." in name
        }
        assert {"model.layers.1.mlp.segment_threshold", "model.layers.1.mlp.token_router.weight"} < gathered.keys()
    assert in_bfloat16[0]["masters are the same"]


@pytest.mark.extended
def test_in_float32_everything_is_gathered_in_float32():
    assert {*run_processes(_in_bfloat16_of_two, torch.float32)[0]["gathered"].values()} == {torch.float32}


def _losses_in_places() -> list[float]:
    dist.init_process_group("gloo")
    hybrid.takes_places = lambda device: True  # as on devices other than a CPU
    plain, sharded, tokens = tiny_hybrid().train(), tiny_hybrid().train(), random_tokens(4, 22)
    shard(sharded)
    losses = [model(input_ids=tokens, labels=tokens).loss for model in (plain, sharded)]
    losses[1].backward()
    return [loss.item() for loss in losses]


@pytest.mark.extended
def test_experts_in_fixed_places_are_gathered_too():
    (losses,) = run_processes(_losses_in_places, num_processes=1)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
