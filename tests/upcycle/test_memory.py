"""Promise 5 of design 4: the memory of a conversion is bounded by a few tensors, not by the model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoConfig

NUM_LAYERS, HIDDEN, INTERMEDIATE = 16, 256, 1024
LARGEST_TENSOR = 4 * HIDDEN * INTERMEDIATE

# Growth of the peak over what the process holds after a first, small conversion. The peak is read from /proc: that
# of getrusage begins with the peak of the process that started this one.
SCRIPT = """
import json, sys
from pathlib import Path
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.upcycle.convert import upcycle

def peak():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return 1024 * int(fields["VmHWM"].split()[0])

folder = Path(sys.argv[1])
settings = {"upcycle.verify": False, "moe.preset": "causal", "moe.gate.languages": [],
    "moe.routing.num_token_experts": 2, "moe.routing.num_segment_experts": 1, "upcycle.noise": 0.5}
upcycle(load_recipe(overrides=settings | {"base": str(folder / "small")}), folder / "small_out")
before = peak()
upcycle(load_recipe(overrides=settings | {"base": str(folder / "large")}), folder / "large_out")
print(json.dumps({"growth": peak() - before}))
"""


def save_plain_base(folder: Path, num_layers: int) -> None:
    """A Llama base of random weights, without making the model."""
    config = AutoConfig.for_model(
        "llama",
        vocab_size=64,
        hidden_size=HIDDEN,
        intermediate_size=INTERMEDIATE,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        tie_word_embeddings=True,
    )
    config.save_pretrained(folder)
    tensors = {"model.embed_tokens.weight": torch.randn(64, HIDDEN), "model.norm.weight": torch.ones(HIDDEN)}
    for layer in range(num_layers):
        prefix = f"model.layers.{layer}"
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{name}.weight"] = torch.ones(HIDDEN)
        for name in "qkvo":
            tensors[f"{prefix}.self_attn.{name}_proj.weight"] = torch.randn(HIDDEN, HIDDEN)
        for name in ("gate", "up"):
            tensors[f"{prefix}.mlp.{name}_proj.weight"] = torch.randn(INTERMEDIATE, HIDDEN)
        tensors[f"{prefix}.mlp.down_proj.weight"] = torch.randn(HIDDEN, INTERMEDIATE)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.extended
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_the_memory_of_a_conversion_is_bounded_by_a_few_tensors(tmp_path):
    save_plain_base(tmp_path / "small", 1)
    save_plain_base(tmp_path / "large", NUM_LAYERS)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    growth = json.loads(done.stdout)["growth"]
    base_bytes = (tmp_path / "large" / "model.safetensors").stat().st_size
    output_bytes = (tmp_path / "large_out" / "model.safetensors").stat().st_size
    assert base_bytes > 60 * LARGEST_TENSOR
    assert output_bytes > 160_000_000
    assert growth < 16 * LARGEST_TENSOR, f"{growth / LARGEST_TENSOR:.1f} of the largest tensor"
