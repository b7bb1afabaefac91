"""Tiny random models for all tests: no network, no GPU, weights large enough that routing matters."""

import gc
import os
import shutil

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedTokenizerFast

from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.languages.harnesses import HARNESSES
from multipl_judge.languages.own import OWN_ENTRIES
from multipl_judge.languages.source_text import COMMENTS
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_moe import MoeConfig, MultiplMoeConfig, MultiplMoeForCausalLM
from multipl_moe.model.gate_reading import SPACE
from multipl_moe.model.moe_config import PACK
from multipl_moe.model.routing_config import RoutingConfig
from tests.fixtures import save_tokenizer
from tests.multipl_judge.problems.samples import write_bench

pytest_plugins = ["tests.selection"]

settings.register_profile("busy", deadline=None)  # a machine that does other work fails no property
settings.load_profile("busy")

VOCABULARY = 61
CAUSAL_PRESETS = ["causal", "token-only", "gated", "gated-single", "gated-pack"]

TINY_BASE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_FAMILY_KEYS: dict[str, dict[str, Any]] = {
    "llama": {"mlp_bias": True},
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8, "final_logit_softcapping": 5.0, "sliding_window": 16},
    "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8, "final_logit_softcapping": 5.0, "sliding_window": 16},
    "qwen3": {"head_dim": 8},
    "phi3": {"pad_token_id": 0},
    "starcoder2": {"use_bias": True},
    "granite": {"mlp_bias": True, "logits_scaling": 3.0},
}


def skip_unless_installable(package: str) -> None:
    """Skip the test, but where `make test` could have installed the Debian package: there, go on and fail."""
    can_install = os.geteuid() == 0 and shutil.which("apt-get") is not None
    if not can_install and "CI" not in os.environ:
        pytest.skip(f"{package} is not installed (Debian: apt install {package})")


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """The sandbox; tests that need it are skipped only where `make test` cannot install it."""
    if not Sandbox.available():
        skip_unless_installable("bubblewrap")


@pytest.fixture(scope="session")
def small_bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own problems in the formats and the layout of the files in `bench`."""
    return write_bench(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory):
    """The tiny world of tests/train/tiny.py, which is imported here as many tests do without."""
    from tests.train.tiny import tiny_world

    return tiny_world(tmp_path_factory)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One token for each byte, and an end-of-text token."""
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny tensors gain nothing from threads, and one thread keeps parallel test processes apart."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def _little_to_collect():
    """Each training looks for garbage several times, and to look through all that tests import takes half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _answers_apart(tmp_path_factory: pytest.TempPathFactory):
    """Answers of tiny bases do not lie in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multipl_moe.eval.movement.answers.cache_folder", lambda: folder)
        yield


@pytest.fixture(autouse=True, scope="session")
def _installed_files_once():
    """Few files of installed packages, listed once: to read hundreds takes a gate of a tiny model most of its time."""
    from multipl_moe.data.package_files import package_files

    found: dict[str, Any] = {}

    def once(kinds: Any, left_out: Any, *, most_files: int, **limits: Any) -> Any:
        limits |= {"most_files": min(most_files, 4)}
        key = repr((kinds, sorted(left_out), limits))
        if key not in found:
            found[key] = package_files(kinds, left_out, **limits)
        return {kind: [*files] for kind, files in found[key].items()}

    with pytest.MonkeyPatch.context() as patch:
        for module in ("eval.movement.panel", "upcycle.gate_start"):
            patch.setattr(f"multipl_moe.{module}.package_files", once)
        yield


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def tables():
    """The tables of this process, afterwards without the languages that a recipe added."""
    before = [(table, set(table)) for table in (TOOLCHAINS, HARNESSES, OWN_ENTRIES, COMMENTS)]
    yield
    for table, names in before:
        for name in table.keys() - names:
            del table[name]


def tiny_base_config(family: str = "llama", **overrides: Any) -> PreTrainedConfig:
    """A base of three layers with hidden size 32; biases, softcaps and scalings of its family in use."""
    values = TINY_BASE | {"tie_word_embeddings": False} | _FAMILY_KEYS.get(family, {}) | overrides
    return AutoConfig.for_model(family, **values)


