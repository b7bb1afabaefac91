"""Reading and writing checkpoints a tensor at a time, so that memory does not grow with the model."""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors import SafetensorError, safe_open
from torch import Tensor

from multipl_moe.errors import BaseModelError
from multipl_moe.model.float32_buffers import GATE_TABLES

_OF_WEIGHTS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
WRITABLE_DTYPES = tuple(_OF_WEIGHTS)
_DTYPE_NAMES = _OF_WEIGHTS | {torch.int8: "I8", torch.int32: "I32"}  # of domain gates
_DTYPES = {name: dtype for dtype, name in _DTYPE_NAMES.items()}
PEFT_PREFIX = "base_model.model."  # of PEFT's names of tensors
TRAINED_KEY = re.compile(r"layers\.\d+\.mlp\.(experts\.|token_|segment_)|(^|\.)domain_gates\.|\.adapters\.")
"""In names of what training made, and gates: all else is the base's."""
INDEX_FILE = "model.safetensors.index.json"
ADDED = "added"
"""Stem of the file of what is new, beside files that are linked to."""
_MAX_SHARD_BYTES = 5_000_000_000
_OWN_SUFFIXES = {".py", ".safetensors", ".bin", ".gguf", ".pt", ".pth", ".h5", ".msgpack", ".onnx", ".onnx_data"}
_OWN_FILES = {"config.json", "recipe.yaml", "environment.json", "expert_use.json", "README.md"}


@dataclass(frozen=True)
class TensorPlan:
    """One tensor to write: name, shape and dtype are known before its values, which come in pieces.

    Attributes:
        pieces: yields tensors whose elements, one after the other, fill the tensor in row-major order.
        stored: a file that holds the tensor under this very name, to the bit.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    pieces: Callable[[], Iterable[Tensor]]
    stored: Path | None = None

    @classmethod
    def of(cls, name: str, value: Tensor) -> "TensorPlan":
        """That of a tensor which is there already."""
        return cls(name, tuple(value.shape), value.dtype, lambda: [value])

    @property
    def num_bytes(self) -> int:
        """Size of the tensor's values in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


class CheckpointReader:
    """The tensors of a folder's safetensors files, by name; `role` is what the folder is to the user, for messages.

    A file is opened anew for each tensor and the tensor cloned: mapped pages of an open file would count as memory.

    Raises:
        BaseModelError: no safetensors file, one is missing, or one is truncated or otherwise unreadable.
    """

    def __init__(self, folder: Path, role: str = "base model") -> None:
        self.folder, self.role = folder, role
        self.files: dict[str, str] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._dtype_names: dict[str, str] = {}
        for name in self._file_names():
            with self._open(name) as reader:
                for key in reader.keys():  # noqa: SIM118 (not a dict)
                    stored = reader.get_slice(key)
                    self.files[key] = name
                    self.shapes[key] = tuple(stored.get_shape())
                    self._dtype_names[key] = stored.get_dtype()
        if role != "pack" and any(key.startswith(PEFT_PREFIX) for key in self.files):
            raise BaseModelError(with_adapter(f"{role}: {folder}"))

    def file(self, key: str) -> Path:
        """The file that holds a tensor."""
        return self.folder / self.files[key]

    def read(self, key: str, index: int | None = None) -> Tensor:
        """A copy of one tensor, or of one of those stacked in it; raises BaseModelError where it is not finite."""
        with self._open(self.files[key]) as reader:
            found = (reader.get_tensor(key) if index is None else reader.get_slice(key)[index]).clone()
        if not_finite([(key, found)]):
            raise BaseModelError(f"{self.role}: {self.folder}: {holds_no_number(key)}; copy or download it again")
        return found

    def dtype(self, key: str) -> torch.dtype:
        """The dtype of one tensor; raises BaseModelError for those that this package does not write."""
        known = _DTYPES.values() if key.endswith(GATE_TABLES) else WRITABLE_DTYPES
        if _DTYPES.get(name := self._dtype_names[key]) not in known:
            known = ", ".join(_OF_WEIGHTS.values())
            raise BaseModelError(f"{self.role}: {self.folder}: tensor {key} is stored as {name}; convert it to {known}")
        return _DTYPES[name]

    def plan(self, key: str, name: str | None = None, dtype: torch.dtype | None = None) -> TensorPlan:
        """To write a tensor as it is, but for another name or dtype where they are given; raises as `dtype`."""
        own = self.dtype(key)
        stored = self.file(key) if name in (None, key) and dtype in (None, own) else None
        return TensorPlan(name or key, self.shapes[key], dtype or own, lambda: [self.read(key)], stored)

    @property
    def weights_dtype(self) -> torch.dtype:
        """That of the embedding; raises BaseModelError where there is none, and as `dtype`."""
        for key in self.shapes:
            if key.endswith("embed_tokens.weight"):
                return self.dtype(key)
        raise BaseModelError(
            f"{self.role}: {self.folder} has no tensor embed_tokens.weight; give a causal language model"
        )

    def _file_names(self) -> list[str]:
        index = self.folder / INDEX_FILE
        if index.is_file():
            try:
                return sorted(set(json.loads(index.read_text())["weight_map"].values()))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise BaseModelError(f"{self.role}: {index} is not an index; download the file again") from error
        if (self.folder / "model.safetensors").is_file():
            return ["model.safetensors"]
        names = sorted(path.name for path in self.folder.glob("*.safetensors"))
        if not names:
            raise BaseModelError(f"{self.role}: {self.folder} has no safetensors file; convert its weights first")
        return names

    def _open(self, name: str):
        try:
            return safe_open(self.folder / name, framework="pt")
        except (SafetensorError, OSError) as error:
            raise BaseModelError(
                f"{self.role}: {self.folder / name} cannot be read ({error}); download the file again"
            ) from error


