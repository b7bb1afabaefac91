"""metrics.json: its keys are frozen."""

import json

import pytest

_DESIGN_KEYS = {"tokens", "seconds", "parameters", "languages"}
_ADDED_KEYS = {"against", "means", "frozen_sha256", "router_health", "routing", "seed", "environment"}
_DESIGN_LANGUAGE_KEYS = {"role", "bpb_before", "bpb_after", "interval"}
_ADDED_LANGUAGE_KEYS = {"title", "change", "files", "bytes"}


def test_keys_are_those_of_the_design_and_the_frozen_additions(metrics):
    assert set(metrics) == _DESIGN_KEYS | _ADDED_KEYS
    assert set(metrics["parameters"]) == {"total", "active", "trained"}
    for row in metrics["languages"].values():
        assert set(row) == _DESIGN_LANGUAGE_KEYS | _ADDED_LANGUAGE_KEYS
    for row in metrics["means"].values():
        assert set(row) == {"change", "interval"}


def test_content_is_json(metrics):
    read = json.loads(json.dumps(metrics))
    assert read["languages"] == metrics["languages"]
    assert read["means"] == metrics["means"]


def test_values_are_those_of_the_run(metrics):
    assert (metrics["tokens"], metrics["seconds"], metrics["seed"]) == (12_345, 67.0, 4711)
    assert metrics["frozen_sha256"] == "ab" * 32
    assert list(metrics["languages"]) == ["rust", "cpp", "python", "english"]
    rust = metrics["languages"]["rust"]
    assert rust["role"] == "learn"
    assert (rust["bpb_before"], rust["bpb_after"]) == (2.0, 1.6)
    assert rust["change"] == pytest.approx(-0.2)
    assert rust["interval"] == [pytest.approx(-0.2), pytest.approx(-0.2)]
    assert (rust["files"], rust["bytes"]) == (3, 300)
    assert {name: row["role"] for name, row in metrics["languages"].items()} == {
        "rust": "learn",
        "cpp": "learn",
        "python": "keep",
        "english": "keep",
    }
