"""Loops of one's own: the page's code as written, what is frozen, calibrated and logged, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, Trainer

import multipl_moe
from multipl_moe import HybridCallback, calibrate_routing, freeze_base, measure_router_health
from multipl_moe.errors import ConfigError
from multipl_moe.model.parameters import trained_names
from tests.conftest import random_tokens, tiny_base_config, tiny_hybrid
from tests.train.tiny import trainer_arguments

_PAGE = Path(__file__).parents[2] / "docs" / "own-loop.md"
_CODE = re.findall(r"^```python\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
_LOADS = {f"{kind}_load_{end}" for kind in ("token", "segment") for end in ("min", "max")}


@pytest.fixture
def calibration() -> list[dict[str, Tensor]]:
    return [{"input_ids": random_tokens(8, 40, seed=seed)} for seed in (10, 11)]


def _thresholds(model: Any) -> list[Tensor]:
    return [layer.segment_threshold.clone() for layer in model.hybrid_layers.values()]


def _calibrated(model: Any, batches: list[dict[str, Tensor]]) -> bool:
    """Whether calibration on these batches leaves the first hybrid layer, whose input no routing changes, as it is."""
    before = _thresholds(model)[0]
    calibrate_routing(model, batches)
    return torch.equal(before, _thresholds(model)[0])


def _trainer(folder: Path, model: Any, callbacks: list[Any], **arguments: Any) -> Trainer:
    settings = trainer_arguments(folder, **{"max_steps": 4, "learning_rate": 1e-2, "logging_steps": 2} | arguments)
    rows: Any = [{"input_ids": row, "labels": row} for row in random_tokens(8, 22)]
    return Trainer(model, settings, train_dataset=rows, callbacks=callbacks)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the page supposes it, where its programs run."""
    tiny_hybrid().save_pretrained(tmp_path / "runs" / "hybrid")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def test_the_code_of_the_page_runs_as_written_and_trains_what_it_says(runs: Path, calibration: Any):
    names: dict[str, Any] = {"rows": random_tokens(32, 22), "calibration": calibration}
    assert len(_CODE) == 4
    for block in _CODE:
        exec(block, names)
    before = tiny_hybrid()
    trained = trained_names(before)
    for folder in ("own-loop", "trainer/model"):
        after: Any = AutoModelForCausalLM.from_pretrained(runs / folder)
        same = {name for name, p in after.named_parameters() if torch.equal(p, before.get_parameter(name))}
        assert same == {name for name, _ in after.named_parameters()} - trained
        assert _calibrated(after, calibration)
    assert type(names["model"].base_model.model) is multipl_moe.MultiplMoeForCausalLM


@pytest.mark.parametrize(
    "make",
    [
        freeze_base,
        lambda model: _trainer(Path("unused"), model, [HybridCallback([])]),
        lambda model: calibrate_routing(model, []),
        lambda model: measure_router_health(model, []),
    ],
    ids=["freeze_base", "HybridCallback", "calibrate_routing", "measure_router_health"],
)
def test_dense_models_are_refused(make: Any):
    with pytest.raises(ConfigError, match="no hybrid layers"):
        make(AutoModelForCausalLM.from_config(tiny_base_config()))


def test_the_callback_freezes_logs_and_calibrates(tmp_path: Path, calibration: Any, capsys: pytest.CaptureFixture):
    model = tiny_hybrid()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer = _trainer(tmp_path, model, [HybridCallback(calibration)])
    trainer.train()
    same = {name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])}
    assert same == before.keys() - trained_names(model)
    logs = [log for log in trainer.state.log_history if "loss" in log]
    assert [log["step"] for log in logs] == [2, 4]
    for log in logs:
        assert log.keys() >= _LOADS
        assert 0 <= log["token_load_min"] <= 1 <= log["token_load_max"] <= 3
    assert logs[0]["token_load_max"] != logs[1]["token_load_max"]
    assert "segment_load_min" in capsys.readouterr().out
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
    assert _calibrated(model, calibration)


def test_what_was_frozen_before_is_left_as_it_is(tmp_path: Path, calibration: Any):
    model = tiny_hybrid()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("router" in name)
    _trainer(tmp_path, model, [HybridCallback(calibration)]).train()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.named_parameters() if "router" in name}
    assert _calibrated(model, calibration)


def test_adapters_keep_the_thresholds_that_the_checkpoint_has(tmp_path: Path, calibration: Any):
    hybrid = tiny_hybrid()
    before = _thresholds(hybrid)
    model = get_peft_model(hybrid, LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj", "token_router"]))
    _trainer(tmp_path, model, [HybridCallback(calibration)]).train()
    assert all(torch.equal(a, b) for a, b in zip(before, _thresholds(hybrid), strict=True))


def test_a_callback_that_comes_after_the_optimiser_is_refused(tmp_path: Path, calibration: Any):
    trainer = _trainer(tmp_path, tiny_hybrid(), [])
    trainer.add_callback(HybridCallback(calibration))
    with pytest.raises(ConfigError, match=r"callbacks=\[\.\.\.\]"):
        trainer.train()
