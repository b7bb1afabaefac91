"""A training step of the demo's model against the same step with dense feed-forward blocks of the same active FLOPs.

    python benchmarks/train_step.py [--quick] [--output FILE.json]

In each hybrid layer of the dense counterpart the frozen block of the base stands beside one trained block as wide as all
the experts that a token visits (one routed, one segment expert on average). Steps are forward, backward, clipping and
optimiser, in the demo's shapes and precision. Target: >= 0.8 of the dense counterpart's tokens/s.
"""

import argparse
import copy
import tempfile
from pathlib import Path

import torch
from harness import Target, in_fresh_process, interleave, median_ratio, print_table, record
from torch import Tensor, nn

from multipl_moe.allocator import keep_freed_memory
from multipl_moe.demo import DEMO_RECIPE
from multipl_moe.loading import load_hybrid
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.recipe import load_recipe
from multipl_moe.train.stages import prepare_stage1
from multipl_moe.train.trainer import attention_implementation, compute_dtype
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


def densify(model: MultiplMoeForCausalLM) -> nn.Module:
    """The base with a `DenseCounterpart` in place of each hybrid layer's block, all else frozen."""
    config, moe = model.config.base_config, model.config.moe_config
    base = copy.deepcopy(model.model)
    head = model.lm_head
    width = round((moe.token_top_k - 1 + moe.segment_capacity) * config.intermediate_size)
    for index in moe.layers:
        base.layers[index].mlp = DenseCounterpart(base.layers[index].mlp.shared_expert, config.hidden_size, width)
        base.layers[index]._forward_pre_hooks.clear()
        base.layers[index]._forward_pre_hooks_with_kwargs.clear()
    base._forward_pre_hooks.clear()
    base._forward_pre_hooks_with_kwargs.clear()
    return nn.ModuleDict({"model": base, "lm_head": head})


def measure(repeats: int) -> dict:
    """Timings of both steps, in this process."""
    keep_freed_memory()
    recipe = load_recipe(None, DEMO_RECIPE | {"upcycle.verify": False})
    rows, tokens = recipe.train.batch_sequences, recipe.train.sequence_tokens
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "hybrid"
        upcycle(recipe, folder)
        hybrid = load_hybrid(folder)
    hybrid.set_attn_implementation(attention_implementation(recipe))
    dense = densify(hybrid)
    prepare_stage1(hybrid)
    for name, parameter in dense.named_parameters():
        trained = ".mlp." in name and "shared_expert" not in name
        parameter.requires_grad_(trained and "experts" not in name and "proj" in name and _is_counterpart(dense, name))
    input_ids = torch.randint(hybrid.config.base_config.vocab_size, (rows, tokens))
    dtype = compute_dtype(recipe)

    def step_of(model: nn.Module, loss_of):
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
        model.train()

        def step() -> None:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                loss = loss_of(model)
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return step

    def dense_loss(model: nn.Module) -> Tensor:
        logits = model["lm_head"](model["model"](input_ids=input_ids, use_cache=False).last_hidden_state)
        return hybrid.loss_function(logits=logits, labels=input_ids, vocab_size=logits.shape[-1])

    steps = {
        "hybrid": step_of(hybrid, lambda model: model(input_ids=input_ids, labels=input_ids).loss),
        "dense": step_of(dense, dense_loss),
    }
    timings = interleave(steps, repeats=repeats)
    return {"timings": timings, "tokens": rows * tokens, "ratio": median_ratio(timings["dense"], timings["hybrid"])}


def _is_counterpart(dense: nn.Module, name: str) -> bool:
    return isinstance(dense.get_submodule(name.split(".mlp.")[0] + ".mlp"), DenseCounterpart)


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
