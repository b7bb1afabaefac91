"""The verbs of language packs: `multipl-moe pack`, `compose` and `check`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console, progress_bar, working
from multipl_moe.cli.options import named_packs, refuse_where, require_token


def pack(
    model: Annotated[Path, typer.Argument(help="Folder of the model: one expert a layer, and no routers.")],
    output: Annotated[Path, typer.Argument(help="Folder of the pack, to create.")],
    rank: Annotated[
        int | None, typer.Option(min=1, help="Rank to cut full experts to, such as 64; low-rank experts keep theirs.")
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="File with the results for its card: metrics.json, or what eval wrote. [the run's]"),
    ] = None,
) -> None:
    """Write what a model learnt as a pack, without the base: a LoRA in PEFT's format, with the gate that opens it.

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
    for language in dict.fromkeys(one for moe in config.packs_config.values() for one in moe.gate.languages):
        of = [name for name, moe in config.packs_config.items() if language in moe.gate.languages]
        if len(of) > 1:
            console.print(f"{language}: {' and '.join(of)} are all open for it, and share each token")
    console.print(f"{output}: load it, or give it to generate, eval, serve and export")


def check(
    url: Annotated[str, typer.Argument(help="Address of the server, such as http://127.0.0.1:8000/v1.")],
    canary: Annotated[Path, typer.Option(help="canary.json of `export --adapter` or `--switch`.")],
    base: Annotated[str | None, typer.Option(help="The server's name of the base. [the first that is none]")] = None,
    token: Annotated[str | None, typer.Option(envvar="MULTIPL_MOE_TOKEN", help="Bearer token of the server.")] = None,
) -> None:
    """Ask a server whether it has adapters on: vLLM, SGLang, llama.cpp's, or `serve` in front of one.

    Engines have loaded adapters that did nothing, and greedy text is often the same without them. Log-probabilities
    tell. Ends with 1 unless all adapters are on, for requests one by one and for both kinds at once.

    Example: `multipl-moe check http://127.0.0.1:8000/v1 --canary exports/both/canary.json`
    """
    require_token(token)

    from multipl_moe.packs.canary import load_canaries
    from multipl_moe.serve.check import check_server

    all_on = True
    with working("asking the server"):
        for name, found in check_server(url, load_canaries(canary), token=token, base=base):
            places = [
                f"{what} {'names no token that either finds likely' if place is None else f'{place:.2f}'}"
                for what, place in (("asked for it", found.adapter), ("for the base", found.base))
            ]
            told = f"{name}: {found.verdict} ({', '.join(places)}; 0 is the base, 1 the adapter)"
            if found.in_one_batch != found.verdict:
                told += f"; {found.in_one_batch} if both are asked for at once"
            console.print(told, soft_wrap=True)
            all_on &= found.verdict == found.in_one_batch == "on"
    raise typer.Exit(0 if all_on else 1)
