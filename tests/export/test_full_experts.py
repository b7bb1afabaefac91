"""Low-rank experts written out as full ones compute the same, as a hybrid that loads like any other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.export.folder import ExportSettings, export_model
from tests.conftest import random_tokens

from .conftest import refuse, save_hybrid


def _logits(folder: Path) -> torch.Tensor:
    model: Any = load_hybrid(folder).eval()
    with torch.no_grad():
        return model(input_ids=random_tokens(2, 40)).logits


@pytest.mark.parametrize(
    ("preset", "family"), [("token-only", "llama"), ("gated", "llama"), ("causal", "phi3"), ("paper", "starcoder2")]
)
def test_full_experts_give_the_logits_of_the_low_rank_ones(tmp_path, preset, family):
    lora = save_hybrid(tmp_path / "lora", preset, family, type="lora", rank=4, alpha=3.0)
    export_model(lora, tmp_path / "full", ExportSettings(full_experts=True))
    torch.testing.assert_close(_logits(tmp_path / "full"), _logits(lora), rtol=0, atol=1e-4)
    experts: Any = load_hybrid(tmp_path / "full").hybrid_layers[1].experts
    assert experts.down_proj.shape[1:] == (32, 48)
    assert not torch.equal(experts.down_proj[0], experts.down_proj[1])
    untouched = {name: value for name, value in load_file(lora / "model.safetensors").items() if "experts." not in name}
    found = load_file(tmp_path / "full" / "model.safetensors")
    assert len(untouched) > 10
    assert all(torch.equal(value, found[name]) for name, value in untouched.items())


def test_experts_that_no_router_chooses_or_that_are_merged_have_no_full_form(tmp_path):
    single = save_hybrid(tmp_path / "single", "gated-single", type="lora")
    refuse(single, ConfigError, "--full-experts: .* that routers choose from; leave it out", full_experts=True)
    lora, why = save_hybrid(tmp_path / "lora", type="lora"), "--full-experts: --merge folds the experts as they are"
    refuse(lora, ConfigError, why, full_experts=True, corpus=tmp_path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_expert_is_summed_before_it_is_rounded(tmp_path, dtype):
    lora = save_hybrid(tmp_path / "lora", type="lora", rank=4, alpha=3.0)
    export_model(lora, tmp_path / "full", ExportSettings(full_experts=True, dtype=dtype, max_shard_bytes=30_000))
    assert len(list((tmp_path / "full").glob("*.safetensors"))) > 1
    before: Any = load_hybrid(lora).hybrid_layers[2]
    after: Any = load_hybrid(tmp_path / "full").hybrid_layers[2].experts
    for expert in range(6):
        factors = before.experts.down_proj_b[expert].double() @ before.experts.down_proj_a[expert].double()
        expected = (before.shared_expert.down_proj.weight.double() + 3 / 4 * factors).float().to(dtype)
        torch.testing.assert_close(
            after.down_proj[expert], expected, rtol=2**-7 if dtype == torch.bfloat16 else 1e-5, atol=1e-6
        )
        assert torch.equal(after.down_proj_bias[expert], before.shared_expert.down_proj.bias.to(dtype))


def test_a_sum_too_large_for_the_dtype_is_refused_and_leaves_nothing(tmp_path):
    model = load_hybrid(save_hybrid(tmp_path / "lora", type="lora", rank=4, alpha=3.0))
    with torch.no_grad():
        model.hybrid_layers[1].experts.get_parameter("down_proj_b").mul_(5e4)
        model.hybrid_layers[1].experts.get_parameter("down_proj_a").mul_(100)
    model.save_pretrained(tmp_path / "large")
    why = r"float16 cannot hold model\.layers\.1\.mlp\.experts\.down_proj"
    refuse(tmp_path / "large", OutputError, why, full_experts=True, dtype=torch.float16)
