"""What a recipe is refused with."""

from typing import Any

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import validate_recipe


def problems_of(values: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate_recipe(values)
    assert all("\n" not in problem for problem in caught.value.problems)
    return caught.value.problems
