"""A pack's folder: an adapter in PEFT's own format, the gate's tensors, and pack.json, which says what they go with.

`adapter_config.json` and `adapter_model.safetensors` are what PEFT writes, so peft, vLLM and llama.cpp's converter take
the folder as a LoRA that is always on. `gate.safetensors` and pack.json are for this package, which opens it where the
text is of its languages.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PlainSerializer, PlainValidator
from torch import nn

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.tensors import TRAINED_KEY, CheckpointReader
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.runs.record import Record
from multipl_moe.runs.result import Found

PACK_FILE = "pack.json"
GATE_FILE = "gate.safetensors"
CONFIG_FILE, ADAPTER_FILE = "adapter_config.json", "adapter_model.safetensors"  # by PEFT's names
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def _settings(moe: Any) -> MoeConfig:
    return moe if isinstance(moe, MoeConfig) else MoeConfig.from_dict(moe)


class PackBase(Record):
    """The model that a pack goes with: by its name, no path of a machine, and the SHA-256 of its weights in `dtype`."""

    name: str
    sha256: str
    dtype: Literal["float32", "bfloat16", "float16"]


class Pack(Record):
    """What pack.json says.

    Attributes:
        languages: for which its gate opens.
        moe: settings of experts and gate.
        trained: what training.json of the run has of its text and cost; empty if unknown.
        measured: result of the run; None if unknown.
        kept: by how much a full expert's differences were cut: `rank` and `share` of their squares that is left.
        versions: of the packages that wrote it.
        endings: of files of those languages that the package does not know.
    """

    format: Literal[1]
    languages: list[str] = Field(min_length=1)
    base: PackBase
    moe: Annotated[MoeConfig, PlainValidator(_settings), PlainSerializer(MoeConfig.to_dict)]
    trained: dict[str, Any]
    measured: Found | None
    kept: dict[str, int | float]
    versions: dict[str, str]
    endings: dict[str, list[str]] = {}

    @classmethod
    def load(cls, folder: Path) -> "Pack":
        """Read a folder's pack.json; raises BaseModelError where it is missing, or a key or its value is wrong."""
        file = folder / PACK_FILE
        if not file.is_file():
            raise BaseModelError(f"pack: {folder} has no {PACK_FILE}; give a folder that `multipl-moe pack` wrote")
        try:
            return cls.read(file)
        except OutputError as error:
            raise BaseModelError(f"pack: {error}") from None

    def base_folder(self, remedy: str) -> Path:
        """The base, by the name in pack.json; raises BaseModelError, with what to do, if it is not found by it."""
        try:
            return resolve_base(self.base.name)
        except BaseModelError as error:
            told = f"pack: it goes with {self.base.name}, which is not found by that name ({error})"
            raise BaseModelError(f"{told}; {remedy}") from error


def base_of(packs: Mapping[str, Pack], base: str | None) -> tuple[str, Path]:
    """Name and folder of the base of packs: the given one, or that of the first pack.json; raises as `resolve_base`."""
    if base is not None:
        return base, resolve_base(base)
    first = next(iter(packs.values()))
    return first.base.name, first.base_folder("give its folder (--base)")


def size_of(folder: Path, files: str = "*") -> str:
    """Size of a pack, or of those of its files that fit a pattern, for people."""
    return f"{sum(file.stat().st_size for file in folder.glob(files)) / 1e6:.1f} MB"


def require_name(name: str) -> str:
    """A pack's name, which is part of names of tensors; raises ConfigError where it cannot be."""
    if hasattr(nn.ModuleDict(), name):  # which would lose what has that name
        raise ConfigError(f"pack: {name!r} means something to PyTorch; give another name, NAME=FOLDER")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"pack: {name!r} cannot be a name (letters, digits, - and _); give one as NAME=FOLDER")
    return name


def base_tensors(reader: CheckpointReader, *, is_tied: bool) -> Iterator[tuple[str, str]]:
    """Of a model's tensors those of its base, sorted: the base's name and the name here."""
    names = {key.replace(".mlp.shared_expert.", ".mlp."): key for key in reader.shapes if not TRAINED_KEY.search(key)}
    return ((name, names[name]) for name in sorted(names) if not (is_tied and name == "lm_head.weight"))


def base_digest(reader: CheckpointReader, dtype: torch.dtype, *, is_tied: bool) -> str:
    """SHA-256 of a base's weights in a dtype, the same from its own folder and from that of a model with experts."""
    digest = hashlib.sha256()
    for name, key in base_tensors(reader, is_tied=is_tied):
        value = reader.read(key).to(dtype).float().contiguous()
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.view(torch.uint8).numpy().data)
    return digest.hexdigest()
