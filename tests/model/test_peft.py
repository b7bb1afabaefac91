"""Adapters of peft on a hybrid: what was trained, saved and loaded on a fresh copy computes the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM

from multipl_moe.model import hybrid
from tests.conftest import random_tokens, tiny_hybrid

_ADAPTERS: dict[str, dict[str, Any]] = {
    "attention": {"target_modules": ["q_proj", "v_proj"]},
    "all-linear": {"target_modules": "all-linear"},
    "experts": {"target_modules": [], "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]},
    "routers": {"target_modules": ["token_router", "segment_router"]},
    "whole routers": {"target_modules": ["q_proj"], "modules_to_save": ["token_router", "segment_router"]},
    "whole hybrid layers": {"target_modules": ["q_proj"], "modules_to_save": ["mlp"]},
}
_ON_LOW_RANK = {"target_modules": [], "target_parameters": ["experts.gate_up_proj_b", "experts.down_proj_b"]}
_CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    **{name: ("full", adapter, False) for name, adapter in _ADAPTERS.items()},
    "all-linear beside low-rank experts": ("lora", _ADAPTERS["all-linear"], False),
    "low-rank experts": ("lora", _ON_LOW_RANK, False),
    "low-rank experts as on other devices": ("lora", _ON_LOW_RANK, True),
    "experts as on other devices": ("full", _ADAPTERS["experts"], True),
}


def _train(model: Any) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-2)
    model.train()
    for seed in range(3):
        tokens = random_tokens(3, 21, seed=seed)
        optimizer.zero_grad()
        model(input_ids=tokens, labels=tokens).loss.backward()
        optimizer.step()
    model.eval()


@torch.no_grad()
def _logits(model: Any) -> torch.Tensor:
    return model(input_ids=random_tokens(2, 20, seed=9)).logits


@pytest.mark.parametrize(("expert_type", "adapter", "places"), _CASES.values(), ids=_CASES)
def test_adapters_loaded_on_a_fresh_hybrid_or_merged_give_what_was_trained(
    tmp_path: Path, expert_type: str, adapter: dict[str, Any], places: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hybrid, "takes_places", lambda device: places)
    base = tiny_hybrid(type=expert_type)
    base.save_pretrained(tmp_path / "base")
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", r=4, **adapter))
    fresh = _logits(model.eval())
    _train(model)
    trained = _logits(model)
    assert (trained - fresh).abs().max() > 0.1
    model.save_pretrained(str(tmp_path / "adapter"))

    again: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    loaded: Any = PeftModel.from_pretrained(again, tmp_path / "adapter").eval()
    torch.testing.assert_close(_logits(loaded), trained, rtol=0, atol=1e-6)
    loaded.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(_logits(merged), trained, rtol=0, atol=1e-4)


@pytest.mark.parametrize("adapter", ["attention", "routers", "whole routers"])
def test_thresholds_stay_as_stored_where_no_adapter_file_would_hold_them(adapter: str):
    model: Any = get_peft_model(tiny_hybrid(), LoraConfig(task_type="CAUSAL_LM", r=4, **_ADAPTERS[adapter]))
    before = {name: buffer.clone() for name, buffer in model.named_buffers() if ".mlp." in name}
    _train(model)
    after = dict(model.named_buffers())
    assert len(before) >= 2
    assert all(torch.equal(after[name], buffer) for name, buffer in before.items())


def test_prefix_tuning_is_refused_with_what_works_instead():
    model: Any = get_peft_model(tiny_hybrid(), PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    tokens = random_tokens(2, 13)
    with pytest.raises(ValueError, match=r"prefix tuning.*PromptTuningConfig"):
        model(input_ids=tokens, labels=tokens)
