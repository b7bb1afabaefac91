"""The header of a GGUF file, and by it how long the file must be; the library's own reader takes ten seconds for it."""

import mmap
import struct
from pathlib import Path

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from multipl_moe.errors import BaseModelError

_NUMBERS = dict(zip(range(8), "BbHhIif?", strict=True)) | {10: "Q", 11: "q", 12: "d"}
_ALIGNMENT = 32


def gguf_fields(file: Path) -> dict[str, int | float | str]:
    """Numbers and texts that a file says of itself, by name; lists are left out.

    Raises:
        BaseModelError: it is no GGUF file, or shorter than its header says.
    """
    try:
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _Header(data)
            if (needed := header.file_bytes) > len(data):
                raise ValueError(f"it is cut, {len(data):,} of {needed:,} bytes")
            return header.fields
    except (ValueError, LookupError, OverflowError, OSError, struct.error) as error:
        why = "its header is cut" if isinstance(error, (struct.error, OverflowError)) else str(error)
        raise BaseModelError(f"base model: {file} cannot be read as GGUF ({why}); download it again") from None


class _Header:
    """Read from the beginning of a file; past its end it raises struct.error."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._place = data, 4
        if data[:4] != b"GGUF":
            raise ValueError("it does not begin with GGUF")
        version, num_tensors, num_fields = self._number("I"), self._number("Q"), self._number("Q")
        if version not in (2, 3):
            raise ValueError(f"version {version}, not 2 or 3")
        found = {self._text(): self._value(self._number("I")) for _ in range(num_fields)}
        self.fields = {name: value for name, value in found.items() if value is not None}
        ends = [self._end_of_tensor() for _ in range(num_tensors)]
        alignment = int(self.fields.get("general.alignment") or _ALIGNMENT)
        self.file_bytes = -(-self._place // alignment) * alignment + max(ends) if ends else self._place

    def _end_of_tensor(self) -> int:
        """Where the next tensor ends in the part of the file that holds values."""
        self._text()
        num_values = 1
        for _ in range(self._number("I")):
            num_values *= self._number("Q")
        per_block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(self._number("I"))]
        return num_values * block_bytes // per_block + self._number("Q")

    def _value(self, kind: int) -> int | float | str | None:
        if kind == GGUFValueType.STRING:
            return self._text()
        if kind != GGUFValueType.ARRAY:
            return self._number(_NUMBERS[kind])
        kind, count = self._number("I"), self._number("Q")
        if kind in _NUMBERS:
            self._place += count * struct.calcsize(_NUMBERS[kind])
        else:
            for _ in range(count):
                self._value(kind)
        return None

    def _number(self, form: str) -> int:
        (number,) = struct.unpack_from(f"<{form}", self._data, self._place)
        self._place += struct.calcsize(form)
        return number

    def _text(self) -> str:
        size, begin = self._number("Q"), self._place
        self._place += size
        return self._data[begin : self._place].decode("utf-8", "replace")
