"""`multipl-moe check`."""

from pathlib import Path
from typing import Annotated

import typer

from multipl_moe.cli.app import console, working
from multipl_moe.cli.options import require_token


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
