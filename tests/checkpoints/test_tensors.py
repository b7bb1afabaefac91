"""Safetensors read and written a tensor at a time, what goes with them, and numbers drawn for new ones."""

import json
from functools import partial

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from multipl_moe.checkpoints.tensors import (
    CheckpointReader,
    TensorPlan,
    copy_companions,
    expert_generator,
    write_checkpoint,
)
from multipl_moe.errors import BaseModelError
from tests.upcycle.conftest import names_in, save_base

INDEX = "model.safetensors.index.json"


def planned(name: str, tensor: torch.Tensor, num_pieces: int = 1) -> TensorPlan:
    return TensorPlan(name, tuple(tensor.shape), tensor.dtype, lambda: tensor.chunk(num_pieces))


def tensors() -> dict[str, torch.Tensor]:
    return {
        "a": torch.randn(6, 5),
        "b": torch.randn(4, 3, 2).to(torch.bfloat16),
        "c": torch.randn(7).to(torch.float16),
        "d": torch.randn(10, 1),
    }


assert_same = partial(torch.testing.assert_close, rtol=0, atol=0)  # names and dtypes, too


def test_all_shards_of_an_index_are_read_and_one_that_is_missing_is_named(tmp_path):
    folder = save_base(tmp_path / "base", max_shard_size="20KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 2
    reader = CheckpointReader(folder)
    expected = {name: value for shard in shards for name, value in load_file(shard).items()}
    assert reader.shapes == {name: tuple(value.shape) for name, value in expected.items()}
    assert_same({name: reader.read(name) for name in reader.shapes}, expected)
    shards[1].unlink()
    with pytest.raises(BaseModelError, match=shards[1].name):
        CheckpointReader(folder)


def test_only_the_files_of_the_index_or_model_safetensors_are_read(tmp_path):
    folder = save_base(tmp_path / "base", max_shard_size="20KB")
    save_file({"stale": torch.zeros(1)}, folder / "another.safetensors")
    assert "stale" not in CheckpointReader(folder).shapes
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    save_file({"layers.0.attention.wq.weight": torch.zeros(1)}, tmp_path / "consolidated.safetensors")
    assert list(CheckpointReader(tmp_path).shapes) == ["weight"]


def test_a_tensor_outlives_its_file(tmp_path):
    save_file({"weight": torch.arange(5.0)}, tmp_path / "model.safetensors")
    tensor = CheckpointReader(tmp_path).read("weight")
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert tensor.tolist() == [0, 1, 2, 3, 4]


def test_a_truncated_file_is_named_with_the_remedy(tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(tensors(), file)
    content = file.read_bytes()
    for share in (0.99, 0.5, 0.01, 0.0):
        file.write_bytes(content[: int(share * len(content))])
        with pytest.raises(BaseModelError, match=r"/model\.safetensors cannot be read .*download the file again"):
            CheckpointReader(tmp_path)


def test_a_broken_index_or_none_is_told_with_the_remedy(tmp_path):
    with pytest.raises(BaseModelError, match=r"no safetensors file; convert"):
        CheckpointReader(tmp_path)
    for content in ("", '{"weight_map": {"a"', "[]", "{}", '{"weight_map": 3}', '{"weight_map": null}'):
        (tmp_path / INDEX).write_text(content)
        with pytest.raises(BaseModelError, match=r"index\.json is not an index; download the file again"):
            CheckpointReader(tmp_path)


@pytest.mark.parametrize("num_pieces", [1, 3])
def test_what_is_written_is_read_back_equal_by_safetensors(tmp_path, num_pieces):
    values, told = tensors(), []
    plans = [planned(name, value, num_pieces) for name, value in values.items()]
    write_checkpoint(plans, tmp_path, lambda *step: told.append(step))
    assert told == [(120, 222), (168, 222), (182, 222), (222, 222)]
    assert names_in(tmp_path) == ["model.safetensors"]
    assert_same(load_file(tmp_path / "model.safetensors"), values)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_pieces_are_cast_to_the_planned_dtype_and_written_in_row_major_order(tmp_path):
    value = torch.randn(3, 5)
    write_checkpoint([TensorPlan("a", (5, 3), torch.bfloat16, lambda: [value.t()])], tmp_path)
    assert_same(load_file(tmp_path / "model.safetensors"), {"a": value.t().to(torch.bfloat16)})


def test_a_large_checkpoint_is_written_in_shards_of_the_size_asked_for_with_an_index(tmp_path):
    values = tensors()  # of 120, 48, 14 and 40 bytes: the first is larger than a shard may be
    plans = [planned(name, value) for name, value in values.items()]
    write_checkpoint(plans, tmp_path, max_shard_bytes=100)
    shards = [f"model-{i:05d}-of-00003.safetensors" for i in (1, 2, 3)]
    assert names_in(tmp_path) == sorted([*shards, INDEX])
    index = json.loads((tmp_path / INDEX).read_text())
    assert index["weight_map"] == {"a": shards[0], "b": shards[1], "c": shards[1], "d": shards[2]}
    assert index["metadata"]["total_size"] == 222
    reader = CheckpointReader(tmp_path)
    assert_same({name: reader.read(name) for name in reader.shapes}, values)


def test_dtypes_are_told_and_those_that_are_not_written_refused(tmp_path):
    save_file({**tensors(), "e": torch.zeros(2, dtype=torch.int32)}, tmp_path / "model.safetensors")
    reader = CheckpointReader(tmp_path, role="model")
    assert {name: reader.dtype(name) for name in "abcd"} == {name: value.dtype for name, value in tensors().items()}
    with pytest.raises(BaseModelError, match=r"^model: .*: tensor e is stored as I32; convert it to F32, BF16, F16"):
        reader.dtype("e")
    with pytest.raises(BaseModelError, match=r"^model: .* has no tensor embed_tokens\.weight; give a causal language"):
        reader.weights_dtype  # noqa: B018 (it raises)


def test_pieces_that_do_not_fill_their_tensor_fail(tmp_path):
    plan = TensorPlan("a.weight", (4, 2), torch.float32, lambda: torch.zeros(3, 2).split(1))
    with pytest.raises(AssertionError, match=r"a\.weight: pieces do not fill the tensor"):
        write_checkpoint([plan], tmp_path)


def test_pieces_are_asked_for_one_tensor_at_a_time(tmp_path):
    events: list[str] = []

    def pieces(name: str):
        for part in range(2):
            events.append(f"{name}{part}")
            yield torch.zeros(1)

    plans = [TensorPlan(name, (2,), torch.float32, lambda name=name: pieces(name)) for name in "ab"]
    write_checkpoint(plans, tmp_path, lambda done, total: events.append(f"{done} of {total}"))
    assert events == ["a0", "a1", "8 of 16", "b0", "b1", "16 of 16"]


def test_companions_are_all_files_but_weights_and_what_the_output_writes_itself(tmp_path):
    names = ["tokenizer.json", "vocab.txt", "LICENSE", "chat_template.jinja", "generation_config.json", "upcycle.json"]
    others = ["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]
    others += ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.gguf", "consolidated.00.pth"]
    others += ["config.json", "recipe.yaml", "environment.json", "expert_use.json", "README.md", "modeling.py"]
    (tmp_path / "from" / "folder").mkdir(parents=True)
    (tmp_path / "to").mkdir()
    for name in names + others:
        (tmp_path / "from" / name).write_text(name)
    (tmp_path / "from" / "tokenizer.json").chmod(0o444)
    copy_companions(tmp_path / "from", tmp_path / "to")
    assert (tmp_path / "to" / "tokenizer.json").stat().st_mode & 0o200, "a tokenizer may be saved over it"
    assert names_in(tmp_path / "to") == sorted(names)
    assert (tmp_path / "to" / "LICENSE").read_text() == "LICENSE"


def test_another_seed_layer_expert_or_part_draws_other_values():
    keys = [(3, 1, 2, "up"), (4, 1, 2, "up"), (3, 2, 2, "up"), (3, 1, 3, "up"), (3, 1, 2, "down"), (3, 2, 1, "up")]
    drawn = {tuple(torch.randn(9, generator=expert_generator(*key)).tolist()) for key in keys}
    assert len(drawn) == len(keys)
