"""How a domain gate follows a text that changes its kind: what opens it, what shuts it, how soon, and what is gained.

    python benchmarks/gate_switches.py RUN [--quick] [--output FILE.json]

RUN is the folder of a finished run behind a gate for Rust, Go and Ruby, as that of `make demo`. The texts are those of
gate_texts.py, out of Debian packages that nothing was fitted to. No language is told. A delay is the number of tokens
from the first of its kind to the first for which the gate is more than half open, or shut. The share of the gain is
what bits per token fall by as the gate is, over what they fall by where it is told to be open. Relatives, languages
that look like one to learn or like each other, are measured without a target.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from domain_gate import Setting
from gate_texts import LEARN, Text, texts
from harness import Target, options_parser, print_table, record

from multipl_moe.start_tokens import start_tokens

_READ_TOKENS, _MOST_TOKENS, _FEWEST = 64, 1400, 24
_OPENS = {  # set: most tokens until open (median), and most texts that never open
    "readme": (8, 0.02),
    "chat fenced": (8, 0.02),
    "chat plain": (32, 0.10),
    "python, then": (40, 0.05),
    "long python, then": (40, 0.05),
    "prose, then": (40, 0.05),
}
_SHUTS = {"then python": (40, 0.02), "then prose": (40, 0.02)}
_APPLICATIONS = {"rust": 0.99, "go": 0.97, "ruby": 0.99}
_OTHER, _WORST = 0.012, 0.05
OWN_CODE = ("Gherkin", "patch")  # which hold code to learn
_GAINS = {"files": (0.97, 384), "chat plain": (0.85, 500), "python, then": (0.85, 700)}  # least share, tokens read
_GAIN_TEXTS = 16  # of a language


class Read:
    """A text's tokens, p of each, and which tokens are of its kind."""

    def __init__(self, setting: Setting, text: Text) -> None:
        start = start_tokens(setting.tokenizer)
        encoded = setting.tokenizer(text.text, add_special_tokens=False, return_offsets_mapping=True)
        places = [(0, 0)] * len(start) + encoded["offset_mapping"]
        self.kind, self.tokens = text.kind, [*start, *encoded["input_ids"]][:_MOST_TOKENS]
        places = places[: len(self.tokens)]
        later = (number for number, (_, end) in enumerate(places) if end > text.begin)
        self.begin = next(later, len(places)) if text.begin else 0
        self.end = next((number for number, (_, end) in enumerate(places) if end > text.end), len(places))
        self.p = setting.gate.p_of_text(self.tokens)[:-1]

    def delay(self, *, opens: bool) -> int | None:
        """Tokens until the gate is open, or shut; None: never."""
        told = self.p[self.begin : self.end]
        found = (told > 0.5 if opens else told < 0.05).nonzero()
        return int(found[0]) if len(found) else None


def delays(reads: Iterable[Read], *, opens: bool) -> dict[str, float]:
    """The median delay, that of nine in ten, and the share of texts without any."""
    found = [read.delay(opens=opens) for read in reads if read.end - read.begin >= _FEWEST]
    ranked = sorted(_MOST_TOKENS if delay is None else delay for delay in found)
    never = mean(delay is None for delay in found)
    return {"median": median(ranked), "p90": ranked[int(0.9 * len(ranked))], "never": never, "texts": len(ranked)}


def late(reads: list[Read]) -> dict[str, float]:
    """By kind, mean p from token 64 on."""
    kinds = dict.fromkeys(read.kind for read in reads)
    of_kind = {k: [r.p[_READ_TOKENS:] for r in reads if r.kind == k and len(r.p) > _READ_TOKENS] for k in kinds}
    return {kind: mean(p.mean().item() for p in found) for kind, found in of_kind.items() if found}


