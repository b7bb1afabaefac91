"""Settings of the hybrid layer: the presets' values, validation, dict round trip."""

from typing import Any

import pytest

from multipl_moe import PRESETS, MoeConfig
from multipl_moe.errors import ConfigError

_ROUTED = {"num_token_experts": 6, "token_top_k": 2}
_FUSED = {"token_weight": 0.7, "segment_weight": 0.3}
_THRESHOLDS = {"segment_selection": "threshold", "segment_gate_scale": "unit", "fusion": "normalized"}
_SEGMENTS = {"num_segment_experts": 6, "segment_capacity": 1.0, "segment_max_experts": 4}
_SINGLE = PRESETS["single"].to_dict()
_BEFORE = {"segment_window": 64, "segment_stride": 16, "segment_lookahead": False}

_DESIGN: dict[str, dict[str, Any]] = {
    "paper": {
        **_ROUTED,
        **_SEGMENTS,
        **_FUSED,
        "segment_window": 64,
        "segment_stride": 64,
        "segment_lookahead": True,
        "segment_selection": "expert_choice",
        "segment_gate_scale": "window",
        "fusion": "fixed",
    },
    "causal": {**_ROUTED, **_SEGMENTS, **_FUSED, **_BEFORE, **_THRESHOLDS},
    "token-only": {**_ROUTED, "segment_weight": 0.0, "num_segment_experts": 0, "shared_expert_selection": "always"},
    "moe-lpr": {**_ROUTED, "num_segment_experts": 0, "shared_expert_selection": "competes"},
    "single": {
        **_BEFORE,
        **_THRESHOLDS,
        "segment_stride": 8,
        "num_token_experts": 1,
        "num_segment_experts": 1,
        "segment_max_experts": 1,
        "segment_capacity": 1.0,
        "fusion": "fixed",
        "token_weight": 0.0,
        "segment_weight": 1.0,
    },
}


@pytest.mark.parametrize("preset", _DESIGN)
def test_preset_has_the_values_of_the_design(preset: str):
    assert set(PRESETS) == set(_DESIGN)
    assert MoeConfig() == PRESETS["causal"]
    values = PRESETS[preset].to_dict()
    assert {key: values[key] for key in _DESIGN[preset]} == _DESIGN[preset]
    assert values["preset"] == preset
    keys = ("segment_centered", "token_bias_rate", "router_aux_loss_coef", "router_aux_loss_scope")
    published = {
        "paper": [False, 0.0, 0.01, "all"],
        "moe-lpr": [True, 0.5, 0.01, "all"],
        "single": [False, 0.5, 0.0, "routed"],
    }
    assert [values[key] for key in keys] == published.get(preset, [True, 0.5, 0.0, "routed"])
    num_trained = {"causal": 11, "paper": 11, "token-only": 5, "moe-lpr": 5, "single": 1}
    assert PRESETS[preset].num_trained_experts == num_trained[preset]


@pytest.mark.parametrize(
    ("moe", "is_causal", "gate_scale"),
    [
        *((PRESETS[preset], True, 1.0) for preset in PRESETS if preset != "paper"),
        (PRESETS["paper"], False, 1 / 64),
        (MoeConfig(segment_lookahead=True), False, 1.0),
        (MoeConfig(segment_selection="expert_choice"), False, 1.0),
    ],
)
def test_what_is_causal_and_how_gates_are_scaled(moe: MoeConfig, is_causal: bool, gate_scale: float):
    assert (moe.is_causal, moe.segment_gate_factor) == (is_causal, gate_scale)


@pytest.mark.parametrize(
    ("values", "has_choice"),
    [
        ({"num_token_experts": 3, "num_segment_experts": 0}, True),
        ({"num_token_experts": 2, "num_segment_experts": 1}, False),
        ({"num_token_experts": 1, "token_top_k": 1, "num_segment_experts": 2}, True),
        ({"num_token_experts": 1, "token_top_k": 1, "num_segment_experts": 1}, False),
    ],
)
def test_routers_have_a_choice_where_experts_of_a_kind_share_the_work(values: dict[str, Any], has_choice: bool):
    moe = MoeConfig(**values)
    assert moe.has_choice == has_choice
    assert moe.is_routed, "the frozen block has a part in all of them, and so a router"


@pytest.mark.parametrize("preset", PRESETS)
def test_dict_round_trip_keeps_every_value(preset: str):
    moe = MoeConfig.from_preset(preset, layers=[0, 3], router_aux_loss_coef=1)  # a whole number is a number
    assert MoeConfig.from_dict(moe.to_dict()) == moe