def tiny_moe(preset: str = "causal", **overrides: Any) -> MoeConfig:
    """A preset cut down to four token experts, three segment experts and short windows, in layers 1 and 2.

    `gated` is `causal` behind a domain gate for two languages, `gated-single` is `single`, `gated-pack` is `pack`;
    `segments alone` is `causal` without token experts. Overrides are keys of the parts of `moe`.
    """
    if preset == "segments alone":
        return tiny_moe("causal", **({"num_token_experts": 1, "token_top_k": 1} | overrides))
    if preset.startswith("gated"):
        behind = preset.removeprefix("gated").removeprefix("-") or "causal"
        return tiny_moe(behind, **({"languages": ["one", "other"], "start": 0.6} | overrides))
    values: dict[str, Any] = {"layers": [1, 2], "stride": 8 if preset == "paper" else 4, "pairs": 512}
    if preset == "pack":
        values |= {"rank": 4, "alpha": 2.0}
    elif preset != "single":
        values |= {"segment_window": 8, "num_token_experts": 4}
    if preset in ("causal", "paper"):
        values |= {"num_segment_experts": 3, "segment_max_experts": 2}
    return changed_moe(MoeConfig.from_preset(preset), **(values | overrides))


def tiny_routing(preset: str = "causal", **overrides: Any) -> RoutingConfig:
    """The routing of `tiny_moe`."""
    routing = tiny_moe(preset, **overrides).routing
    assert routing is not None
    return routing


def changed_moe(moe: MoeConfig, **overrides: Any) -> MoeConfig:
    """The settings with others on top, given by the keys of their parts, which are of different names."""
    parts: dict[str, Any] = {"gate": moe.gate, "experts": moe.experts, "routing": moe.routing}
    keys = {name: {key.name for key in fields(part)} for name, part in parts.items() if part is not None}
    assert overrides.keys() <= set().union(*keys.values()), overrides
    changes = {
        name: replace(parts[name], **{key: value for key, value in overrides.items() if key in own})
        for name, own in keys.items()
    }
    return replace(moe, **changes)


def tiny_dense(family: str = "llama", seed: int = 0, **overrides: Any) -> Any:
    """A base in evaluation mode whose every weight is random; overrides are keys of its configuration."""
    model = AutoModelForCausalLM.from_config(tiny_base_config(family, **overrides))
    randomise(model, seed)
    return model.eval()


def tiny_hybrid(
    preset: str = "causal", family: str = "llama", base: dict[str, Any] | None = None, **moe_overrides: Any
) -> Any:
    """A hybrid model in evaluation mode whose every weight is random and whose routing matters."""
    moe, config = tiny_moe(preset, **moe_overrides), tiny_base_config(family, **(base or {}))
    model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=config, moe=moe.to_dict()))
    randomise(model)
    if moe.gate.languages:
        randomise_gate(model)
    return model.eval()


@torch.no_grad()
def randomise(module: nn.Module, seed: int = 0) -> None:
    """Weights of unit gain, biases and start vectors of size 1, norms near their initial value, decided routers."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator).to(parameter.dtype)
        if "norm" in name:
            parameter.add_(0.1 * noise)
        elif parameter.ndim == 1 or name.endswith("_bias"):
            parameter.copy_(0.5 * noise)
        elif name.endswith("router.weight"):
            parameter.copy_(2 * noise / parameter.shape[-1] ** 0.5)
        elif "embed_tokens" in name:
            parameter.copy_(noise)
        else:
            parameter.copy_(noise / parameter.shape[-1] ** 0.5)


@torch.no_grad()
def randomise_gate(model: Any, seed: int = 0, pack: str = PACK) -> None:
    """A domain gate that is shut for a third of all text, and elsewhere anything above its bound."""
    generator, gate = torch.Generator().manual_seed(seed), model.model.domain_gates[pack]
    gate.pair_scores.copy_(torch.randint(-127, 128, gate.pair_scores.shape, generator=generator))
    gate.calibration.copy_(torch.tensor([0.6, -0.1]))
    gate.token_kinds[torch.randperm(VOCABULARY, generator=generator)[: VOCABULARY // 8]] = SPACE


def random_tokens(num_rows: int, num_tokens: int, seed: int = 0) -> Tensor:
    """(num_rows, num_tokens) token ids."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(3, VOCABULARY, (num_rows, num_tokens), generator=generator)
