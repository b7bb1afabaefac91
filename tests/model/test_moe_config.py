"""Settings of the hybrid layer: the presets' values, validation, dict round trip."""

import math
from typing import Any

import pytest

from multipl_moe import PRESETS, MoeConfig
from multipl_moe.errors import ConfigError
from tests.conftest import changed_moe

_ROUTED = {"num_token_experts": 6, "token_top_k": 2, "token_weight": 0.7}
_SEGMENTS = {"num_segment_experts": 6, "segment_capacity": 1.0, "segment_max_experts": 4, "segment_window": 64}
_BALANCED = {"token_bias_rate": 0.5, "router_aux_loss_coef": 0.0, "router_aux_loss_scope": "routed"}
_DESIGN: dict[str, tuple[int, int, dict[str, Any] | None]] = {  # stride, trained experts, and what routes
    "paper": (64, 11, _ROUTED | _SEGMENTS | {
        "segment_weight": 0.3, "segment_lookahead": True, "segment_selection": "expert_choice",
        "segment_centered": False, "segment_gate_scale": "window", "fusion": "fixed",
        "token_bias_rate": 0.0, "router_aux_loss_coef": 0.01, "router_aux_loss_scope": "all",
    }),
    "causal": (16, 11, _ROUTED | _SEGMENTS | _BALANCED | {
        "segment_weight": 0.3, "segment_lookahead": False, "segment_selection": "threshold",
        "segment_centered": True, "segment_gate_scale": "unit", "fusion": "normalized",
    }),
    "token-only": (16, 5, _ROUTED | _BALANCED | {"segment_weight": 0.0, "num_segment_experts": 0}),
    "single": (8, 1, None),
    "pack": (8, 1, None),
}  # fmt: skip


@pytest.mark.parametrize("preset", _DESIGN)
def test_preset_has_the_values_of_the_design(preset: str):
    assert set(PRESETS) == set(_DESIGN)
    assert MoeConfig() == PRESETS["single"]
    (stride, num_trained, wanted), moe = _DESIGN[preset], PRESETS[preset]
    values = moe.to_dict()
    assert (values["preset"], moe.gate.stride, moe.num_trained_experts) == (preset, stride, num_trained)
    routing = values["routing"]
    assert (routing and {key: routing[key] for key in wanted or ()}) == wanted


@pytest.mark.parametrize(
    ("moe", "is_causal"),
    [
        *((PRESETS[preset], preset != "paper") for preset in PRESETS),
        (changed_moe(PRESETS["causal"], segment_lookahead=True), False),
        (changed_moe(PRESETS["causal"], segment_selection="expert_choice"), False),
    ],
)
def test_what_is_causal(moe: MoeConfig, is_causal: bool):
    assert moe.is_causal == is_causal


@pytest.mark.parametrize(("tokens", "segments", "has_choice"), [(3, 0, True), (2, 1, False), (1, 2, True)])
def test_routers_have_a_choice_where_experts_of_a_kind_share_the_work(tokens: int, segments: int, has_choice: bool):
    values = {"num_token_experts": tokens, "token_top_k": min(tokens, 2), "num_segment_experts": segments}
    assert changed_moe(PRESETS["causal"], **values).has_choice == has_choice


@pytest.mark.parametrize("preset", PRESETS)
def test_dict_round_trip_keeps_every_value(preset: str):
    moe = changed_moe(PRESETS[preset], layers=[0, 3], alpha=1)  # a whole number is a number
    assert MoeConfig.from_dict(moe.to_dict()) == moe


