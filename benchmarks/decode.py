"""Decoding and prefill of a hybrid of the demo's base against it, with the key-value cache, at batch 1, 8 and 32.

    python benchmarks/decode.py [--quick] [--threads N] [--output FILE.json]

A token uses the base and a few of the experts, so the hybrid's tokens/s are predicted to be those of the base times
(parameters of the base / active parameters). Target: >= 0.9 of that. A batch touches more experts than one token does,
and where reading weights takes the time, and not arithmetic, the weights that a step touches predict its speed: that
prediction is printed beside the first.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import (
    HYBRID_RECIPE,
    Target,
    in_fresh_process,
    interleave,
    median_ratio,
    options_parser,
    print_table,
    record,
)
from torch import Tensor
from transformers import PreTrainedModel

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.model.calibration import calibrate_routing
from multipl_moe.model.fusion import fuse_weights
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import count_parameters
from multipl_moe.model.statistics import observe_with
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.system.device import fastest_attention
from multipl_moe.upcycle.convert import upcycle

_MIN_SHARE_OF_PREDICTED = 0.9
_BATCHES = (1, 8, 32)
_DTYPES = ("float32", "bfloat16")
_PROMPT_TOKENS = 64
_NEW_TOKENS = 33
_LONG_PROMPT_TOKENS = 512


class TouchedExperts:
    """A routing observer that counts the experts that each pass touches."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, layer, plan, routed) -> None:
        self.counts.append(int(fuse_weights(layer.moe, plan, routed).chosen.any(dim=0).sum()))


def models(dtype: torch.dtype) -> dict[str, PreTrainedModel]:
    """The base, and the hybrid made of it with thresholds for random tokens."""
    recipe = load_recipe(None, HYBRID_RECIPE)
    with tempfile.TemporaryDirectory() as work:
        upcycle(recipe, Path(work) / "hybrid")
        hybrid = load_hybrid(Path(work) / "hybrid", dtype)
    vocabulary = hybrid.config.base_config.vocab_size
    calibrate_routing(hybrid, [{"input_ids": torch.randint(vocabulary, (16, 256))}])
    base: Any = load_dense(resolve_base(recipe.base))
    pair: dict[str, Any] = {"base": base.to(dtype), "hybrid": hybrid}
    for model in pair.values():
        model.eval().set_attn_implementation(fastest_attention(model))
        model.generation_config.eos_token_id = None
    return pair


def generation(model: Any, prompt: Tensor, num_new: int) -> Callable[[], Tensor]:
    """Greedy generation of exactly `num_new` tokens a row."""
    mask = torch.ones_like(prompt)
    return lambda: model.generate(prompt, attention_mask=mask, max_new_tokens=num_new, do_sample=False, pad_token_id=0)


def touched_parameters(hybrid: MultiplMoeForCausalLM, decode: Callable[[], Tensor], num_base: int) -> float:
    """Parameters that the mean decoding step reads: the base's, and those of the experts that some row chose."""
    observers = {index: TouchedExperts() for index in hybrid.hybrid_layers}
    with observe_with(hybrid, observers):
        decode()
    per_expert = sum(p[0].numel() for p in hybrid.hybrid_layers[min(observers)].experts.parameters())
    experts = sum(sum(seen.counts[1:]) / len(seen.counts[1:]) for seen in observers.values())
    return num_base + per_expert * experts


@torch.no_grad()
def measure(dtype_name: str, repeats: int, threads: int) -> dict[str, Any]:
    """Timings of one precision, in this process."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    dtype = getattr(torch, dtype_name)
    pair: dict[str, Any] = models(dtype)
    hybrid = pair["hybrid"]
    num_base, vocabulary = pair["base"].num_parameters(), hybrid.config.base_config.vocab_size
    predicted = num_base / count_parameters(hybrid.config).active
    results = {}
    for batch in _BATCHES:
        prompt = torch.randint(vocabulary, (batch, _PROMPT_TOKENS))
        first = interleave({name: generation(m, prompt, 1) for name, m in pair.items()}, repeats=repeats)
        whole = interleave({name: generation(m, prompt, _NEW_TOKENS) for name, m in pair.items()}, repeats=repeats)
        step_s = {name: (whole[name].median_s - first[name].median_s) / (_NEW_TOKENS - 1) for name in pair}
        touched = touched_parameters(hybrid, generation(hybrid, prompt, _NEW_TOKENS), num_base)
        results[f"decode, batch {batch}"] = {
            "tokens_per_s": {name: batch / seconds for name, seconds in step_s.items()},
            "ratio": step_s["base"] / step_s["hybrid"],
            "predicted_by_active": predicted,
            "predicted_by_touched": num_base / touched,
            "timings": whole,
        }
        results[f"prefill, batch {batch}, {_PROMPT_TOKENS} tokens"] = prefill_result(
            first, batch * _PROMPT_TOKENS, predicted
        )
    prompt = torch.randint(vocabulary, (1, _LONG_PROMPT_TOKENS))
    long = interleave({name: generation(m, prompt, 1) for name, m in pair.items()}, repeats=repeats)
    results[f"prefill, batch 1, {_LONG_PROMPT_TOKENS} tokens"] = prefill_result(long, _LONG_PROMPT_TOKENS, predicted)
    return results


def prefill_result(timings: dict[str, Any], num_tokens: int, predicted: float) -> dict[str, Any]:
    """A row of results: prompts are read, and one token generated; a prompt's tokens touch every expert."""
    return {
        "tokens_per_s": {name: num_tokens / timing.median_s for name, timing in timings.items()},
        "ratio": median_ratio(timings["base"], timings["hybrid"]),
        "predicted_by_active": predicted,
        "predicted_by_touched": predicted,
        "timings": timings,
    }


def main() -> None:
    parser = options_parser(__doc__, quick="few repeats")
    parser.add_argument("--threads", type=int, default=1, help="with one, processor time is measured")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    repeats = 2 if options.quick else 9
    results = {dtype: in_fresh_process(measure, dtype, repeats, options.threads) for dtype in _DTYPES}
    rows, targets = [], []
    for dtype, cases in results.items():
        for case, result in cases.items():
            share = result["ratio"] / result["predicted_by_active"]
            speed = result["tokens_per_s"]
            rows.append(
                [
                    f"{dtype}, {case}",
                    f"{speed['base']:,.0f}",
                    f"{speed['hybrid']:,.0f}",
                    f"{result['ratio']:.3f}",
                    f"{share:.2f}",
                    f"{result['ratio'] / result['predicted_by_touched']:.2f}",
                ]
            )
            targets.append(Target(f"{dtype}, {case}: share of predicted", share, _MIN_SHARE_OF_PREDICTED))
    columns = ["case", "base tokens/s", "hybrid tokens/s", "ratio", "of predicted (active)", "of predicted (touched)"]
    print_table("Decoding and prefill", columns, rows)
    record("decode", results, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
