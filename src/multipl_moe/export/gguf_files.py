"""The GGUF files of an export, unquantised and quantised."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from multipl_moe.export.gguf import FORMAT_NAMES, write_gguf
from multipl_moe.export.llama_cpp import load_llama_cpp, quantise


@dataclass(frozen=True)
class GgufFiles:
    """GGUF files of one model, named as hubs and Ollama expect: MODEL-TYPE.gguf.

    Attributes:
        model: its name.
        dtype: of the exported weights.
        kinds: of quantised files, best first.

    Raises:
        ConfigError: quantised ones are wanted, and llama.cpp is not installed.
    """

    model: str
    dtype: torch.dtype
    kinds: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kinds:
            load_llama_cpp()

    @property
    def names(self) -> list[str]:
        """File names, the unquantised one first."""
        return [f"{self.model}-{kind}.gguf" for kind in (FORMAT_NAMES[self.dtype], *self.kinds)]

    def write(
        self,
        model: Path,
        folder: Path,
        on_step: Callable[[str], None] = lambda title: None,
        write: Callable[[Path], None] | None = None,
    ) -> None:
        """Write those of a model, whose folder has its card, into a folder; raises as `write_gguf`, or `write` does."""
        on_step("GGUF")
        whole, *quantised = (folder / name for name in self.names)
        write(whole) if write else write_gguf(model, whole, self.model)
        for kind, file in zip(self.kinds, quantised, strict=True):
            on_step(f"GGUF {kind}")
            quantise(whole, file, kind)
