"""A training step of the demo's model against the same step with dense feed-forward blocks of the same active FLOPs.

    python benchmarks/train_step.py [--quick] [--output FILE.json]

In each hybrid layer of the dense counterpart the frozen block of the base stands beside one trained block as wide as
all the experts that a token visits (one routed, one segment expert on average). Steps are forward, backward, clipping
and optimiser, in the demo's shapes and precision. Target: >= 0.8 of the dense counterpart's tokens/s.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import Target, in_fresh_process, interleave, median_ratio, print_table, record
from torch import Tensor, nn
from transformers import AutoModel

from multipl_moe.allocator import keep_freed_memory
from multipl_moe.demo import DEMO_RECIPE
from multipl_moe.loading import load_hybrid
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe import load_recipe
from multipl_moe.train.methods import prepare
from multipl_moe.train.settings import attention_implementation, compute_dtype
from multipl_moe.upcycle.convert import upcycle

_MIN_RATIO = 0.8


class DenseCounterpart(nn.Module):
    """The frozen block of the base plus a trained one of `width` intermediate units."""

    def __init__(self, shared_expert: nn.Module, hidden_size: int, width: int) -> None:
        super().__init__()
        self.shared_expert = shared_expert
        self.gate_proj = nn.Linear(hidden_size, width, bias=False)
        self.up_proj = nn.Linear(hidden_size, width, bias=False)
        self.down_proj = nn.Linear(width, hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        trained = self.down_proj(nn.functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return self.shared_expert(x) + trained


class DenseModel(nn.Module):
    """The base with a `DenseCounterpart` in place of each hybrid block; only those counterparts train."""

    def __init__(self, hybrid: MultiplMoeForCausalLM) -> None:
        super().__init__()
        config, moe = hybrid.config.base_config, hybrid.config.moe_config
        self.model = AutoModel.from_config(config, dtype=hybrid.dtype)
        self.lm_head = hybrid.lm_head
        self.loss_function = hybrid.loss_function
        self.requires_grad_(False)
        width = round((moe.token_top_k - 1 + moe.segment_capacity) * config.intermediate_size)
        for index in moe.layers:
            layer = self.model.layers[index]
            layer.mlp = DenseCounterpart(layer.mlp, config.hidden_size, width)

    def forward(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        logits = self.lm_head(self.model(input_ids=input_ids, use_cache=False).last_hidden_state)
        return self.loss_function(logits=logits, labels=labels, vocab_size=logits.shape[-1])


def training_step(model: nn.Module, loss: Callable[[], Tensor], dtype: torch.dtype) -> Callable[[], None]:
    """A whole step of the Trainer: forward, backward, clipping, optimiser."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    model.train()

    def step() -> None:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def measure(repeats: int) -> dict[str, Any]:
    """Timings of both steps, in this process."""
    keep_freed_memory()
    recipe = load_recipe(None, DEMO_RECIPE | {"upcycle.verify": False})
    with tempfile.TemporaryDirectory() as work:
        upcycle(recipe, Path(work) / "hybrid")
        hybrid = load_hybrid(Path(work) / "hybrid")
    dense, dtype = DenseModel(hybrid), compute_dtype(recipe)
    prepare(hybrid, recipe)
    hybrid.set_attn_implementation(attention_implementation(recipe))
    dense.model.set_attn_implementation(attention_implementation(recipe))
    shape = (recipe.train.batch_sequences, recipe.train.sequence_tokens)
    inputs = torch.randint(hybrid.config.base_config.vocab_size, shape)
    steps = {
        "hybrid": training_step(hybrid, lambda: hybrid(input_ids=inputs, labels=inputs).loss, dtype),
        "dense": training_step(dense, lambda: dense(inputs, inputs), dtype),
    }
    timings = interleave(steps, repeats=repeats)
    ratio = median_ratio(timings["dense"], timings["hybrid"])
    return {"timings": timings, "tokens": inputs.numel(), "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repeats, to see that it runs")
    parser.add_argument("--output", type=Path, help="JSON file instead of benchmarks/results/train_step.json")
    arguments = parser.parse_args()
    repeats = 2 if arguments.quick else 15
    outcome = in_fresh_process(measure, repeats)
    timings, tokens = outcome["timings"], outcome["tokens"]
    rows = [[name, timing.text(), f"{tokens / timing.median_s:,.0f}"] for name, timing in timings.items()]
    print_table(f"Training step, {tokens:,} tokens", ["model", "step", "tokens/s"], rows)
    results = {name: timing.to_dict() | {"tokens": tokens} for name, timing in timings.items()}
    targets = [Target("tokens/s of the hybrid over the dense counterpart's", outcome["ratio"], _MIN_RATIO)]
    record("train_step", results, targets, repeats=repeats, output=arguments.output)


if __name__ == "__main__":
    main()
