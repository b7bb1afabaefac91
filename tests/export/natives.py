"""Tiny hybrids that Ernie 4.5's architecture of transformers holds exactly."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import tiny_hybrid
from tests.fixtures import save_tokenizer


@dataclass(frozen=True)
class NativeCase:
    """A hybrid without biases on logits."""

    family: str
    preset: str = "token-only"
    layers: tuple[int, ...] = (1, 2)
    base: dict[str, Any] = field(default_factory=dict)
    moe: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For folders and test ids."""
        return "-".join((self.family, self.preset, *map(str, self.layers), *self.base, *self.moe))

    def model(self) -> Any:
        """A model of it, whose every weight is random."""
        no_biases = {"mlp_bias": False} if self.family == "llama" else {}
        unbiased = {} if self.preset == "single" else {"token_bias_rate": 0.0}
        moe = unbiased | {"layers": list(self.layers)} | self.moe
        return tiny_hybrid(self.preset, self.family, no_biases | self.base, **moe)


NATIVE_CASES = [
    NativeCase("llama"),
    NativeCase("llama", layers=(1, 3), base={"num_hidden_layers": 5, "head_dim": 16}),
    NativeCase("llama", layers=(0, 1)),
    NativeCase("mistral", layers=(2,), base={"sliding_window": None}, moe={"token_top_k": 3}),
    NativeCase("qwen2", base={"tie_word_embeddings": True}),
]


def save_native_source(folder: Path, case: NativeCase) -> Path:
    """The case's model with a tokenizer, in a folder."""
    case.model().save_pretrained(folder)
    save_tokenizer(folder)
    return folder
