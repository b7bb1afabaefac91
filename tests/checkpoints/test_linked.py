"""Models that share their base's files: what is linked, what is written, and that all of it is the model."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from multipl_moe.checkpoints.linked import bytes_to_write, save_beside_base, write_beside_base
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.checkpoints.tensors import CheckpointReader, TensorPlan
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import random_tokens
from tests.upcycle.conftest import recipe_for, save_base


def _plans(folder: Path, renamed: str | None = None) -> list[TensorPlan]:
    """All tensors of a folder as they are, but for one of another name, and a new one."""
    reader = CheckpointReader(folder)
    plans = [reader.plan(key, "other" if key == renamed else None) for key in reader.shapes]
    return [*plans, TensorPlan.of("new", torch.ones(2))]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    for file, names in (("a", "xy"), ("b", "z")):
        save_file({name: torch.full((3, 2), float(ord(name))) for name in names}, tmp_path / f"base/{file}.safetensors")
    return tmp_path / "base"


@pytest.mark.parametrize("renamed", [None, "x"])
def test_files_of_which_all_stays_are_shared_and_the_rest_is_written(tmp_path: Path, base: Path, renamed: str | None):
    (tmp_path / "out").mkdir()
    plans = _plans(base, renamed)
    write_beside_base(plans, tmp_path / "out")
    shared = ["b.safetensors"] if renamed else ["a.safetensors", "b.safetensors"]
    assert [file for file in ("a.safetensors", "b.safetensors") if (base / file).stat().st_nlink == 2] == shared
    made, before = CheckpointReader(tmp_path / "out"), CheckpointReader(base)
    assert set(made.shapes) == {plan.name for plan in plans}
    for key in before.shapes:
        assert torch.equal(made.read("other" if key == renamed else key), before.read(key))
    assert bytes_to_write(plans, tmp_path / "out") == 8 + (24 if renamed else 0)


def test_without_links_everything_is_written(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "out").mkdir()

    def refuse(*args: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    write_beside_base(_plans(base), tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.safetensors"]


def _start_with_adapters(folder: Path, max_shard_size: str = "5GB") -> MultiplMoeForCausalLM:
    """The model in `start`, which shares the files of `base`; with an empty folder `out` beside them."""
    save_base(folder / "base", max_shard_size=max_shard_size)
    upcycle(recipe_for(folder / "base", "single", experts={"type": "lora"}), folder / "start")
    (folder / "out").mkdir()
    return load_hybrid(folder / "start").eval()


def test_a_link_that_fails_halfway_leaves_a_whole_model_and_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, link = _start_with_adapters(tmp_path, max_shard_size="40KB"), os.link

    def fail_at_the_second(source: Path, target: Path) -> None:
        if [*(tmp_path / "out").iterdir()]:
            raise OSError("no more links")
        link(source, target)

    monkeypatch.setattr(os, "link", fail_at_the_second)
    save_beside_base(model, tmp_path / "start", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").glob("*.safetensors")] == ["model.safetensors"]
    assert load_hybrid(tmp_path / "out").state_dict().keys() == model.state_dict().keys()


def test_a_model_that_was_trained_is_saved_beside_the_base_and_is_the_same_model(tmp_path: Path):
    model: Any = _start_with_adapters(tmp_path)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".adapters." in name:
                parameter.normal_()
    save_beside_base(model, tmp_path / "start", tmp_path / "out")
    assert (tmp_path / "base" / "model.safetensors").stat().st_nlink == 3
    tokens = random_tokens(2, 20)
    assert torch.equal(load_hybrid(tmp_path / "out").eval()(tokens).logits, model(tokens).logits)
    assert sorted(file.name for file in (tmp_path / "out").glob("*.safetensors*")) == [
        "added.safetensors",
        "base-model.safetensors",
        "model.safetensors.index.json",
    ]
