"""Reading and writing safetensors checkpoints a tensor at a time, so that memory does not grow with the model."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from multipl_moe.errors import BaseModelError

_DTYPE_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}
WRITABLE_DTYPES = tuple(_DTYPE_NAMES)
_DTYPES = {name: dtype for dtype, name in _DTYPE_NAMES.items()}
_HEADER_ALIGNMENT = 8
_MAX_SHARD_BYTES = 5_000_000_000


class CheckpointReader:
    """The tensors of a folder's safetensors files, by name.

    A file is opened anew for each tensor and the tensor cloned: mapped pages of an open file would count as memory.

    Args:
        folder: where the files lie.
        role: what the folder is to the user, for messages.

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

    def read(self, key: str) -> Tensor:
        """A copy of one tensor."""
        with self._open(self.files[key]) as reader:
            return reader.get_tensor(key).clone()

    def dtype(self, key: str) -> torch.dtype:
        """The dtype of one tensor; raises BaseModelError for those that this package does not write."""
        if (name := self._dtype_names[key]) not in _DTYPES:
            known = ", ".join(_DTYPES)
            raise BaseModelError(f"{self.role}: {self.folder}: tensor {key} is stored as {name}; convert it to {known}")
        return _DTYPES[name]

    def _file_names(self) -> list[str]:
        index = self.folder / "model.safetensors.index.json"
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


@dataclass(frozen=True)
class TensorPlan:
    """One tensor to write: its name and shape are known before its values, which come in pieces.

    Attributes:
        name, shape, dtype: as in the file.
        pieces: yields tensors whose elements, one after the other, fill the tensor in row-major order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    pieces: Callable[[], Iterable[Tensor]]

    @property
    def num_bytes(self) -> int:
        """Size of the tensor's values in the file."""
        return torch.Size(self.shape).numel() * self.dtype.itemsize


def write_checkpoint(
    plans: list[TensorPlan], folder: Path, on_tensor: Callable[[str], None], max_shard_bytes: int | None = None
) -> None:
    """Write safetensors files, with an index if there are several, holding one piece of one tensor at a time.

    The format (an 8-byte header length, a JSON header, the values) is written here because safetensors' own writer
    takes whole tensors; the stacked experts of a layer can be larger than the memory that conversion should need.

    Args:
        plans: what to write, in order.
        folder: where to.
        on_tensor: called with each name when its tensor is written.
        max_shard_bytes: largest file, but for a single tensor that is larger; 5 GB by default.
    """
    shards = _shards(plans, _MAX_SHARD_BYTES if max_shard_bytes is None else max_shard_bytes)
    names = [
        "model.safetensors" if len(shards) == 1 else f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        for i in range(len(shards))
    ]
    for name, shard in zip(names, shards, strict=True):
        _write_shard(folder / name, shard, on_tensor)
    if len(shards) > 1:
        weight_map = {plan.name: name for name, shard in zip(names, shards, strict=True) for plan in shard}
        total = sum(plan.num_bytes for plan in plans)
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _shards(plans: list[TensorPlan], max_bytes: int) -> list[list[TensorPlan]]:
    shards: list[list[TensorPlan]] = [[]]
    size = 0
    for plan in plans:
        if shards[-1] and size + plan.num_bytes > max_bytes:
            shards.append([])
            size = 0
        shards[-1].append(plan)
        size += plan.num_bytes
    return shards


def _write_shard(file: Path, plans: list[TensorPlan], on_tensor: Callable[[str], None]) -> None:
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
    encoded += b" " * (-len(encoded) % _HEADER_ALIGNMENT)
    with file.open("wb") as stream:
        stream.write(len(encoded).to_bytes(8, "little"))
        stream.write(encoded)
        for plan in plans:
            begin = stream.tell()
            for piece in plan.pieces():
                stream.write(piece.to(plan.dtype).contiguous().view(torch.uint8).numpy().data)
            assert stream.tell() - begin == plan.num_bytes, f"{plan.name}: pieces do not fill the tensor"
            on_tensor(plan.name)