def holds_no_number(name: str) -> str:
    """What is wrong with a tensor that is not finite."""
    return f"tensor {name} holds NaN or an infinity"


def with_adapter(what: str) -> str:
    """The message on a checkpoint, named so, whose tensors lie inside of a PEFT adapter."""
    return (
        f"{what} was saved with a PEFT adapter around it ({PEFT_PREFIX}...); merge the adapter (merge_and_unload) and "
        "save the model again"
    )


def write_checkpoint(
    plans: list[TensorPlan],
    folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    max_shard_bytes: int | None = None,
    linked: Mapping[str, str] | None = None,
) -> None:
    """Write safetensors files, with an index if there are several, holding one piece of one tensor at a time.

    Beside a single file there is none, as everywhere on the hub: transformers would not read it, and where the file is
    later replaced by another, an index that was left behind misleads.

    The format (an 8-byte header length, a JSON header, the values) is written here because safetensors' own writer
    takes whole tensors; the stacked experts of a layer can be larger than the memory that conversion should need.

    Args:
        on_progress: called with bytes written and bytes in all when a tensor is written.
        max_shard_bytes: largest file, but for a single tensor that is larger; 5 GB by default.
        linked: of further tensors the file in `folder` that holds them.
    """
    by_name = {plan.name: plan for plan in plans}
    split = split_state_dict_into_shards_factory(
        by_name,
        get_storage_size=lambda plan: plan.num_bytes,
        filename_pattern=f"{ADDED if linked else 'model'}{{suffix}}.safetensors",
        max_shard_size=max_shard_bytes or _MAX_SHARD_BYTES,
    )
    done, total = 0, sum(plan.num_bytes for plan in plans)
    for file, names in split.filename_to_tensors.items():
        for plan in _write_shard(folder / file, [by_name[name] for name in names]):
            done += plan.num_bytes
            on_progress(done, total)
    if split.is_sharded or linked:
        write_index(folder, split.tensor_to_filename | dict(linked or {}), total)


def write_index(folder: Path, files: Mapping[str, str], num_bytes: int) -> None:
    """Write which of a folder's files holds each tensor; `num_bytes` is the size of those that are new."""
    index = {"metadata": {"total_size": num_bytes}, "weight_map": dict(sorted(files.items()))}
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2))


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The first tensor, but for those of 8 bits, that holds NaN or an infinity; without a temporary of its size."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and tensor.itemsize > 1 and tensor.numel() and not tensor.is_meta:
            least, largest = torch.aminmax(tensor.detach())
            if not math.isfinite(least) or not math.isfinite(largest):
                return name
    return None


def copy_companions(model_folder: Path, output: Path) -> None:
    """Copy what goes with a model's weights: tokenizer, chat template, generation settings, licence, `upcycle.json`.

    A model card and modeling code tell of the model that they come with, so they stay.
    """
    for file in model_folder.iterdir():
        stays = file.suffix in _OWN_SUFFIXES or file.name in _OWN_FILES or file.name.endswith(".index.json")
        if file.is_file() and not stays:
            shutil.copyfile(file, output / file.name)  # not its mode: what is read-only here is written anew there


def expert_generator(seed: int, layer: int, expert: int, part: str) -> torch.Generator:
    """A random generator of its own for each part of each expert, so that results do not depend on order."""
    digest = hashlib.sha256(f"{seed}/{layer}/{expert}/{part}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def _write_shard(file: Path, plans: list[TensorPlan]) -> Iterator[TensorPlan]:
    """Write a file, and yield what is written as it comes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for plan in plans:
        end = offset + plan.num_bytes
        header[plan.name] = {
            "dtype": _DTYPE_NAMES[plan.dtype],
            "shape": list(plan.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with file.open("wb") as stream:
        stream.write(len(encoded).to_bytes(8, "little"))
        stream.write(encoded)
        for plan in plans:
            begin = stream.tell()
            for piece in plan.pieces():
                piece = piece.to(plan.dtype)
                if not_finite([(plan.name, piece)]):
                    raise BaseModelError(
                        f"model: {holds_no_number(plan.name)} as {_DTYPE_NAMES[plan.dtype]}, so it is not written; "
                        "choose another dtype"
                    )
                stream.write(piece.contiguous().view(torch.uint8).numpy().data)
            assert stream.tell() - begin == plan.num_bytes, f"{plan.name}: pieces do not fill the tensor"
            yield plan
