"""The gates of packs and models by themselves: which of them a text opens, from its tokens alone.

No weight of a model is read, so that a server can choose among a base and its packs before any of them runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.moe_config import PACK, GateConfig
from multipl_moe.packs.files import GATE_FILE, PACK_FILE, Pack

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
    def load(cls, folders: Mapping[str, Path] | Path | str, tokenizer: Path | None = None) -> "TextGate":
        """The gates in folders of packs and models, with the tokenizer of their base, or in a folder.

        Args:
            folders: by the names that the gates get, each with one gate; or a single folder, of a model with several
                packs too, whose gates keep their names ("pack" where there is one).
            tokenizer: a folder; needed for several models, as a model's folder is its own base.

        Raises:
            ConfigError: there is no folder, one that gets a name has several gates, or they go with several bases.
            BaseModelError: a folder cannot be read or has no gate, or its base or the tokenizer is not found.
        """
        gates: dict[str, DomainGate] = {}
        bases: dict[str, Pack | Path] = {}
        for name, folder in ({"": folders} if isinstance(folders, Path | str) else folders).items():
            base, found = _read(Path(folder))
            if name and len(found) > 1:
                raise ConfigError(f"gate: {folder} has several, {', '.join(found)}; give the folder alone")
            gates |= {name or own: gate for own, gate in found.items()}
            bases[base.base.name if isinstance(base, Pack) else str(base)] = base
        if tokenizer is None and len(bases) != 1:
            told = " and ".join(sorted(bases)) or "no base"
            raise ConfigError(f"gate: they go with {told}; give packs of one base, or the tokenizer of all (tokenizer)")
        if tokenizer is None:
            (base,) = bases.values()
            tokenizer = base.base_folder("give the tokenizer (tokenizer)") if isinstance(base, Pack) else base
        return cls(gates, load_tokenizer(tokenizer))

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


def _read(folder: Path) -> tuple[Pack | Path, dict[str, DomainGate]]:
    """A pack, or the folder of a model, which has its tokenizer, and the gates by name."""
    if (folder / PACK_FILE).is_file() or not (folder / "config.json").is_file():
        pack, reader = Pack.load(folder), CheckpointReader(folder, role="pack")
        keys = (key for key, file in reader.files.items() if file == GATE_FILE)
        return pack, {PACK: _gate(pack.moe.gate, reader, keys)}
    config = load_config(folder)
    settings = config.packs_config if isinstance(config, MultiplMoeConfig) else {}
    if not (gated := {name: moe.gate for name, moe in settings.items() if moe.gate.languages}):
        raise BaseModelError(f"model: {folder} has no domain gate; give a pack, or a model that was made with one")
    reader = CheckpointReader(folder, role="model")
    return folder.absolute(), {
        name: _gate(gate, reader, (key for key in reader.files if f"domain_gates.{name}." in key))
        for name, gate in gated.items()
    }


def _gate(config: GateConfig, reader: CheckpointReader, keys: Iterable[str]) -> DomainGate:
    tensors = {key.rpartition(".")[2]: reader.read(key) for key in keys}
    try:
        gate = DomainGate(config, len(tensors["token_kinds"]))
        gate.load_state_dict(tensors)
    except (LookupError, RuntimeError) as error:
        raise BaseModelError(
            f"{reader.role}: the gate in {reader.folder} cannot be read ({error}); make or copy it again"
        ) from error
    return gate