def test_all_problems_are_reported_at_once():
    wrong = {"token_top_k": 7, "segment_window": 40, "segment_capacity": 0, "fusion": "other"}
    with pytest.raises(ConfigError) as error:
        changed_moe(PRESETS["causal"], **wrong, layers=[3, 1])
    keys = sorted(problem.split(":")[0] for problem in error.value.problems)
    assert keys == ["moe.experts.layers", *sorted(f"moe.routing.{key}" for key in wrong)]
    assert all(problem in str(error.value) for problem in error.value.problems)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"segment_window": 40}, r"routing\.segment_window: 40 must be a multiple of moe\.gate\.stride \(16\); use 32"),
        ({"segment_window": 8}, r"routing\.segment_window: 8 must be a multiple of moe\.gate\.stride \(16\); use 16"),
        ({"stride": 0}, r"gate\.stride: 0 must be at least 1"),
        ({"num_token_experts": 0}, r"routing\.num_token_experts: 0 must be at least 1"),
        ({"token_top_k": 0}, r"routing\.token_top_k: 0 must be between 1 and num_token_experts \(6\)"),
        ({"num_segment_experts": -1}, r"routing\.num_segment_experts: -1"),
        ({"num_token_experts": 1, "token_top_k": 1, "num_segment_experts": 0}, "nothing to train"),
        ({"token_top_k": 1}, "no routed expert would ever learn"),
        ({"segment_capacity": 6.0, "segment_max_experts": 2}, r"more than segment_max_experts \(2\) lets any have"),
        ({"segment_max_experts": 0}, r"routing\.segment_max_experts: 0 must be at least 1"),
        ({"segment_capacity": 7.0}, r"routing\.segment_capacity: 7\.0"),
        ({"num_segment_experts": 1, "segment_capacity": 0.5}, r"segment_capacity: 0\.5 with one segment expert"),
        ({"segment_weight": -0.1}, "not negative"),
        ({"token_weight": 0.0}, "must be above 0"),
        ({"segment_weight": math.nan}, r"routing\.segment_weight: nan must be a finite number"),
        ({"token_bias_rate": math.inf}, r"routing\.token_bias_rate: inf must be a finite number"),
        ({"start": 1.1}, r"gate\.start: 1\.1 must be between 0 and 1"),
        ({"bound": 0.6}, r"gate\.bound: 0\.6 must be between 0 and 0\.5"),
        ({"pairs": 10**12}, r"gate\.pairs: 1000000000000 must be between 1 and 16777216"),
        ({"router_aux_loss_coef": -1.0}, r"routing\.router_aux_loss_coef: -1\.0"),
        ({"layers": [-1]}, r"experts\.layers: \[-1\]"),
        ({"first_share": 1.5}, r"gate\.first_share: 1.5 must be between 0 and 1"),
        ({"layers": [1, 1]}, r"experts\.layers: \[1, 1\]"),
        ({"type": "qlora"}, r"experts\.type: 'qlora' is not one of full, lora"),
        ({"rank": 0}, r"experts\.rank: 0 must be at least 1"),
        ({"alpha": 0.0}, r"experts\.alpha: 0.0 must be above 0"),
        ({"alpha": math.nan}, r"experts\.alpha: nan must be above 0, and a number"),
        ({"alpha": 1e300}, r"experts\.alpha: 1e\+300 must be above 0, and a number"),
        ({"type": "lora", "targets": "all"}, r"experts\.targets: all is for low-rank experts without routers"),
        ({"first_dropout": 0.5}, r"gate\.first_dropout: is for low-rank experts without routers"),
        ({"segment_gate_scale": "x"}, r"routing\.segment_gate_scale: 'x' is not one of window, unit"),
    ],
)
def test_a_bad_value_is_refused_with_key_value_and_remedy(values: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=rf"moe\..*{message}"):
        changed_moe(PRESETS["causal"], **values)


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("single", {"routing": {"segment_window": 8}}, r"routing\.segment_window: preset single has no routers"),
        ("pack", {"experts": {"type": "full"}}, r"experts\.type: .*; for a full one take moe\.preset single"),
        ("causl", {}, r"preset: 'causl' is not one of causal, paper"),
    ],
)
def test_presets_that_are_not_there_and_settings_that_are_not_of_one_are_refused(preset, settings, message):
    with pytest.raises(ConfigError, match=rf"moe\.{message}") as refused:
        MoeConfig.from_preset(preset, **settings)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({"num_experts": 3, "windows": 64}, ["num_experts: unknown key", "windows: unknown key"]),
        (
            {"gate": {"strid": 8}, "experts": {"layers": None}},
            ["gate.strid: unknown key", "experts.layers: None must be a list of whole numbers"],
        ),
        ({"routing": {"token_top_k": "2"}}, ["routing.token_top_k: '2' must be a whole number"]),
        ({"experts": {"rank": True}}, ["experts.rank: True must be a whole number"]),
        ({"routing": {"segment_lookahead": 0}}, ["routing.segment_lookahead: 0 must be true or false"]),
        ({"routing": {"token_weight": None}}, ["routing.token_weight: None must be a number"]),
        ({"preset": 1}, ["preset: 1 must be text"]),
        ({"experts": {"layers": [0, "1"]}}, ["experts.layers: [0, '1'] must be a list of whole numbers"]),
        ({"routing": {"fusion": None}}, ["routing.fusion: None is not one of fixed, normalized"]),
        ({"gate": 3}, ["gate: 3 must be an object with settings"]),
    ],
)
def test_unknown_keys_and_values_of_another_type_are_all_named_at_once(values: dict[str, Any], problems: list[str]):
    with pytest.raises(ConfigError) as error:
        MoeConfig.from_dict(values)
    assert error.value.problems == [f"moe.{problem}" for problem in problems]


@pytest.mark.parametrize(
    ("values", "commit"),
    [
        ({"domain_gate": ["rust"]}, "0dd39d2"),
        ({"gate": {"languages": ["rust"]}}, "2a2af50"),
    ],
)
def test_settings_of_older_versions_are_refused_with_the_one_that_reads_them(values: dict[str, Any], commit: str):
    with pytest.raises(ConfigError, match=f"the last is commit {commit}"):
        MoeConfig.from_dict(values)


def test_low_rank_differences_are_scaled_by_alpha_over_rank():
    assert MoeConfig.from_preset("single", experts={"type": "lora", "rank": 64}).experts.scale == 16 / 64
