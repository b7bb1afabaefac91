"""`multipl-moe pack`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import refuse_where


def pack(
    model: Annotated[Path, typer.Argument(help="Folder of the model: one expert a layer, and no routers.")],
    output: Annotated[Path, typer.Argument(help="Folder of the pack, to create.")],
    rank: Annotated[
        int | None,
        typer.Option(min=1, help="Rank to cut full experts to, such as 64; low-rank experts keep theirs."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="File with the results for its card: metrics.json, or what eval wrote. [the run's]"),
    ] = None,
) -> None:
    """Write what a model learnt as a pack of some megabytes: a LoRA in PEFT's format, with the gate that opens it.

    `compose` puts packs on their base; peft, vLLM and llama.cpp take one as a LoRA that is always on. Its README.md
    says how.

    Example: `multipl-moe pack runs/ocaml/model packs/ocaml`
    """
    refuse_where(
        (not model.is_dir(), f"model: {model} is not a folder"),
        (metrics is not None and not metrics.is_file(), f"--metrics: {metrics} is not a file"),
    )

    from multipl_moe.packs.files import size_of
    from multipl_moe.packs.write import write_pack

    with console.status("reading") as status:
        written = write_pack(model, output, rank, metrics, status.update)
    languages = ", ".join(written.languages) or "all text"
    console.print(f"{output}: {size_of(output)}, rank {written.moe.experts.rank}, opens for {languages}")
    if written.kept:
        left = f"which leaves {written.kept['share']:.1%} of the squares of what was learnt"
        console.print(f"cut to rank {rank}, {left}; compose it and run eval to see what that costs")
