"""What a model behind a domain gate writes after short prompts and problems, when nobody tells it the language.

    python benchmarks/gate_prompts.py RUN [--quick] [--output FILE.json]

RUN is the folder of a finished run behind a gate that learnt Rust, Go and Ruby, as that of `make demo`. It should
write what it writes when it is told the language: its experts' text after prompts in a language that it learnt, the
base's after others. Counted are prompts whose first 16 greedy tokens are those, with the prompt read as a whole, which
is what `generate` does, and with each segment decided by what is before it. Target: 80% of the short prompts in
languages to learn.
"""

from pathlib import Path
from typing import Any

import torch
import yaml
from domain_gate import Setting
from harness import Target, options_parser, print_table, record

from multipl_judge.problems.starter_set import read_starter
from multipl_moe.system.allocator import keep_freed_memory

_NEW_TOKENS, _MIN_AS_TOLD = 16, 0.8
_PROMPTS = Path(__file__).with_suffix(".yaml")


def prompt_sets(learnt: list[str], quick: bool) -> dict[str, tuple[bool, list[str]]]:
    """By name, whether the language was learnt, and prompts: short ones, and those of the starter set."""
    short: dict[str, list[str]] = yaml.safe_load(_PROMPTS.read_text())
    sets = {f"short, {name}": (name in learnt, prompts) for name, prompts in short.items()}
    for problem in read_starter():
        sets.setdefault(f"problem, {problem.language}", (problem.language in learnt, []))[1].append(problem.prompt)
    return {name: (is_learnt, prompts[: 2 if quick else None]) for name, (is_learnt, prompts) in sets.items()}


@torch.no_grad()
def written_as_told(setting: Setting, is_learnt: bool, prompts: list[str]) -> dict[str, int]:
    """How many prompts there are, for how many the gate is open, and how many go on as if the language were told."""
    model, counts = setting.model, {"prompts": len(prompts), "open": 0, "as told": 0, "by what is before": 0}
    for prompt in prompts:
        ids = setting.tokenizer(prompt, return_tensors="pt")["input_ids"]
        options: dict[str, Any] = {"attention_mask": torch.ones_like(ids), "do_sample": False, "pad_token_id": 0}
        told, whole, before = (
            model.generate(ids, max_new_tokens=_NEW_TOKENS, **options, **known)
            for known in ({"open_share": float(is_learnt)}, {}, {"prompt_share": None})
        )
        counts["open"] += int(model.model.read_prompt(ids)[0, -1].sum())
        counts["as told"] += torch.equal(whole, told)
        counts["by what is before"] += torch.equal(before, told)
    return counts


def main() -> None:
    parser = options_parser(__doc__, quick="two prompts of each kind")
    parser.add_argument("run", type=Path, help="folder of a finished run, with recipe.yaml and model/")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus [RUN/corpus]")
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    sets = prompt_sets(list(setting.recipe.learn), options.quick)
    found = {name: written_as_told(setting, *prompts) for name, prompts in sets.items()}
    rows = [[name, *map(str, counts.values())] for name, counts in found.items()]
    print_table(
        f"Prompts whose first {_NEW_TOKENS} tokens are those of a model that is told the language",
        ["kind", "prompts", "gate open", "as told", "by what is before"],
        rows,
    )
    short = [counts for name, counts in found.items() if name.startswith("short, ") and sets[name][0]]
    share = sum(counts["as told"] for counts in short) / sum(counts["prompts"] for counts in short)
    targets = [Target("short prompts in languages to learn that go on as told", share, _MIN_AS_TOLD)]
    results = {"run": {"tokens": setting.recipe.train.tokens, "moe": setting.model.config.moe}, "found": found}
    record("gate_prompts", results, targets, repeats=1, options=options)


if __name__ == "__main__":
    main()
