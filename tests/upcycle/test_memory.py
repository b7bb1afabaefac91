"""Promise 5 of design 4: the memory of a conversion is bounded by a few tensors, not by the model."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.upcycle.conftest import save_base

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


@pytest.mark.extended
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak of memory from /proc")
def test_the_memory_of_a_conversion_is_bounded_by_a_few_tensors(tmp_path):
    sizes: dict[str, Any] = {"hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_key_value_heads": 4}
    for name, num_layers in (("small", 1), ("large", NUM_LAYERS)):
        save_base(tmp_path / name, num_hidden_layers=num_layers, vocab_size=64, **sizes)
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    growth = json.loads(done.stdout)["growth"]
    base_bytes = (tmp_path / "large" / "model.safetensors").stat().st_size
    output_bytes = (tmp_path / "large_out" / "model.safetensors").stat().st_size
    assert base_bytes > 60 * LARGEST_TENSOR
    assert output_bytes > 160_000_000
    assert growth < 16 * LARGEST_TENSOR, f"{growth / LARGEST_TENSOR:.1f} of the largest tensor"
