"""metrics.json of a run: its keys are frozen."""

import pytest

from multipl_moe.runs.result import RunResult

_KEYS = {"tokens", "seconds", "parameters", "languages", "against", "means", "frozen_sha256", "routing", "seed"} | {
    "learning_rate",
    "warnings",
}


def test_keys_are_frozen_and_come_back(metrics, tmp_path):
    values = metrics.to_json()
    assert set(values) == _KEYS | {"environment", "router_health", "sentence"}
    assert next(iter(values)) == "sentence"
    assert set(values["parameters"]) == {"total", "active", "trained"}
    for row in values["languages"].values():
        assert set(row) == {"title", "role", "bpb_before", "bpb_after", "change", "interval", "files", "bytes"}
    for row in values["means"].values():
        assert set(row) == {"change", "interval"}
    metrics.write(tmp_path / "metrics.json")
    assert RunResult.read(tmp_path / "metrics.json") == metrics


def test_values_are_those_of_the_run(metrics):
    assert (metrics.tokens, metrics.seconds, metrics.seed) == (12_345, 67.0, 4711)
    assert metrics.frozen_sha256 == "ab" * 32
    roles = {name: row.role for name, row in metrics.languages.items()}
    assert roles == {"rust": "learn", "cpp": "learn", "python": "keep", "english": "keep"}
    assert metrics.languages["rust"].to_json() == {
        "title": "Rust",
        "role": "learn",
        "bpb_before": 2.0,
        "bpb_after": 1.6,
        "change": pytest.approx(-0.2),
        "interval": [pytest.approx(-0.2)] * 2,
        "files": 3,
        "bytes": 300,
    }
