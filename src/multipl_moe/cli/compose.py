"""`multipl-moe compose`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import named_packs


def compose(
    output: Annotated[Path, typer.Argument(help="Folder of the model, to create.")],
    base: Annotated[str, typer.Option(help="Base that the packs were trained on: hub id, folder, GGUF file or name.")],
    pack: Annotated[
        list[str], typer.Option(metavar="[NAME=]FOLDER", help="Pack to put on it, under a name; may be repeated.")
    ],
) -> None:
    """Put language packs on their base: one model, in which each pack works on text in its languages.

    A pack changes nothing while its gate is shut. Leave it out, and the model is what it was before.

    Example: `multipl-moe compose models/mine --base qwen2.5-coder-0.5b-instruct --pack packs/ocaml --pack packs/lua`
    """
    packs = named_packs("--pack", pack)

    from multipl_moe.packs.compose import compose as put_together

    with progress_bar() as (on_step, on_progress):
        config = put_together(base, packs, output, on_step, on_progress)
    for name, moe in config.packs_config.items():
        console.print(f"{name}: opens for {', '.join(moe.gate.languages)}")
    console.print(f"{output}: load it, or give it to generate, eval, serve and export")
