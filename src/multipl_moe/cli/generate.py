"""`multipl-moe generate`."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multipl_moe.cli.app import console
from multipl_moe.cli.options import model_folder, refuse_where
from multipl_moe.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from multipl_moe.generate.text import TextGenerator
    from multipl_moe.model.expert_use import ExpertUse


_File = Annotated[Path | None, typer.Option(help="File that holds the prompt.")]
_Suffix = Annotated[
    str | None, typer.Option(help="Text that follows the gap to fill; the prompt is the text before it.")
]
_Chat = Annotated[
    bool, typer.Option("--chat/--raw", help="Answer the prompt by the chat template, or continue its text.")
]
_TopP = Annotated[
    float, typer.Option(min=0, max=1, help="Nucleus sampling (top p): share of the probability to draw tokens from.")
]
_Layer = Annotated[int | None, typer.Option(help="Index of the hybrid layer that --show-routing shows. [the last]")]
_Language = Annotated[
    str | None,
    typer.Option(
        help="Language of the text: opens the domain gate for one that was learnt, shuts it for any other. [a file's "
        "name in the text's head, else the gate decides]"
    ),
]
_ShowRouting = Annotated[
    bool, typer.Option("--show-routing", help="Show the text coloured by expert after generation, with a legend.")
]


def generate(
    model: Annotated[
        Path, typer.Argument(help="Folder of the model, hybrid or dense, or of a pack; or a base by name.")
    ],
    prompt: Annotated[
        str | None, typer.Argument(help="Text to continue; left out or -, it is read from stdin.")
    ] = None,
    file: _File = None,
    suffix: _Suffix = None,
    chat: _Chat = False,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Maximum number of tokens to generate.")] = 256,
    temperature: Annotated[
        float, typer.Option(min=0, max=10, help="Sampling temperature; 0 takes the likeliest token each time.")
    ] = 0.0,
    top_p: _TopP = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="Stop string that ends the answer; may be repeated.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed for sampling.")] = 0,
    language: _Language = None,
    show_routing: _ShowRouting = False,
    layer: _Layer = None,
) -> None:
    """Continue a prompt, answer it with --chat or fill the gap before --suffix, and print the text as it comes.

    Only the new text goes to stdout, with --suffix what fills the gap. --show-routing prints prompt and text once more
    below it, each token coloured where the domain gate is open; of routed experts by its token and its segment expert,
    and the legend names the languages that an expert serves most.

    Example: `multipl-moe generate runs/demo/model "fn main() {" --show-routing`
    """
    refuse_where(
        (layer is not None and not show_routing, "--layer: it goes with --show-routing; leave it out, or add that"),
        (top_p == 0, "--top-p: 0 leaves no token to draw; give a share above 0, or --temperature 0 for the likeliest"),
        (chat and suffix is not None, "--suffix: it does not go with --chat; leave one of them out"),
    )
    _require_utf8("--suffix", suffix or "")
    text, model = _prompt(prompt, file), model_folder(model)

    from multipl_moe.checkpoints.loading import load_model
    from multipl_moe.generate.text import TextGenerator, load_tokenizer, told_language
    from multipl_moe.packs.compose import model_of

    folder = model_of(model)
    generator = TextGenerator(load_model(folder), load_tokenizer(folder))
    shown = _what_to_show(generator, folder, layer) if show_routing else None
    tokens = generator.encode(text, chat=chat) if suffix is None else generator.encode_gap(text, suffix)
    told = told_language(generator.model.config, language, "" if chat else text)
    written = generator.generate(
        tokens,
        partial(print, end="", flush=True),
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        stop=stop,
        seed=seed,
        **told,
    )
    print()
    if shown is not None:
        _show_routing(generator, written, tokens.shape[1], *shown, told.get("open_share"))


def _prompt(text: str | None, file: Path | None) -> str:
    if text not in (None, "-") and file is not None:
        raise ConfigError("prompt: given both as an argument and with --file; choose one")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--file: {file} cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if text is None and sys.stdin.isatty():
        raise ConfigError("prompt: give it as an argument, with --file, or on stdin")
    try:
        prompt = sys.stdin.read() if text is None or text == "-" else text
    except UnicodeError as error:
        raise ConfigError(f"prompt: it is not UTF-8 text ({error}); convert it first") from error
    _require_utf8("prompt", prompt)
    return prompt


def _require_utf8(name: str, text: str) -> None:
    """Refuse what is no text: in some locales Python reads any bytes, as characters that are none."""
    try:
        text.encode()
    except UnicodeError as error:
        raise ConfigError(f"{name}: it is not UTF-8 text ({error}); convert it first") from error


def _what_to_show(generator: "TextGenerator", folder: Path, layer: int | None) -> tuple[int | None, "ExpertUse | None"]:
    from multipl_moe.generate.routing import hybrid_layer
    from multipl_moe.model.expert_use import ExpertUse
    from multipl_moe.model.modeling import MultiplMoeForCausalLM

    if not isinstance(generator.model, MultiplMoeForCausalLM):
        raise ConfigError(f"--show-routing: {folder} is dense; it has no routers")
    use = ExpertUse.load(folder)
    if use is not None:
        use.require_fit(folder, generator.model.config.moe_config)
    return hybrid_layer(generator.model, layer), use


def _show_routing(
    generator: "TextGenerator",
    tokens: "Tensor",
    num_prompt: int,
    layer: int | None,
    use: "ExpertUse | None",
    open_share: "float | Tensor | None",
) -> None:
    from multipl_moe.generate.routing import colour_gate, colour_text, legend, pieces, route_text, routed_pass

    layers = [] if layer is None else [layer]
    seen = routed_pass(generator.model, tokens, layers, open_share, num_prompt)
    text = pieces(generator.tokenizer, tokens.tolist())
    if seen.gate is not None:
        console.print()
        console.print(colour_gate(seen.gate, text), soft_wrap=True)
    if layer is None:
        return
    first = 0
    for routed in route_text(generator.model, seen, layer):
        console.print()
        console.print(legend(routed, use, layer, first))
        console.print()
        console.print(colour_text(routed, text, num_prompt), soft_wrap=True)
        first += len(routed.names)
