"""`export --switch`: a base and packs as one GGUF file of llama.cpp's architecture `graniteswitch`.

Control tokens switch packs there. For each token llama.cpp takes the mean of the slots of all control tokens up to
there, rounds it, and adds the low-rank differences of that slot; without a control token it is slot 0, the base. A pack
has four slots, the first two with its differences, the others with none. A text has its token `first` (slot 2), then
`off` (slot 4) and `on` (slot 1) by turns: after n of both the mean is 2.5 - 0.5 / (2n + 1), after one more `off`
2.5 + 0.5 / (n + 1), so that rounding tells them apart. No two tokens do that: after each pair their mean would be the
bound itself.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map
from torch import Tensor, nn
from transformers import AddedToken, PreTrainedConfig

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import PEFT_PREFIX, CheckpointReader, TensorPlan, copy_companions
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.export.gguf import GgufFiles, gguf_metadata, gguf_tensors, write_gguf_file
from multipl_moe.export.gguf_architectures import add_hyperparameters, gguf_architecture
from multipl_moe.export.gguf_tokenizer import add_tokenizer
from multipl_moe.export.model_card import CARD_FILE
from multipl_moe.export.weights import in_neighbouring_order
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.packs.canary import CANARY_FILE, canaries_of, save_canaries
from multipl_moe.packs.card import switch_card
from multipl_moe.packs.compose import require_base
from multipl_moe.packs.files import Pack, base_of, require_name
from multipl_moe.system.staging import refuse_existing, staged_folder

_ARCHITECTURE = "graniteswitch"
_FAMILIES = ("llama", "mistral")
_ENDS = ("embed_tokens.weight", "lm_head.weight")
_HOLDS = (True, True, False, False)  # of a pack's slots, which have its differences
_STANDS_FOR = "\n"
_MORE_ROWS = 16  # how llama.cpp multiplies, and so rounds, hangs on the number of rows modulo 16
# A cache in float16 tells slots apart for 1024 / slot control tokens: those of the sixth pack, up to 24, for 42.
_MOST_PACKS = 6


def export_switch(
    packs: Mapping[str, Path],
    output: Path,
    base: str | None = None,
    quantise: tuple[str, ...] = (),
    on_step: Callable[[str], None] = lambda title: None,
) -> list[Path]:
    """Write a folder with one GGUF file of a base and packs, copies with the base quantised, canary.json and a card.

    Args:
        packs: folders of packs by the name that is in their control tokens.
        output: folder to create; the files get its name.
        base: by any name that a recipe can have; None: the one that pack.json names.
        quantise: kinds of copies, as in `llama_cpp.QUANTISED`.

    Returns:
        The files, the unquantised one first.

    Raises:
        UserError: a pack is of another base, llama.cpp switches no packs on it, something cannot be read or written, or
            `output` exists.
    """
    refuse_existing(output)
    if len(packs) > _MOST_PACKS:
        raise ConfigError(
            f"--switch: {len(packs)} packs; llama.cpp tells up to {_MOST_PACKS} of one file apart; write two"
        )
    loaded = {require_name(name): Pack.load(folder) for name, folder in packs.items()}
    base, folder = base_of(loaded, base)
    _require_switchable(folder)
    require_base(loaded, packs, folder, base)
    files = GgufFiles(output.absolute().name, CheckpointReader(folder).weights_dtype, quantise)
    with staged_folder(output) as staging:
        files.write(staging, on_step, partial(_write_switch_gguf, folder, packs))
        canaries, tokens = {}, {name: control_tokens(name) for name in packs}
        for name, pack in packs.items():  # by itself, as its gate has no part in this
            first = {name: tokens[name][0]}
            canaries |= canaries_of(base, {name: pack}, staging / "composed", first, on_step)[0]
        save_canaries(staging / CANARY_FILE, canaries)
        card = switch_card(output.absolute().name, base, loaded, tokens, files.names)
        (staging / CARD_FILE).write_text(card, encoding="utf-8")
    return [output / name for name in files.names]


def control_tokens(pack: str) -> tuple[str, str, str]:
    """A pack's control tokens: the first of a text, and those that turn the pack off, and on again."""
    return f"<|{pack}|>", f"<|{pack}:off|>", f"<|{pack}:on|>"


def _require_switchable(base: Path) -> None:
    config, reader = load_config(base), CheckpointReader(base)
    rope = config.rope_parameters["rope_type"] if config.model_type in _FAMILIES else None
    refused = {
        f"it is {config.model_type}, not {' or '.join(_FAMILIES)}": rope is None,
        "it has biases": any(key.endswith(".bias") for key in reader.shapes),
        f"its rotary embedding is scaled by {rope}": rope not in ("default", "linear"),
    }
    if reasons := [reason for reason, is_so in refused.items() if is_so]:
        raise BaseModelError(
            f"--switch: llama.cpp switches no packs on {base.name}: {reasons[0]}; export with --adapter instead"
        )


