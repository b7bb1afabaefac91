"""Results as classes: how each is written as JSON, and how it is read back."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from multipl_moe.errors import OutputError
from multipl_moe.recipe.section import describe_problems
from multipl_moe.runs.folder import write_json


class Record(BaseModel):
    """A result that is JSON on disk. A field with a default is left out of the JSON if it has that value."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, ser_json_inf_nan="constants")

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict; what is read of it is equal to the record."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def but(self, **changes: Any) -> Self:
        """The same with other values."""
        return self.model_copy(update=changes)

    def write(self, file: Path) -> None:
        """Write a file of its own."""
        write_json(file, self.to_json())

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            OutputError: it is no JSON, or a key is missing, unknown or has a wrong value.
        """
        return cls._parsed(file.read_bytes(), file)

    @classmethod
    def part_of(cls, values: Any, file: Path | str) -> Self:
        """The record whose keys stand among others in what was read of a file; errors are those of `read`."""
        if isinstance(values, dict):
            values = {key: values[key] for key in cls.model_fields if key in values}
        return cls._parsed(json.dumps(values), file)

    @classmethod
    def narrowed(cls, other: "Record") -> Self:
        """The part of a record that has all fields of this one."""
        return cls(**{name: getattr(other, name) for name in cls.model_fields})

    @classmethod
    def _parsed(cls, text: bytes | str, file: Path | str) -> Self:
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            told, *others = describe_problems(error.errors(), cls)
            more = f" ({len(others)} more)" if others else ""
            raise OutputError(f"{file}: {told}{more}; restore or remove it, and make it anew") from None
