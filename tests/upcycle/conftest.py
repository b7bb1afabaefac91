"""Tiny random bases on disk, and the recipes that convert them."""

from pathlib import Path
from typing import Any

import pytest

from multipl_moe.recipe.recipe import Recipe, validate_recipe
from tests.conftest import tiny_dense, tiny_moe


def save_base(
    folder: Path, family: str = "llama", max_shard_size: str = "5GB", seed: int = 0, **overrides: Any
) -> Path:
    """A random base of the family in Hugging Face format."""
    tiny_dense(family, seed, **overrides).save_pretrained(folder, max_shard_size=max_shard_size)
    return folder


def recipe_for(
    base: Path, preset: str = "causal", seed: int = 0, experts: dict[str, Any] | None = None, **upcycle: Any
) -> Recipe:
    """A recipe that makes layers 1 and 2 of a base hybrid; further arguments go to its section `upcycle`."""
    moe = tiny_moe(preset, **(experts or {})).to_dict()
    moe = {part: values for part, values in moe.items() if values is not None}
    return validate_recipe({"base": str(base), "moe": moe, "seed": seed, "upcycle": upcycle})


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def base(tmp_path) -> Path:
    return save_base(tmp_path / "base")