def test_all_problems_are_reported_at_once():
    with pytest.raises(ConfigError) as error:
        MoeConfig(
            num_token_experts=2,
            token_top_k=3,
            segment_window=40,
            segment_capacity=0,
            fusion="other",  # type: ignore[arg-type]
            layers=[3, 1],
        )
    keys = [problem.split(":")[0] for problem in error.value.problems]
    assert sorted(keys) == [
        "moe.fusion",
        "moe.layers",
        "moe.segment_capacity",
        "moe.segment_window",
        "moe.token_top_k",
    ]
    assert all(problem in str(error.value) for problem in error.value.problems)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"segment_window": 40}, r"moe\.segment_window: 40 must be a multiple of segment_stride \(16\); use 32"),
        ({"segment_window": 8}, r"moe\.segment_window: 8 must be a multiple of segment_stride \(16\); use 16"),
        ({"segment_stride": 0}, r"moe\.segment_stride: 0 must be at least 1"),
        ({"num_token_experts": 0}, r"moe\.num_token_experts: 0 must be at least 1"),
        ({"token_top_k": 0}, r"moe\.token_top_k: 0 must be between 1 and num_token_experts \(6\)"),
        ({"num_segment_experts": -1}, r"moe\.num_segment_experts: -1"),
        ({"num_token_experts": 1, "token_top_k": 1, "num_segment_experts": 0}, "nothing to train"),
        ({"token_top_k": 1}, "no routed expert would ever learn"),
        ({"segment_capacity": 6.0, "segment_max_experts": 2}, r"more than segment_max_experts \(2\) lets any have"),
        ({"segment_max_experts": 0}, r"moe\.segment_max_experts: 0 must be at least 1"),
        ({"segment_capacity": 7.0}, r"moe\.segment_capacity: 7\.0"),
        ({"num_segment_experts": 1, "segment_capacity": 0.5}, r"moe\.segment_capacity: 0\.5 with one segment expert"),
        ({"token_weight": -0.1}, "must not be negative"),
        ({"token_weight": 0.0}, "without an output"),
        (_SINGLE | {"num_segment_experts": 4}, "begin with another preset than single"),
        (_SINGLE | {"num_token_experts": 4, "token_top_k": 2}, "begin with another preset than single"),
        (_SINGLE | {"segment_gate_scale": "window"}, "begin with another preset than single"),
        ({"domain_gate_start": 1.1}, r"moe\.domain_gate_start: 1\.1 must be between 0 and 1"),
        ({"domain_gate_bound": -0.1}, r"moe\.domain_gate_bound: -0\.1 must be between 0 and 1"),
        ({"router_aux_loss_coef": -1.0}, r"moe\.router_aux_loss_coef: -1\.0"),
        ({"layers": [1, 1]}, r"moe\.layers: \[1, 1\]"),
        ({"layers": [-1]}, r"moe\.layers: \[-1\]"),
        ({"expert_type": "qlora"}, r"moe\.expert_type: 'qlora' is not one of full, lora"),
        ({"expert_rank": 0}, r"moe\.expert_rank: 0 must be at least 1"),
        ({"expert_alpha": 0.0}, r"moe\.expert_alpha: 0.0 must be above 0"),
        ({"segment_gate_scale": "x"}, r"moe\.segment_gate_scale: 'x' is not one of window, unit"),
    ],
)
def test_a_bad_value_is_refused_with_key_value_and_remedy(values: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        MoeConfig(**values)


def test_unknown_keys_and_wrong_types_are_all_named_at_once():
    with pytest.raises(ConfigError) as error:
        MoeConfig.from_dict({"num_experts": 3, "windows": 64, "layers": None})
    unknown = ["moe.num_experts: unknown key", "moe.windows: unknown key"]
    assert error.value.problems == [*unknown, "moe.layers: None must be a list of whole numbers"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"token_top_k": "2"}, "moe.token_top_k: '2' must be a whole number"),
        ({"token_top_k": 2.0}, "moe.token_top_k: 2.0 must be a whole number"),
        ({"expert_rank": True}, "moe.expert_rank: True must be a whole number"),
        ({"segment_lookahead": 0}, "moe.segment_lookahead: 0 must be true or false"),
        ({"token_weight": None}, "moe.token_weight: None must be a number"),
        ({"preset": 1}, "moe.preset: 1 must be text"),
        ({"layers": None}, "moe.layers: None must be a list of whole numbers"),
        ({"layers": [0, "1"]}, "moe.layers: [0, '1'] must be a list of whole numbers"),
        ({"fusion": None}, "moe.fusion: None is not one of fixed, normalized"),
    ],
)
def test_a_value_of_another_type_is_refused(values: dict[str, Any], message: str):
    with pytest.raises(ConfigError) as error:
        MoeConfig.from_dict(values)
    assert error.value.problems == [message]


def test_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"moe\.preset: 'causl' is not one of causal, paper"):
        MoeConfig.from_preset("causl")


def test_a_stored_configuration_without_alpha_keeps_differences_unscaled_and_a_new_one_has_alpha_16():
    new = MoeConfig.from_preset("single", expert_type="lora", expert_rank=64)
    assert (new.expert_alpha, new.expert_scale) == (16, 0.25)
    assert MoeConfig.from_dict(new.to_dict()) == new
    old = {key: value for key, value in new.to_dict().items() if key != "expert_alpha"}
    assert (MoeConfig.from_dict(old).expert_alpha, MoeConfig.from_dict(old).expert_scale) == (64, 1)
