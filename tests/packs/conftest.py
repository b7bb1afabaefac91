"""Models with packs of random weights, and the packs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.packs.write import write_pack
from tests.conftest import randomise, randomise_gate, tiny_moe
from tests.fixtures import save_tokenizer
from tests.upcycle.conftest import save_base

LORA = {"type": "lora", "rank": 4, "alpha": 8.0}  # a scale that no rounding tells from PEFT's


def trained(folder: Path, base: Path, languages: list[str], seed: int = 1, size: float = 1.0, **moe: Any) -> Path:
    """A model on the base whose experts, of a size, and gate are random."""
    values = {"layers": [0, 1, 2], "languages": languages} | LORA | moe
    config = MultiplMoeConfig(text_config=AutoConfig.from_pretrained(base), moe=tiny_moe("single", **values).to_dict())
    model: Any = MultiplMoeForCausalLM(config)
    randomise(model)
    weights = load_file(base / "model.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (value := weights.get(name.replace(".shared_expert.", "."))) is not None:
                parameter.copy_(value)
            elif ".pack." in name:
                generator = torch.Generator().manual_seed(seed)
                noise = torch.randn(parameter.shape, generator=generator) * size / parameter.shape[-1] ** 0.5
                frozen = weights.get(name.replace(".experts.pack.", "."), torch.zeros(()))
                parameter.copy_(frozen + noise)
    if languages:
        randomise_gate(model, seed)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def pack_of(root: Path, base: Path, name: str, seed: int = 1, **moe: Any) -> Path:
    """A pack, in the folder NAME, of a model beside it, in NAME-model."""
    write_pack(trained(root / f"{name}-model", base, [name], seed, **moe), root / name)
    return root / name


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_base(tmp_path_factory.mktemp("base"), "qwen2")
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def packs(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two packs of the base, each beside its model; to read only."""
    root = tmp_path_factory.mktemp("packs")
    return {name: pack_of(root, base, name, seed) for seed, name in enumerate(("lua", "rust"))}
