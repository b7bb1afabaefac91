"""A model whose layers lie on several devices: in memory and on disk, and plans that follow their layer."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from multipl_moe.model import hybrid
from multipl_moe.model.families import FAMILIES
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import plan_segments
from tests.conftest import random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY

_LAYERS_ON_DISK = {
    **dict.fromkeys(["model.embed_tokens", "model.rotary_emb", "model.layers.0", "model.layers.2"], "cpu"),
    **dict.fromkeys(["model.norm", "lm_head"], "cpu"),
    "model.layers.1": "disk",
}


def _written(model: Any, tokens: Tensor) -> Tensor:
    return model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=6, **GREEDY)


@pytest.mark.parametrize(
    ("family", "expert_type", "places"),  # as on a CPU, and as on other devices
    [("llama", "lora", False), ("starcoder2", "full", True)],
)
def test_a_model_with_layers_on_disk_gives_the_logits_and_texts_of_one_in_memory(
    tmp_path: Path, family: str, expert_type: str, places: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hybrid, "takes_places", lambda device: places)
    model, tokens = tiny_hybrid(family=family, type=expert_type), random_tokens(2, 13)
    model.save_pretrained(tmp_path / "model")
    spread: Any = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model", device_map=_LAYERS_ON_DISK, offload_folder=tmp_path / "offload"
    )
    assert {parameter.device.type for parameter in spread.hybrid_layers[1].parameters()} == {"meta"}
    with torch.no_grad():
        assert torch.equal(spread(input_ids=tokens).logits, model(input_ids=tokens).logits)
    assert torch.equal(_written(spread, tokens), _written(model, tokens))


def test_an_automatic_device_map_tears_no_decoder_layer_apart(tmp_path: Path):
    model, tokens = tiny_hybrid(), random_tokens(2, 13)
    model.save_pretrained(tmp_path / "model")
    num_bytes = sum(parameter.nbytes for parameter in model.parameters())
    for share in (0.5, 0.8):
        spread: Any = AutoModelForCausalLM.from_pretrained(
            tmp_path / "model",
            device_map="auto",
            max_memory={"cpu": int(num_bytes * share)},
            offload_folder=tmp_path / f"offload{share}",
        )
        assert all(".mlp" not in name for name in spread.hf_device_map)
        with torch.no_grad():
            assert torch.equal(spread(input_ids=tokens).logits, model(input_ids=tokens).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_device_maps_must_know_of_the_base_is_known_of_the_hybrid(family: str):
    model = tiny_hybrid(family=family)
    base = model.model.base_decoder
    assert type(model.model.layers[1]).__name__ in model._no_split_modules
    assert set(base._skip_keys_device_placement) <= model._skip_keys_device_placement


def _tensors_of(plan: Any) -> list[Tensor]:
    parts = [part for part in vars(plan).values() if part is not None]
    inner = [value for part in parts if hasattr(part, "__dataclass_fields__") for value in vars(part).values()]
    return [part for part in (*parts, *inner) if isinstance(part, Tensor)]


@pytest.mark.parametrize("cached", [False, True])
def test_a_plan_follows_the_device_of_a_layer_and_is_moved_there_once(cached: bool):
    positions = torch.arange(9).expand(2, 9)
    real = torch.ones(2, 9, dtype=torch.bool)
    real[0, :2] = False
    plan = plan_segments(positions, real, window=8, stride=4, cached=cached)
    routing = RoutingPass(plan)
    assert routing.plan_on(torch.device("cpu")) is plan
    moved = routing.plan_on(torch.device("meta"))
    assert len(_tensors_of(moved)) == len(_tensors_of(plan)) > 3
    assert {tensor.device.type for tensor in _tensors_of(moved)} == {"meta"}
    assert moved.num_segments == plan.num_segments
    assert routing.plan_on(torch.device("meta")) is moved
    assert {tensor.device.type for tensor in _tensors_of(plan)} == {"cpu"}
