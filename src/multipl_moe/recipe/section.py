"""What all parts of a recipe have in common: strictness, and how problems are told."""

import difflib
import inspect
import os
import re
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import ErrorDetails

_PLAIN = {  # pydantic's own words speak of Python
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be keys with values",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list, as [a, b]",
    "literal_error": "must be {expected}",
    "missing": "is missing; give it a value",
    "model_type": "must be keys with values",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_short": "is empty or too short; name at least one",
    "tuple_type": "must be a list, as [a, b]",
}
_TOLD_BY_PYDANTIC = re.compile(r"\[.*\]$|^constrained-")  # parts of a location that are no key: [key], list[str]


class _Told(reprlib.Repr):
    """A value as YAML writes it, cut where it is long: with aliases a short file names values without end."""

    def repr_bool(self, value: bool, level: int) -> str:
        return str(value).lower()

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: N802 (reprlib's name)
        return "empty"


_told = _Told()
_told.maxlevel, _told.maxstring, _told.maxother, _told.maxlong = 2, 120, 120, 120


def _at_home(text: str) -> str:
    before, colon, path = text.rpartition(":")
    return before + colon + os.path.expanduser(path)  # noqa: PTH111 (not all are paths, and Path's own may raise)


UserName = Annotated[str, AfterValidator(_at_home)]
"""A name that may be a path, or have one after a colon: ~ is the user's home, which alone validation fills in."""
UserPath = Annotated[Path, Field(strict=False), AfterValidator(lambda path: Path(os.path.expanduser(path)))]  # noqa: PTH111
"""The same of a path."""


class Section(BaseModel):
    """A part of a recipe: strict about keys and types. docs/recipe.md shows the text below each key."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _keeps_nulls_that_mean_something(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Written without its nulls, a section would come back with the default where that is not null."""
        fields = type(self).model_fields.items()
        nulls = {name: None for name, field in fields if getattr(self, name) is None and field.default is not None}
        return serialize(self) | nulls


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that a key holds, holds a list of, or holds by name."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := section_in(part))), None)


def describe_problems(problems: Sequence[ErrorDetails], schema: type[BaseModel]) -> list[str]:
    """A line on each problem that pydantic found: key, value and remedy; unknown keys with the nearest known name.

    Of a key that takes a number or a word, a number that is wrong is told as a number alone.
    """
    by_place: dict[str, list[ErrorDetails]] = {}
    for problem in problems:
        by_place.setdefault(_place(problem), []).append(problem)
    lines: list[str] = []
    for found in by_place.values():
        words = [one for one in found if one["type"] == "literal_error"]
        others = [one for one in found if one not in words]
        if words and others and isinstance(words[0]["input"], str):
            kinds = [*map(_message, words), *(_message(one).removeprefix("must be ") for one in others)]
            lines.append(f"{_place(words[0])}: {_told.repr(words[0]['input'])}: {', or '.join(kinds)}")
        else:
            lines += [_described(one, schema) for one in others or words]
    return lines


def _place(problem: ErrorDetails) -> str:
    return ".".join(part for part in map(str, problem["loc"]) if not _TOLD_BY_PYDANTIC.search(part))


def _described(problem: ErrorDetails, schema: type[BaseModel]) -> str:
    location = _place(problem)
    if problem["type"] == "extra_forbidden":
        section = _section_at(problem["loc"][:-1], schema)
        known, inner = list(section.model_fields), _inner_keys(section)
        near = difflib.get_close_matches(str(problem["loc"][-1]), [*known, *inner], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f"{location}: unknown key; {hint}"
    message = _message(problem)
    if problem["type"] in ("value_error", "json_invalid") or isinstance(problem["input"], dict | BaseModel):
        return f"{location}: {message}" if location else message
    told = f"{_told.repr(problem['input'])}: {message}"
    return f"{location}: {told}" if location else told


def _message(problem: ErrorDetails) -> str:
    plain = _PLAIN.get(problem["type"])
    return problem["msg"].removeprefix("Value error, ") if plain is None else plain.format(**problem.get("ctx", {}))


def _section_at(location: Sequence[int | str], section: type[BaseModel]) -> type[BaseModel]:
    """The section at a location below `section`; an index, or a name that the user gave, leads no deeper."""
    for part in location:
        field = section.model_fields.get(str(part))
        section = (field and section_in(field.annotation)) or section
    return section


def _inner_keys(section: type[BaseModel]) -> list[str]:
    inner = {name: section_in(field.annotation) for name, field in section.model_fields.items()}
    return [f"{name}.{key}" for name, found in inner.items() if found for key in found.model_fields]
