"""Canaries: log-probabilities that tell whether a server really has an adapter on.

Greedy text is often the same with and without an adapter, so it neither shows one that is loaded and does nothing, nor
that one works. The log-probability of a token is certain.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import ConfigDict, Field

from multipl_judge.problems.starter_set import read_starter
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.generate.text import TextGenerator, load_tokenizer
from multipl_moe.packs.compose import compose
from multipl_moe.packs.files import Pack
from multipl_moe.runs.record import Record

CANARY_FILE = "canary.json"
NUM_TOP = 5  # as many of the likeliest tokens do completions of OpenAI's interface tell
_NUM_CANARIES = 3
_STARTER_PROMPTS = 12  # of each language
_LEAST_CHANGE = 0.05  # nats; engines in bfloat16 differ by as much
_LEAST_LIKELY = -4.0  # nats; of less likely tokens little is certain in a quantised base
_PROMPTS = (
    "def ",
    "function add(a, b",
    "// Returns the sum of",
    "-- Returns the",
    "let x =",
    "import ",
    "for (",
    "The ",
)


@dataclass(frozen=True)
class Canary:
    """A prompt, one of the likeliest next tokens, and its log-probability with the adapter and without, in nats.

    Attributes:
        prompt: text; the server puts the tokens around it that its tokenizer puts around any.
        token: text of the token.
        adapter, base: its log-probability with the adapter on, alone and at scale 1, and with none.
        control: token that turns the adapter on if it stands in the place of the prompt's first character, a line
            break; empty: the server is told the adapter's name.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    prompt: str
    token: str
    adapter: float
    base: float
    control: str = ""

    @property
    def change(self) -> float:
        """By how many nats the adapter moves the token."""
        return abs(self.adapter - self.base)


class _Stored(Record):
    """canary.json; the first canary of an adapter is the one that tells most."""

    format: Literal[1]
    adapters: dict[str, Annotated[list[Canary], Field(min_length=1)]] = Field(min_length=1)


def save_canaries(file: Path, canaries: Mapping[str, list[Canary]]) -> None:
    """Write canary.json: for each adapter, by its name, its canaries."""
    _Stored(format=1, adapters=dict(canaries)).write(file)


def load_canaries(file: Path) -> dict[str, list[Canary]]:
    """Read canary.json; raises ConfigError where it is none."""
    try:
        read = _Stored.read(file).adapters
    except OutputError as error:
        raise ConfigError(f"canary: {error}") from None
    except OSError as error:
        why = f"{file} cannot be read ({error.strerror})"
        raise ConfigError(f"canary: {why}; give {CANARY_FILE} of an export") from None
    for name, (most, *others) in read.items():
        if most.change < _LEAST_CHANGE / 2:
            raise ConfigError(f"canary: {file}: adapters.{name}.0 does not tell on from off; export anew")
        if any(one.control != most.control or (one.control and one.prompt[:1] != "\n") for one in (most, *others)):
            raise ConfigError(
                f"canary: {file}: adapters.{name}: each canary needs the same control token, and a line break "
                "before its prompt, or none of them has one; export anew"
            )
    return read


def canaries_of(
    base: str,
    packs: Mapping[str, Path],
    scratch: Path,
    controls: Mapping[str, str] | None = None,
    on_step: Callable[[str], None] = lambda title: None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, list[Canary]], Any]:
    """For each pack the prompts where it changes one of the likeliest tokens most, and the tokenizer of the base.

    The token is among the likeliest with the pack and without, so that servers tell its log-probability in both states.

    Args:
        scratch: folder in which the packs are put together; it is removed again.
        controls: by pack the token that turns it on; its prompts begin with a line break, in whose place that stands.

    Raises:
        UserError: a pack changes too little to be told from none; or as `compose` does.
    """
    compose(base, packs, scratch, on_step, on_progress)
    on_step("canaries")
    model, tokenizer = load_hybrid(scratch, torch.float32).eval(), load_tokenizer(scratch)
    chosen = {}
    for name, folder in packs.items():
        shares = torch.zeros(2, len(packs))
        shares[0, sorted(packs).index(name)] = 1.0
        control = (controls or {}).get(name, "")
        prompts = list(dict.fromkeys([*_starter_prompts(Pack.load(folder).languages), *_PROMPTS]))
        prompts = _after_break(tokenizer, prompts) if control else prompts
        found = [one for prompt in prompts for one in _canaries(model, tokenizer, prompt, shares, control)]
        if max((one.change for one in found), default=0.0) < _LEAST_CHANGE:
            raise BaseModelError(
                f"pack: {name} changes no likely token by {_LEAST_CHANGE} nats; it is not trained, or broken"
            )
        best = {one.prompt: one for one in sorted(found, key=lambda one: one.change)}
        chosen[name] = sorted(best.values(), key=lambda one: -one.change)[:_NUM_CANARIES]
    shutil.rmtree(scratch)
    return chosen, tokenizer


def _starter_prompts(languages: Iterable[str]) -> list[str]:
    prompts: dict[str, list[str]] = {}
    for problem in read_starter(list(languages)):
        prompts.setdefault(problem.language, []).append(problem.prompt)
    return [prompt for of_one in prompts.values() for prompt in of_one[:_STARTER_PROMPTS]]


def _after_break(tokenizer: Any, prompts: Iterable[str]) -> list[str]:
    """Prompts with a line break before them, of those whose tokens it leaves as they are."""

    def tokens(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    return [f"\n{prompt}" for prompt in prompts if tokens(f"\n{prompt}") == tokens("\n") + tokens(prompt)]


def _loses_space(tokenizer: Any, token: int) -> bool:
    """Whether a token's first space is lost when it is decoded alone, so that engines name it otherwise."""
    return str(tokenizer.convert_ids_to_tokens(token)).startswith("\N{LOWER ONE EIGHTH BLOCK}")


@torch.inference_mode()
def _canaries(model: Any, tokenizer: Any, prompt: str, shares: torch.Tensor, control: str) -> list[Canary]:
    """Those of one prompt; `shares` has a row with the pack open and one with all shut."""
    ids = TextGenerator(model, tokenizer).encode(prompt, chat=False).expand(2, -1)
    scores = model(ids, open_share=shares, use_cache=False).logits[:, -1].float().log_softmax(-1)
    both = set.intersection(*(set(row) for row in scores.topk(min(NUM_TOP, scores.shape[1])).indices.tolist()))
    both = {token for token in both if scores[:, token].min() > _LEAST_LIKELY}
    told = {token: tokenizer.decode([token]) for token in both - set(tokenizer.all_special_ids)}
    return [
        Canary(prompt, text, *scores[:, token].tolist(), control=control)
        for token, text in told.items()
        if text and "\N{REPLACEMENT CHARACTER}" not in text and not _loses_space(tokenizer, token)
    ]
