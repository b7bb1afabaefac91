#!/usr/bin/env python
"""Write docs/recipe.md, the list of every key of a recipe, from the schema itself.

    .venv/bin/python scripts/write_recipe_reference.py

Run it again whenever a section changes: a test compares, and so freezes the keys of a recipe.
"""

import ast
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from multipl_moe.model.moe_config import PRESETS, ExpertsConfig, GateConfig
from multipl_moe.model.routing_config import RoutingConfig
from multipl_moe.recipe.moe import ExpertsSection, GateSection, MoeSection, RoutingSection
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.recipe.section import section_in

PAGE = Path(__file__).parents[1] / "docs" / "recipe.md"
_HEAD = """# Every key of a recipe

<!-- written by scripts/write_recipe_reference.py -->

A recipe is a YAML file, for `--recipe`; `--set SECTION.KEY=VALUE` changes one key. Every key has a default, so a recipe
holds only what should differ; unknown keys are refused with the nearest name. The recipe that a run used, resolved,
is `recipe.yaml` in its folder; `train` takes `base`, `moe`, `upcycle` from the hybrid, and refuses recipes that name
others. Commented examples are in [recipes/](../recipes).
"""
_PARTS: dict[Any, tuple[str, type]] = {
    GateSection: ("gate", GateConfig),
    ExpertsSection: ("experts", ExpertsConfig),
    RoutingSection: ("routing", RoutingConfig),
}
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
# A bound in the docstring of such a part, which checks its settings itself: in brackets, alone or beside something.
_TOLD_BOUND = re.compile(r" \((?P<alone>>=? \d+)\)|, (?P<last>>=? \d+)(?=[;)])|(?<=\()(?P<first>>=? \d+|1\.\.E_t)[,;] ")
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", Path: "path", NoneType: "null"}


def reference() -> str:
    """The page."""
    return "\n".join([_HEAD, *_section("", Recipe)])


def _section(name: str, section: type[BaseModel]) -> Iterator[str]:
    """Heading, table of the section's own keys, then the sections in it."""
    inner = {key: found for key, field in section.model_fields.items() if (found := section_in(field.annotation))}
    if name:
        yield f"## `{name}`\n\n{(section.__doc__ or '').strip().splitlines()[0]}\n"
    yield "| key | values | default | meaning |\n| --- | --- | --- | --- |"
    told, meanings = _told_of_moe(section), _meanings(section)
    for key, field in sorted(section.model_fields.items(), key=lambda item: item[0] in told):
        if key in told:
            bound = _TOLD_BOUND.search(told[key])
            values = _values(field) + (f" ({bound[bound.lastgroup or 0]})" if bound else "")
            yield _row(key, values, _default_of_presets(section, key), _TOLD_BOUND.sub("", told[key]))
        elif key not in inner or key in meanings:
            yield _row(key, _values(field), _default(field), meanings.get(key, ""))
    yield ""
    for key, model in inner.items():
        yield from _section(f"{name}.{key}" if name else key, model)


def _row(key: str, *cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (f"`{key}`", *cells)) + " |"


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """What is said of each key: in its field, or in the text below it, which only the source has."""
    said = {key: field.description for key, field in section.model_fields.items() if field.description}
    for part in inspect.getmro(section):
        with suppress(OSError, TypeError):  # no source, as of what pydantic makes
            (found,) = ast.parse(inspect.getsource(part)).body
            for pair in pairwise(getattr(found, "body", [])):
                match pair:
                    case ast.AnnAssign(ast.Name(key)), ast.Expr(ast.Constant(str(text))) if key in section.model_fields:
                        said.setdefault(key, " ".join(text.split()))
    return said


def _told_of_moe(section: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a part of `MoeConfig` tells of each setting, but for what the section itself tells."""
    if section not in _PARTS:
        return {}
    told = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", inspect.getdoc(_PARTS[section][1]) or "", re.MULTILINE)
    own = _meanings(section)
    return {key: re.sub(r"\s+", " ", text) for key, text in told if key not in own}


def _default_of_presets(section: type[BaseModel], key: str) -> str:
    """The value of the default preset, or that most have, and those of presets that differ."""
    parts = {name: getattr(moe, _PARTS[section][0]) for name, moe in PRESETS.items()}
    values = {name: getattr(part, key) for name, part in parts.items() if part is not None}
    usual = values.get(MoeSection().preset, Counter(values.values()).most_common(1)[0][0])
    others = {name: _text(value) for name, value in values.items() if value != usual}
    if len(others) == len(values) - 1 and len(set(others.values())) == 1:
        others = {"others": next(iter(others.values()))}
    return "; ".join([_text(usual), *(f"{name}: {value}" for name, value in others.items())])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if isinstance(value, BaseModel) or value in ({}, []) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, BaseModel):
        return (
            "{" + ", ".join(f"{key}: {given}" for key, given in value.model_dump(exclude_defaults=True).items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_text(one).strip("`") for one in value) + "]" if value else ""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _values(field: FieldInfo) -> str:
    limits = [(sign, getattr(item, name, None)) for item in field.metadata for name, sign in _BOUNDS.items()]
    bounds = [f"{sign} {limit}" for sign, limit in limits if limit is not None]
    return _kind(field.annotation) + (f" ({', '.join(bounds)})" if bounds else "")


def _kind(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{_text(value)}`" for value in arguments)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_kind(one) for one in arguments if one is not NoneType))
    if origin in (list, tuple):
        return f"list of: {_kind(arguments[0])}"
    if origin is dict:
        return f"name: {_kind(arguments[1])}"
    return _PLAIN.get(annotation, "keys, see below" if section_in(annotation) else "keys")


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(PAGE)
