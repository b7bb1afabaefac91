"""`export --switch`: a base and packs as one file, in which llama.cpp switches packs by token."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.tensors import CheckpointReader
from multipl_moe.errors import ConfigError
from multipl_moe.export.gguf_files import GgufFiles
from multipl_moe.export.model_card import CARD_FILE
from multipl_moe.packs.canary import CANARY_FILE, canaries_of, save_canaries
from multipl_moe.packs.card import switch_card
from multipl_moe.packs.compose import require_base
from multipl_moe.packs.files import Pack, require_name
from multipl_moe.packs.switch_gguf import control_tokens, require_switchable, write_switch_gguf
from multipl_moe.system.staging import refuse_existing, staged_folder

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
    base = base or next(iter(loaded.values())).base.name
    folder = resolve_base(base)
    require_switchable(folder)
    require_base(loaded, packs, folder, base)
    files = GgufFiles(output.absolute().name, CheckpointReader(folder).weights_dtype, quantise)
    with staged_folder(output) as staging:
        files.write(folder, staging, on_step, partial(write_switch_gguf, folder, packs))
        canaries = {}
        for name, pack in packs.items():  # by itself, as its gate has no part in this
            first = {name: control_tokens(name)[0]}
            canaries |= canaries_of(base, {name: pack}, staging / "composed", first, on_step)[0]
        save_canaries(staging / CANARY_FILE, canaries)
        (staging / CARD_FILE).write_text(switch_card(output.absolute().name, base, loaded, files.names), "utf-8")
    return [output / name for name in files.names]
