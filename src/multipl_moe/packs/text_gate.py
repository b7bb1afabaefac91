"""The gates of packs by themselves: which of them a text opens, from its tokens alone.

No weight of a model is read, so that a server can choose among a base and its packs before any of them runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.packs.files import GATE_FILE, Pack

_ON = 0.5  # p above which a pack goes on; it goes off where its gate is shut


@dataclass(frozen=True)
class Opened:
    """What a pack's gate says of the token after a text.

    Attributes:
        p: how far it is open, 0 to 1.
        since: the place in the text, in characters, from which on a server that can only choose has it on; None: off.
    """

    p: float
    since: int | None


class TextGate:
    """Gates of packs on one base, which read a text as the forward pass of `compose`d models does."""

    def __init__(self, gates: Mapping[str, DomainGate], tokenizer: PreTrainedTokenizerBase) -> None:
        self.gates, self.tokenizer = dict(gates), tokenizer

    @classmethod
    def load(cls, packs: Mapping[str, Path], tokenizer: Path | None = None) -> "TextGate":
        """The gates in packs' folders, by name, with the tokenizer of their base, or in a folder.

        Raises:
            ConfigError: there is no pack, or they go with several bases.
            BaseModelError: a pack cannot be read, or its base or the tokenizer is not found.
        """
        loaded = {name: Pack.load(folder) for name, folder in packs.items()}
        bases = {pack.base.name: pack for pack in loaded.values()}
        if tokenizer is None and len(bases) != 1:
            raise ConfigError(f"packs: they go with {' and '.join(bases) or 'no base'}; give packs of one base")
        source = tokenizer or resolve_base(next(iter(bases)))
        gates = {name: _gate(loaded[name], folder) for name, folder in packs.items()}
        return cls(gates, load_tokenizer(source))

    def after(self, text: str, *, at_once: bool = False) -> dict[str, Opened]:
        """By name of the pack, how far its gate is open for what follows a text, and since where.

        Models decide once a segment. `at_once` decides at the text's end, for an engine that is asked from there on, as
        `generate` does of a prompt. A pack is on from where its gate is more than half open until it is shut (p below
        `gate.bound` is 0): a comment or some data within a file leave p in doubt, and each change costs an engine a
        request. Where nothing is read yet it is off.
        """
        encoded = self.tokenizer(text, return_offsets_mapping=True, verbose=False)
        ends = [end for _, end in encoded["offset_mapping"]]
        found = {}
        for name, gate in self.gates.items():
            p_T = gate.p_of_text(encoded["input_ids"], at_once=at_once)
            unread = (len(p_T) - 2) % gate.stride + 1 if at_once else gate.stride  # p is `start` there
            first = _on_since(p_T[unread:].tolist())
            since = None if first is None else (ends[unread + first - 1] if first else 0)
            found[name] = Opened(float(p_T[-1]), since)
        return found


def _on_since(p_of_tokens: list[float]) -> int | None:
    """The place from which on a pack is on at the end."""
    since = None
    for place, p in enumerate(p_of_tokens):
        if p == 0:
            since = None
        elif since is None and p > _ON:
            since = place
    return since


def _gate(pack: Pack, folder: Path) -> DomainGate:
    try:
        tensors = load_file(folder / GATE_FILE)
        gate = DomainGate(pack.moe.gate, len(tensors["token_kinds"]))
        gate.load_state_dict(tensors)
    except (OSError, SafetensorError, LookupError, RuntimeError) as error:
        raise BaseModelError(f"pack: {folder / GATE_FILE} cannot be read ({error}); pack the model anew") from error
    return gate
