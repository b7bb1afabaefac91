"""metrics.json of a run: its keys are frozen."""

import json

import pytest

_KEYS = {"tokens", "seconds", "parameters", "languages", "against", "means", "frozen_sha256", "routing", "seed"} | {
    "learning_rate",
    "warnings",
}


def test_keys_are_frozen(metrics):
    assert set(metrics) == _KEYS | {"environment", "router_health", "sentence"}
    assert set(metrics["parameters"]) == {"total", "active", "trained"}
    for row in metrics["languages"].values():
        assert set(row) == {"title", "role", "bpb_before", "bpb_after", "change", "interval", "files", "bytes"}
    for row in metrics["means"].values():
        assert set(row) == {"change", "interval"}
    read = json.loads(json.dumps(metrics))
    assert (read["languages"], read["means"]) == (metrics["languages"], metrics["means"])


def test_values_are_those_of_the_run(metrics):
    assert (metrics["tokens"], metrics["seconds"], metrics["seed"]) == (12_345, 67.0, 4711)
    assert metrics["frozen_sha256"] == "ab" * 32
    roles = {name: row["role"] for name, row in metrics["languages"].items()}
    assert roles == {"rust": "learn", "cpp": "learn", "python": "keep", "english": "keep"}
    assert metrics["languages"]["rust"] == {
        "title": "Rust",
        "role": "learn",
        "bpb_before": 2.0,
        "bpb_after": 1.6,
        "change": pytest.approx(-0.2),
        "interval": [pytest.approx(-0.2)] * 2,
        "files": 3,
        "bytes": 300,
    }
