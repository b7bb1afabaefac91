"""Peak memory of converting a base of 2 GB or more, random weights, above an empty interpreter with torch.

    python benchmarks/upcycle.py [--quick] [--output FILE.json]

Target: at most 1 GB (promise 5: conversion streams). Needs about 8 GB of disk for a moment.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from harness import Target, options_parser, print_table, record
from transformers import LlamaConfig

from multipl_moe.checkpoints.tensors import TensorPlan, write_checkpoint

_HIDDEN, _INTERMEDIATE, _VOCABULARY = 2048, 8192, 32_000
_MAX_BYTES = 1e9
# As harness.peak_resident_bytes, without its imports.
_PEAK = "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024)"
_EMPTY = f"import torch; {_PEAK}"
_CONVERT = f"""
import sys
from pathlib import Path
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.upcycle.convert import upcycle
recipe = load_recipe(None, {{
    "base": sys.argv[1],
    "moe.preset": "causal",
    "moe.gate.languages": [],
    "moe.experts.layers": "last:4",
    "upcycle.verify": False,
}})
upcycle(recipe, Path(sys.argv[2]))
{_PEAK}
"""


def write_random_base(folder: Path, num_layers: int) -> int:
    """A Llama base in bfloat16, streamed to disk; returns its bytes."""
    hidden, intermediate, vocabulary = _HIDDEN, _INTERMEDIATE, _VOCABULARY
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=num_layers,
        num_attention_heads=16,
        vocab_size=vocabulary,
        dtype="bfloat16",
    )
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, hidden),
        "model.norm.weight": (hidden,),
    }
    shapes["lm_head.weight"] = (vocabulary, hidden)
    for layer in range(num_layers):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
        shapes |= {f"{prefix}mlp.{name}_proj.weight": (intermediate, hidden) for name in ("gate", "up")}
        shapes[f"{prefix}mlp.down_proj.weight"] = (hidden, intermediate)
        shapes |= {f"{prefix}{name}_layernorm.weight": (hidden,) for name in ("input", "post_attention")}
    plans = [
        TensorPlan(name, shape, torch.bfloat16, lambda shape=shape: [torch.randn(shape, dtype=torch.bfloat16)])
        for name, shape in shapes.items()
    ]
    folder.mkdir()
    config.save_pretrained(folder)
    write_checkpoint(plans, folder)
    return sum(plan.num_bytes for plan in plans)


def peak_bytes(script: str, *options: str) -> int:
    """Peak resident memory of a fresh interpreter that runs `script`."""
    done = subprocess.run([sys.executable, "-c", script, *options], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    parser = options_parser(__doc__, quick="a smaller base")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        base, hybrid = Path(work) / "base", Path(work) / "hybrid"
        base_bytes = write_random_base(base, num_layers=4 if options.quick else 16)
        empty = peak_bytes(_EMPTY)
        begin = time.perf_counter()
        peak = peak_bytes(_CONVERT, str(base), str(hybrid))
        seconds = time.perf_counter() - begin
        hybrid_bytes = sum(file.stat().st_size for file in hybrid.iterdir())
    results = {
        "base_bytes": base_bytes,
        "hybrid_bytes": hybrid_bytes,
        "seconds": seconds,
        "peak_bytes": peak,
        "empty_interpreter_bytes": empty,
    }
    rows = [
        [name, f"{value / 1e9:,.2f} GB" if name != "seconds" else f"{value:,.0f} s"] for name, value in results.items()
    ]
    print_table("Conversion", ["", ""], rows)
    targets = [Target("peak bytes above an empty interpreter with torch", peak - empty, _MAX_BYTES, at_least=False)]
    record("upcycle", results, targets, repeats=1, options=options)


if __name__ == "__main__":
    main()
