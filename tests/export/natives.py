"""Tiny hybrids that some architecture of transformers holds exactly."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multipl_moe import MultiplMoeConfig, MultiplMoeForCausalLM
from tests.conftest import randomise, tiny_base_config, tiny_moe
from tests.fixtures import save_tokenizer

_NO_BIASES = {"llama": {"mlp_bias": False}, "granite": {"mlp_bias": False}}


@dataclass(frozen=True)
class NativeCase:
    """A hybrid without biases on logits, and the architecture that it should become."""

    family: str
    preset: str
    architecture: str = ""
    layers: tuple[int, ...] = (1, 2)
    base: dict[str, Any] = field(default_factory=dict)
    moe: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For folders and test ids."""
        return "-".join((self.family, self.preset, *map(str, self.layers), *self.base, *self.moe))

    def config(self) -> MultiplMoeConfig:
        """Its configuration."""
        base = tiny_base_config(self.family, **(_NO_BIASES.get(self.family, {}) | self.base))
        unbiased = {} if self.preset == "single" else {"token_bias_rate": 0.0}
        moe = unbiased | {"layers": list(self.layers)} | self.moe
        return MultiplMoeConfig(text_config=base, moe=tiny_moe(self.preset, **moe).to_dict())

    def model(self) -> MultiplMoeForCausalLM:
        """A model of it, whose every weight is random."""
        model = MultiplMoeForCausalLM(self.config())
        randomise(model)
        return model.eval()


NATIVE_CASES = [
    NativeCase("llama", "token-only", "ernie4_5_moe"),
    NativeCase("llama", "token-only", "ernie4_5_moe", (1, 3), {"num_hidden_layers": 5, "head_dim": 16}),
    NativeCase("llama", "moe-lpr", "ernie4_5_moe", (0, 1)),
    NativeCase("llama", "moe-lpr", "mixtral", (0, 1, 2)),
    NativeCase("mistral", "token-only", "ernie4_5_moe", (2,), {"sliding_window": None}, {"token_top_k": 3}),
    NativeCase("mistral", "moe-lpr", "mixtral", (0, 1, 2), {"sliding_window": 16}),
    NativeCase("qwen2", "token-only", "ernie4_5_moe", base={"tie_word_embeddings": True}),
    NativeCase("qwen2", "moe-lpr", "qwen2_moe", (0, 2)),
    NativeCase("qwen3", "moe-lpr", "qwen3_moe", (0, 2)),
    NativeCase("olmo2", "moe-lpr", "flex_olmo", (0, 1, 2)),
    NativeCase("granite", "moe-lpr", "granitemoe", (0, 1, 2)),
]


def save_native_source(folder: Path, case: NativeCase) -> Path:
    """The case's model with a tokenizer, in a folder."""
    case.model().save_pretrained(folder)
    save_tokenizer(folder)
    return folder
