"""Decoding of a file to keep, for which the domain gate is shut, against the base, at batch 1.

    python benchmarks/gated_decode.py RUN [--corpus FOLDER] [--quick] [--output FILE.json]

RUN is the folder of a finished run behind a gate, as that of `make demo`. Target: the tokens after the prompt come at
0.95 of the base's speed. The prompt is timed by itself: the gate is half open for its first segment, as nothing was
read yet, so there the experts' weights are read beside the base's.
"""

from pathlib import Path
from typing import Any

import torch
from domain_gate import Setting
from harness import Target, Timing, interleave, median_ratio, options_parser, print_table, record

from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.system.device import fastest_attention

_MIN_SHARE = 0.95
_PROMPT_TOKENS, _NEW_TOKENS = 256, 64


@torch.no_grad()
def decoding(setting: Setting, repeats: int, dtype: torch.dtype) -> dict[str, Any]:
    """Shares of the base's speed, and times, after the longest file of a language to keep, up to 256 tokens of it."""
    texts = [tokens for name in setting.recipe.keep for tokens in setting.texts(name, _PROMPT_TOKENS)]
    prompt = torch.tensor([max(texts, key=len)])
    steps = {}
    for name, model in {"base": setting.base.to(dtype), "gated": setting.model.to(dtype)}.items():
        model.set_attn_implementation(fastest_attention(model, dtype))
        model.generation_config.eos_token_id = None
        for part, num_new in {"prompt": 1, "all": 1 + _NEW_TOKENS}.items():
            steps[f"{name}, {part}"] = _generation(model, prompt, num_new)
    timings = interleave(steps, repeats=repeats)
    for name in ("base", "gated"):
        both = zip(timings[f"{name}, all"].seconds, timings[f"{name}, prompt"].seconds, strict=True)
        timings[f"{name}, after it"] = Timing(tuple(whole - prompt for whole, prompt in both))
    parts = ("prompt", "after it", "all")
    shares = {part: median_ratio(timings[f"base, {part}"], timings[f"gated, {part}"]) for part in parts}
    return {"prompt_tokens": prompt.shape[1], "share_of_base": shares, "timings": timings}


def _generation(model: Any, prompt: torch.Tensor, num_new: int) -> Any:
    options: dict[str, Any] = {"do_sample": False, "pad_token_id": 0, "attention_mask": torch.ones_like(prompt)}
    return lambda: model.generate(prompt, max_new_tokens=num_new, **options)


def main() -> None:
    parser = options_parser(__doc__, quick="two files a language, one repeat")
    parser.add_argument("run", type=Path, help="folder of a finished run, with recipe.yaml and model/")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus [RUN/corpus]")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    repeats = 1 if options.quick else 7
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    results = {str(dtype)[6:]: decoding(setting, repeats, dtype) for dtype in (torch.float32, torch.bfloat16)}
    rows = [[name, *(f"{share:.3f}" for share in part["share_of_base"].values())] for name, part in results.items()]
    print_table("Share of the base's speed", ["dtype", "prompt", f"{_NEW_TOKENS} tokens after it", "all"], rows)
    targets = [
        Target(f"tokens after the prompt, {name}", part["share_of_base"]["after it"], _MIN_SHARE)
        for name, part in results.items()
    ]
    record("gated_decode", results, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
