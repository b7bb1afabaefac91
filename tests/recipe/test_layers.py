"""Which layers become hybrid."""

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.layers import resolve_layers


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        ("all", [0, 1, 2, 3, 4, 5, 6]),
        ("last:1", [6]),
        ("last:3", [4, 5, 6]),
        ("last:7", [0, 1, 2, 3, 4, 5, 6]),
        ("every:1", [0, 1, 2, 3, 4, 5, 6]),
        ("every:2", [0, 2, 4, 6]),
        ("every:3", [0, 3, 6]),
        ("every:5", [1, 6]),
        ("every:7", [6]),
        ([5], [5]),
        ([4, 0, 4], [0, 4]),
        ("3", [3]),
        ("5,1", [1, 5]),
    ],
)
def test_a_specification_means_these_layers_of_seven(spec, layers):
    assert resolve_layers(spec, 7) == layers


@pytest.mark.parametrize("spec", ["last:0", "last:8", "every:0", "every:8", [7], [-1], [0, 12]])
def test_layers_outside_the_base_are_refused_with_its_range(spec):
    with pytest.raises(ConfigError, match=r"moe\.layers: .*outside the base's (7 layers|layers 0\.\.6)"):
        resolve_layers(spec, 7)


def test_every_index_outside_the_base_is_named():
    with pytest.raises(ConfigError, match=r"\[9, -2\]"):
        resolve_layers([9, 3, -2], 7)


@pytest.mark.parametrize(
    "spec", ["", "none", "last", "last:", "last:two", "last:-1", "first:2", ",", "ALL", "last:1.5"]
)
def test_nonsense_is_refused_with_what_is_known(spec):
    with pytest.raises(ConfigError, match=r"is not all, last:N, every:N or a list of indices"):
        resolve_layers(spec, 7)


def test_an_empty_list_is_refused():
    with pytest.raises(ConfigError, match="empty"):
        resolve_layers([], 7)