@torch.no_grad()
def gain(setting: Setting, reads: list[Read], most_tokens: int, most_texts: int) -> dict[str, float]:
    """What bits fall by as it is and told open, of what they are told shut, and the share."""
    bits: dict[str, float] = dict.fromkeys(("shut", "open", "as it is"), 0.0)
    for kind in LEARN:
        for read in [read for read in reads if read.kind == kind][:most_texts]:
            tokens, end = torch.tensor([read.tokens[:most_tokens]]), min(read.end, most_tokens)
            for way, told in {"shut": 0.0, "open": 1.0, "as it is": None}.items():
                logits = setting.model(tokens, use_cache=False, open_share=told).logits[0, :-1].log_softmax(dim=-1)
                nats = -logits.gather(1, tokens[0, 1:, None])[max(read.begin - 1, 0) : end - 1]
                bits[way] += nats.sum().item()
    changes = {way: value / bits["shut"] - 1 for way, value in bits.items() if way != "shut"}
    return changes | {"share": changes["as it is"] / changes["open"] if changes["open"] else 1.0}


def main() -> None:
    parser = options_parser(__doc__, quick="two texts of a kind")
    parser.add_argument("run", type=Path, help="folder of a finished run, with recipe.yaml and model/")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus [RUN/corpus]")
    options: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(1)
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    reads = {name: [Read(setting, text) for text in _some(found, options.quick)] for name, found in texts().items()}

    opened = {name: delays(reads[name], opens=True) for name in _OPENS if reads.get(name)}
    shut = {name: delays(reads[name], opens=False) for name in _SHUTS if reads.get(name)}
    applications, others, relatives = (late(reads[name]) for name in ("files", "other", "relatives"))
    gained = {
        name: gain(setting, reads[name], tokens, 1 if options.quick else _GAIN_TEXTS)
        for name, (_, tokens) in _GAINS.items()
        if reads.get(name)
    }
    results = {
        "run": {"tokens": setting.recipe.train.tokens, "moe": setting.model.config.moe},
        "opens": opened,
        "shuts": shut,
        "applications": applications,
        "others": others,
        "relatives": relatives,
        "gain": gained,
    }
    _print(results)
    record("gate_switches", results, _targets(results), repeats=1, options=options)


def _some(found: list[Text], quick: bool) -> list[Text]:
    kinds = dict.fromkeys(text.kind for text in found)
    return [text for kind in kinds for text in [t for t in found if t.kind == kind][: 2 if quick else None]]


def _targets(results: dict[str, Any]) -> list[Target]:
    found = []
    for part, goals in (("opens", _OPENS), ("shuts", _SHUTS)):
        for name, row in results[part].items():
            tokens, never = goals[name]
            found.append(Target(f"{name}: tokens until it {part}, median", row["median"], tokens, at_least=False))
            found.append(Target(f"{name}: never {part}", row["never"], never, at_least=False))
    for name, p in results["applications"].items():
        found.append(Target(f"application files in {name}, mean p", p, _APPLICATIONS[name]))
    if strange := {kind: p for kind, p in results["others"].items() if kind not in OWN_CODE}:
        worst = max(strange, key=lambda kind: strange[kind])
        found.append(
            Target(f"other text, {len(strange)} kinds, mean p", mean(strange.values()), _OTHER, at_least=False)
        )
        found.append(Target(f"other text, worst kind ({worst})", strange[worst], _WORST, at_least=False))
    for name, row in results["gain"].items():
        found.append(Target(f"{name}: share of the told-open gain", row["share"], _GAINS[name][0]))
    return found


def _print(results: dict[str, Any]) -> None:
    for part in ("opens", "shuts"):
        rows = [
            [name, f"{row['median']:.0f}", f"{row['p90']:.0f}", f"{row['never']:.0%}", f"{row['texts']}"]
            for name, row in results[part].items()
        ]
        print_table(f"Tokens until it {part}", ["set", "median", "nine in ten", "never", "texts"], rows)
    late_p = results["applications"] | results["others"] | results["relatives"]
    rows = [[kind, f"{p:.3f}"] for kind, p in late_p.items()]
    print_table(f"Mean p after {_READ_TOKENS} tokens", ["kind", "p"], rows)
    keys = ("as it is", "open", "share")
    rows = [[name, *(f"{row[key]:+.3f}" for key in keys)] for name, row in results["gain"].items()]
    print_table("Change of bits against told shut", ["set", "as it is", "told open", "share"], rows)


if __name__ == "__main__":
    main()
