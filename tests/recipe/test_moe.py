"""The layer's section of a recipe."""

import pytest

from multipl_moe.errors import ConfigError
from multipl_moe.recipe.moe import resolve_layers
from multipl_moe.recipe.recipe import validate_recipe
from tests.conftest import tiny_base_config
from tests.recipe.refusals import problems_of


def test_the_settings_of_the_layer_are_checked_with_the_recipe_and_all_problems_told_at_once():
    routing = {"segment_window": 50, "segment_max_experts": 0, "router_aux_loss_coef": -1.0}
    problems = problems_of({"moe": {"preset": "causal", "routing": routing}})
    assert [problem.split(": ")[:2] for problem in problems] == [["recipe", f"moe.routing.{key}"] for key in routing]
    assert "50 must be a multiple of moe.gate.stride (16); use 48" in problems[0]


def test_what_sets_full_experts_apart_is_refused_for_low_rank_ones_all_at_once():
    lora = {"moe": {"experts": {"type": "lora", "rank": 0}}}
    problems = problems_of(lora | {"upcycle": {"noise": 0.1}})
    remedy = "does not go with moe.experts.type lora"
    assert [problem.split(remedy)[0] for problem in problems] == [
        "recipe: upcycle.noise: 0.1 ",
        "recipe: moe.experts.rank: 0 must be at least 1",
    ]
    assert [problem.split(" does")[0] for problem in problems_of({"upcycle": {"noise": 0.1}})] == [
        "recipe: upcycle.noise: 0.1"
    ]
    full = {"moe": {"preset": "single"}, "upcycle": {"noise": 0.1}}
    assert validate_recipe(full).moe.resolve([0], []).experts.type == "full"


def test_settings_of_the_layer_go_on_top_of_the_preset():
    moe = validate_recipe({"moe": {"preset": "paper", "routing": {"segment_capacity": 2.0}}}).moe.resolve([4], [])
    assert moe.routing is not None
    assert (moe.preset, moe.routing.segment_capacity, moe.layers) == ("paper", 2.0, [4])
    assert (moe.routing.fusion, moe.gate.stride, moe.routing.segment_lookahead) == ("fixed", 64, True)


def test_a_specification_means_these_layers_of_seven():
    meant = {"all": [*range(7)], "last:1": [6], "last:3": [4, 5, 6], "last:7": [*range(7)], "3": [3], "5,1": [1, 5]}
    meant |= {"every:1": [*range(7)], "every:2": [0, 2, 4, 6], "every:3": [0, 3, 6], "every:5": [1, 6], "every:7": [6]}
    assert {spec: resolve_layers(spec, 7) for spec in meant} == meant
    assert (resolve_layers([5], 7), resolve_layers([4, 0], 7)) == ([5], [0, 4])


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        *((spec, f"'{spec}' outside the base's 7 layers") for spec in ("last:0", "last:8", "every:0", "every:8")),
        ([7], r"\[7\] outside the base's layers 0\.\.6"),
        ([9, 3, -2], r"\[9, -2\] outside the base's layers 0\.\.6"),
        ([], "the list is empty"),
        ("0,4,0", r"\[0\] given twice; name each layer once"),
        *(
            (spec, f"'{spec}' is not all, last:N, every:N or a list of indices")
            for spec in ("", "none", "last", "last:", "last:two", "last:-1", "first:2", ",", "ALL", "last:1.5")
        ),
    ],
)
def test_layers_outside_the_base_are_refused_with_its_range_and_nonsense_with_what_is_known(spec, problem):
    with pytest.raises(ConfigError, match=rf"moe\.experts\.layers: {problem}"):
        resolve_layers(spec, 7)


def test_a_rank_above_what_the_base_is_wide_is_refused():
    at_most, above = (validate_recipe({"moe": {"experts": {"type": "lora", "rank": rank}}}).moe for rank in (32, 33))
    assert at_most.resolve_on(tiny_base_config(), []).experts.rank == 32
    with pytest.raises(ConfigError, match=r"^moe\.experts\.rank: 33 must be between 1 and 32, as wide as"):
        above.resolve_on(tiny_base_config(), [])