def _write_switch_gguf(base: Path, packs: Mapping[str, Path], file: Path) -> None:
    """Write the packs in float32, and a tokenizer with control tokens, which the model reads as a line break."""
    config, differences = load_config(base), [_Differences(folder) for folder in packs.values()]
    with TemporaryDirectory() as temporary:
        tokenizer = Path(temporary)
        slots, stands_for = _add_control_tokens(base, packs, tokenizer)
        new = sorted(set(slots))
        config.vocab_size += max(0, -(-(new[-1] + 1 - config.vocab_size) // _MORE_ROWS) * _MORE_ROWS)
        architecture, reader = gguf_architecture(config), _WithControlRows(base, new, config.vocab_size)
        plans = [*_fused(gguf_tensors(reader, config, architecture)), *_stacked(reader, config, differences)]

        def describe(writer: GGUFWriter) -> None:
            gguf_metadata(base, file.stem, config, plans).set_gguf_meta_model(writer)
            add_hyperparameters(writer, config, architecture)
            writer.add_logit_scale(1.0)
            add_tokenizer(writer, tokenizer, config.vocab_size)
            writer.add_array("tokenizer.ggml.suppress_tokens", list(range(new[0], config.vocab_size)))
            writer.add_uint32(f"{_ARCHITECTURE}.adapters.count", len(slots))
            writer.add_uint32(f"{_ARCHITECTURE}.adapters.lora_rank", max(pack.rank for pack in differences))
            writer.add_array(f"{_ARCHITECTURE}.adapters.token_ids_activate", slots)
            writer.add_array(f"{_ARCHITECTURE}.adapters.token_ids_substitute", [stands_for] * len(slots))

        write_gguf_file(file, _ARCHITECTURE, plans, describe)


class _WithControlRows(CheckpointReader):
    """A base whose embedding and output layer have `num_rows`: those of control tokens are the mean of its tokens'."""

    def __init__(self, base: Path, control: list[int], num_rows: int) -> None:
        super().__init__(base)
        self._control, self._num_rows = control, num_rows
        self.shapes |= {key: (num_rows, *self.shapes[key][1:]) for key in self.shapes if key.endswith(_ENDS)}

    def read(self, key: str, index: int | None = None) -> Tensor:
        weight = super().read(key, index)
        if not key.endswith(_ENDS):
            return weight
        mean = weight[: self._control[0]].mean(dim=0, dtype=torch.float32).to(weight.dtype)
        rows = torch.cat([weight, mean.expand(self._num_rows - len(weight), -1)])
        rows[self._control] = mean
        return rows


def _add_control_tokens(base: Path, packs: Iterable[str], output: Path) -> tuple[list[int], int]:
    """Write the tokenizer with control tokens; returns the token of each slot, and the one that all stand for."""
    tokenizer: Any = load_tokenizer(base)
    known = tokenizer.get_vocab()
    by_slot: list[str] = []
    for first, off, on in map(control_tokens, packs):
        by_slot += [on, first, off, off]  # of two slots of one token the last counts
    if clash := sorted(known.keys() & by_slot):
        raise BaseModelError(f"--switch: {base.name} has a token {clash[0]}; give the pack another name, NAME=FOLDER")
    tokenizer.add_tokens([AddedToken(token, special=True) for token in dict.fromkeys(by_slot)], special_tokens=True)
    ids, stands_for = tokenizer.convert_tokens_to_ids(by_slot), tokenizer.encode(_STANDS_FOR, add_special_tokens=False)
    if min(ids) <= max(known.values()) or len(stands_for) != 1:
        raise BaseModelError(f"--switch: the tokenizer of {base.name} takes no new tokens, or has no line break")
    copy_companions(base, output)
    tokenizer.save_pretrained(output)
    return ids, stands_for[0]


def _fused(plans: list[TensorPlan]) -> Iterator[TensorPlan]:
    named = {plan.name: plan for plan in plans}
    for name, plan in named.items():
        if name.endswith("attn_q.weight"):
            three = [named[name.replace("attn_q", part)] for part in ("attn_q", "attn_k", "attn_v")]
            shape = (sum(one.shape[0] for one in three), plan.shape[1])
            yield TensorPlan(name.replace("attn_q", "attn_qkv"), shape, plan.dtype, partial(_in_turn, three))
        elif not name.endswith(("attn_k.weight", "attn_v.weight")):
            yield plan


def _in_turn(plans: list[TensorPlan]) -> Iterator[Tensor]:
    for plan in plans:
        yield from plan.pieces()


class _Differences:
    """A pack's low-rank differences, their scale in B, their rows as llama.cpp has them."""

    def __init__(self, folder: Path) -> None:
        experts = Pack.load(folder).moe.experts
        self.rank, self._scale = experts.rank, experts.scale
        self._reader = CheckpointReader(folder, "pack")

    def factor(self, module: str, factor: str, size: tuple[int, int], config: PreTrainedConfig) -> Tensor:
        """Factor A or B of a matrix in float32, padded with zeros to a size; zeros where the pack has none."""
        key = f"{PEFT_PREFIX}{module}.lora_{factor}.weight"
        if key not in self._reader.shapes:
            return torch.zeros(size)
        values = self._reader.read(key).float()
        if factor == "B":
            values = in_neighbouring_order(module, values, config) * self._scale
        return nn.functional.pad(values, (0, size[1] - values.shape[1], 0, size[0] - values.shape[0]))


def _stacked(base: CheckpointReader, config: PreTrainedConfig, packs: list[_Differences]) -> Iterator[TensorPlan]:
    """For each matrix of a layer (S, r, in) and (S, out, r) factors of all slots."""
    names = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    rank = max(pack.rank for pack in packs)
    for key, shape in base.shapes.items():
        if key.endswith("_proj.weight"):
            module = key.removesuffix(".weight")
            for factor, size in (("A", (rank, shape[1])), ("B", (shape[0], rank))):
                name, num_slots = f"{names.get_name(module)}.lora_{factor.lower()}", 1 + len(packs) * len(_HOLDS)
                pieces = partial(_slots, packs, module, factor, size, config)
                yield TensorPlan(name, (num_slots, *size), torch.float32, pieces)


def _slots(
    packs: list[_Differences], module: str, factor: str, size: tuple[int, int], config: PreTrainedConfig
) -> Iterator[Tensor]:
    nothing = torch.zeros(size)
    yield nothing
    for pack in packs:
        held = pack.factor(module, factor, size, config)
        yield from (held if holds else nothing for holds in _HOLDS)
