"""Weights in another dtype: values, limits, memory."""

import weakref

import pytest
import torch
from safetensors.torch import save_file

from multipl_moe.checkpoints.tensors import CheckpointReader, write_checkpoint
from multipl_moe.errors import BaseModelError, OutputError
from multipl_moe.export.weights import main_dtype, plan_cast
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from tests.train.tiny import tensors as weights

from .conftest import save_hybrid


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return save_hybrid(tmp_path_factory.mktemp("weights") / "model")


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_every_tensor_is_cast_but_the_thresholds(source, tmp_path, dtype):
    steps: list[tuple[int, int]] = []
    write_checkpoint(plan_cast(source, dtype), tmp_path, lambda *step: steps.append(step))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]  # and no index
    before, after = weights(source), weights(tmp_path)
    assert before.keys() == after.keys()
    for name, value in before.items():
        wanted = torch.float32 if name.endswith(FLOAT32_BUFFERS) else dtype or value.dtype
        assert after[name].dtype == wanted, name
        assert torch.equal(after[name], value.to(wanted)), name
    assert any(name.endswith("segment_threshold") for name in after)
    total = sum(value.nbytes for value in after.values())
    assert steps == sorted(steps)
    assert steps[-1] == (total, total)


def test_without_a_dtype_every_tensor_keeps_its_own(tmp_path):
    values = {"a": torch.randn(3, 3), "b": torch.randn(4, 4).bfloat16(), "c": torch.randn(2).half()}
    save_file(values, tmp_path / "model.safetensors")
    plans = plan_cast(tmp_path, None)
    assert {plan.name: plan.dtype for plan in plans} == {name: value.dtype for name, value in values.items()}
    assert main_dtype(plans) == torch.float32


def test_a_value_that_the_dtype_cannot_hold_is_refused_as_are_infinities(tmp_path):
    (tmp_path / "model").mkdir()
    save_file({"a": torch.tensor([1.0, float("inf")])}, tmp_path / "model" / "model.safetensors")
    with pytest.raises(BaseModelError, match=r"model: .*: tensor a holds NaN or an infinity"):
        write_checkpoint(plan_cast(tmp_path / "model", torch.float16), tmp_path)
    save_file({"a.weight": torch.tensor([[1.0, -7e4]])}, tmp_path / "model" / "model.safetensors")
    with pytest.raises(
        OutputError, match=r"dtype: float16 cannot hold a\.weight \(values up to 7e\+04\); use bfloat16"
    ):
        write_checkpoint(plan_cast(tmp_path / "model", torch.float16), tmp_path)


def test_at_most_two_tensors_are_in_memory_at_once(source, tmp_path, monkeypatch):
    alive: list[weakref.ref] = []
    most = 0
    read = CheckpointReader.read

    def watched(self, key):
        nonlocal most
        value = read(self, key)
        alive.append(weakref.ref(value))
        most = max(most, sum(reference() is not None for reference in alive))
        return value

    monkeypatch.setattr(CheckpointReader, "read", watched)
    write_checkpoint(plan_cast(source, None), tmp_path)
    assert len(alive) > 20
    assert most <= 2
