"""What a domain gate leaves shut: kinds of text that nothing was fitted to, files to keep, and how fast one is decoded.

    python benchmarks/gate_shut.py RUN [--corpus FOLDER] [--folder FOLDER ...] [--quick] [--output FILE.json]

RUN is the folder of a finished run behind a gate that was fitted without `upcycle.other_text`, as that of `make demo`.
Targets: p on other kinds of text is at most
0.02 after 64 tokens; in the strict form (start 0, bound 0.5) 98% of files to keep have the base's logits to the bit;
the tokens after a prompt to keep come at 0.98 of the base's speed. The prompt is timed by itself: the gate is open
for its first segment, as nothing was read yet, so there the experts' weights are read beside the base's.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from domain_gate import Setting
from harness import Target, Timing, interleave, median_ratio, options_parser, print_table, record

from multipl_moe.data.package_files import folder_files, package_files
from multipl_moe.eval.bits_per_byte import encode
from multipl_moe.eval.movement.panel import OTHER_KINDS
from multipl_moe.start_tokens import start_tokens
from multipl_moe.system.allocator import keep_freed_memory
from multipl_moe.system.device import fastest_attention

_KINDS = OTHER_KINDS | {"Vim": (".vim",), "m4": (".m4",)}
_READ_TOKENS, _MOST_OF_A_KIND, _MOST_OF_A_PACKAGE = 64, 40, 4
_STRICT_BOUND, _EXACT_FILES = 0.5, 100
_MOST_P_OF_UNSEEN, _MIN_EXACT, _MIN_SPEED = 0.02, 0.98, 0.98
_PROMPT_TOKENS, _NEW_TOKENS = 256, 64


def open_shares(setting: Setting, texts: list[list[int]]) -> list[float]:
    """Of each text that is long enough, p after `_READ_TOKENS` tokens."""
    long = [tokens[:_READ_TOKENS] for tokens in texts if len(tokens) > _READ_TOKENS]
    return [setting.gate.p_of_text(tokens)[-1].item() for tokens in long]


def unseen_kinds(setting: Setting, folders: list[Path]) -> dict[str, dict[str, float]]:
    """By kind of file, of installed packages and of the folders, and by language: mean p, and how many texts."""
    left_out = setting.recipe.endings
    found = [
        package_files(_KINDS, left_out, most_files=_MOST_OF_A_KIND, most_of_one=_MOST_OF_A_PACKAGE),
        folder_files(folders, left_out, kinds=_KINDS, most_files=_MOST_OF_A_KIND),
    ]
    start = start_tokens(setting.tokenizer)
    tokens = {
        kind: [
            encode(setting.tokenizer, start, file.text, _READ_TOKENS + 1)[0]
            for file in [file for files in found for file in files.get(kind, [])][:_MOST_OF_A_KIND]
        ]
        for kind in _KINDS
    }
    tokens |= {name: setting.texts(name, _READ_TOKENS + 1) for name in setting.recipe.languages}
    shares = {kind: open_shares(setting, texts) for kind, texts in tokens.items()}
    return {kind: {"p": sum(p) / len(p), "texts": len(p)} for kind, p in shares.items() if p}


@torch.no_grad()
def exact_files(setting: Setting) -> dict[str, list[int]]:
    """In the strict form: of each language to keep, the files whose logits are the base's to the bit, and all."""
    counts = {}
    with setting.gate_at(0.0, _STRICT_BOUND):
        for name in setting.recipe.keep:
            found = setting.texts(name, setting.recipe.eval.tokens_per_file, 2 if setting.quick else _EXACT_FILES)
            texts = [torch.tensor([tokens]) for tokens in found]
            same = [torch.equal(setting.model(text).logits, setting.base(text).logits) for text in texts]
            counts[name] = [sum(same), len(same)]
    return counts


@torch.no_grad()
def decoding(setting: Setting, repeats: int, dtype: torch.dtype) -> dict[str, Any]:
    """Shares of the base's speed, and times, after the longest file of a language to keep, up to 256 tokens of it."""
    texts = [tokens for name in setting.recipe.keep for tokens in setting.texts(name, _PROMPT_TOKENS)]
    prompt = torch.tensor([max(texts, key=len)])
    steps = {}
    for name, model in {"base": setting.base.to(dtype), "gated": setting.model.to(dtype)}.items():
        model.set_attn_implementation(fastest_attention(model))
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
    parser.add_argument("--folder", type=Path, action="append", default=[], help="has files of more kinds; /usr/share")
    options: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    repeats = 1 if options.quick else 7
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    kinds, exact = unseen_kinds(setting, options.folder), exact_files(setting)
    speeds = {str(dtype)[6:]: decoding(setting, repeats, dtype) for dtype in (torch.float32, torch.bfloat16)}

    rows = [[kind, f"{row['p']:.3f}", f"{row['texts']}"] for kind, row in kinds.items()]
    print_table(f"p after {_READ_TOKENS} tokens", ["text", "mean p", "texts"], rows)
    rows = [[name, *(f"{share:.3f}" for share in part["share_of_base"].values())] for name, part in speeds.items()]
    print_table("Share of the base's speed", ["dtype", "prompt", f"{_NEW_TOKENS} tokens after it", "all"], rows)
    unseen = [row["p"] for kind, row in kinds.items() if kind not in setting.recipe.languages]
    same, of = (sum(counts) for counts in zip(*exact.values(), strict=True))
    targets = [
        Target(
            f"tokens after the prompt, {name}, share of the base's speed", part["share_of_base"]["after it"], _MIN_SPEED
        )
        for name, part in speeds.items()
    ]
    targets.append(Target("files to keep exact, start 0, bound 0.5", same / of, _MIN_EXACT))
    if unseen:
        mean = sum(unseen) / len(unseen)
        targets.append(Target(f"mean p of {len(unseen)} unseen kinds", mean, _MOST_P_OF_UNSEEN, at_least=False))
    run = {"tokens": setting.recipe.train.tokens, "moe": setting.model.config.moe}
    results = {"run": run, "p": kinds, "exact": exact, "decoding": speeds}
    record("gate_shut", results, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
