"""Showing a text coloured by the experts that its tokens go through."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from rich.table import Table
from rich.text import Text
from tokenizers.decoders import DecodeStream
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from multipl_moe.errors import ConfigError
from multipl_moe.model.expert_use import ExpertUse, expert_names
from multipl_moe.model.fusion import FusedWeights, fuse_weights
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.routing_pass import open_of_tokens
from multipl_moe.model.statistics import observe_with

_EXPERT_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#4e8fd9", "#d55e00", "#cc79a7", "#a6761d",
    "#66c2a5", "#fc8d62", "#8da0cb", "#e78ac3", "#a6d854", "#ffd92f", "#b3b3b3", "#1b9e77",
)  # fmt: skip
_NO_EXPERT = "dim"  # styles of text: gate shut, or no expert chosen
GATE_COLOUR = "#4e8fd9"  # none of those of better and worse
_HALF_OPEN = "#8da0cb"  # p up to a half
_OPEN = f"bold {GATE_COLOUR}"  # p above a half
_MIN_SHARE = 0.1


@dataclass(frozen=True)
class RoutedText:
    """A text whose every token has an expert of one kind ("token" or "segment"), an index into the names of these.

    None stands where no expert of this kind took the token.
    """

    kind: str
    names: list[str]
    expert_of_token: list[int | None]


def hybrid_layer(model: MultiplMoeForCausalLM, layer: int | None) -> int | None:
    """The layer to show: the last hybrid one where none is asked for, None where no layer has routers.

    Raises:
        ConfigError: `layer` has no routers.
    """
    layers = list(model.hybrid_layers)
    if layer is not None and layer not in layers:
        known = f"those are {', '.join(map(str, layers))}" if layers else "it has none; leave it out"
        raise ConfigError(f"--layer: {layer} is not a layer of this model with routers; {known}")
    return max(layers, default=None) if layer is None else layer


class RoutedPass(NamedTuple):
    """What a hybrid made of a text of T tokens.

    Attributes:
        logits: (T, V).
        weights: by layer index, (T, E) with what weight each expert enters; 0 where the domain gate is shut.
        gate: (T,) p of the domain gate at each token, of several in all; None: routers alone decide.
    """

    logits: Tensor
    weights: dict[int, Tensor]
    gate: Tensor | None


@torch.no_grad()
def routed_pass(
    model: MultiplMoeForCausalLM,
    tokens: Tensor,
    layers: Iterable[int],
    open_share: float | Tensor | None = None,
    num_prompt: int = 0,
) -> RoutedPass:
    """Run a text's (T,) tokens, and see how they are routed in some hybrid layers.

    The model is in evaluation mode, and nothing else uses it meanwhile. `open_share` takes the gate's place. Of the
    first `num_prompt` tokens gates decided as of a prompt, before the others were written.
    """
    known = {} if open_share is None else {"open_share": open_share}
    if num_prompt and open_share is None:
        known = {"prompt_share": model.model.read_prompt(tokens[None, :num_prompt])}
    fused: dict[int, FusedWeights] = {}
    opened: list[Tensor] = []

    def observe(block, plan, routed, *, index: int) -> None:
        fused[index] = fuse_weights(block.moe, plan, routed)

    def note_gate(gate: Any, args: Any, p_V: Any) -> None:
        opened.append(open_of_tokens(p_V, args[1], gate.first_share if args[3] is None else 1.0))

    observers = {index: partial(observe, index=index) for index in layers}
    with observe_with(model, observers), ExitStack() as hooks:
        for gate in model.model.gates.values():
            hooks.callback(gate.register_forward_hook(note_gate).remove)
        logits = model(input_ids=tokens[None], use_cache=False, **known).logits[0]
    gate_T = torch.stack(opened).sum(dim=0).clamp(max=1) if opened else None
    if open_share is not None or (gate_T is None and not model.config.moe_config.is_routed):
        told = torch.as_tensor(1.0 if open_share is None else open_share).sum().clamp(max=1)
        gate_T = told.to(tokens.device).expand(tokens.shape)
    shut = {index: weights if gate_T is None else weights.behind_gate(gate_T) for index, weights in fused.items()}
    return RoutedPass(logits, {index: weights.experts for index, weights in shut.items()}, gate_T)


def route_text(model: MultiplMoeForCausalLM, routed: RoutedPass, layer: int) -> list[RoutedText]:
    """For each kind of expert, the one with the largest weight for each token of a pass, in one layer with routers.

    Where a domain gate is shut there is none.
    """
    moe, weights = model.config.moe_config, routed.weights[layer].tolist()
    num_routed = 0 if moe.routing is None else moe.routing.num_routed_experts
    kinds = {"token": slice(0, num_routed), "segment": slice(num_routed, None)}
    return [
        RoutedText(kind, names, [strongest_of(row[part]) for row in weights])
        for kind, part in kinds.items()
        if (names := expert_names(moe)[:-1][part])
    ]


def strongest_of(weights: Sequence[float]) -> int | None:
    """The expert with the largest weight; None where all are 0."""
    best = max(range(len(weights)), key=weights.__getitem__)
    return best if weights[best] > 0 else None


def colour_text(routed: RoutedText, pieces: Sequence[str], num_prompt: int) -> Text:
    """The text, each token in the colour of its expert; what the model wrote, after `num_prompt` tokens, is bold."""
    colours = [_NO_EXPERT if expert is None else expert_colour(expert) for expert in routed.expert_of_token]
    styles = [*colours[:num_prompt], *(f"bold {colour}" for colour in colours[num_prompt:])]
    return Text.assemble(*zip(pieces, styles, strict=True))


def colour_gate(gate: Tensor, pieces: Sequence[str]) -> Text:
    """The text, bright where the domain gate (T,) is open, and what that means."""
    share = (gate > 0).float().mean().item()
    text = Text(f"domain gate: open for {share:.0%} of the tokens (bright); elsewhere the model is its base\n\n")
    return text.append_text(gate_text(pieces, gate.tolist()))


def gate_text(pieces: Sequence[str], gate: Sequence[float]) -> Text:
    """A text, given as what each token adds to it, bright where the domain gate is open."""
    styles = [_NO_EXPERT if p == 0 else _OPEN if p > 0.5 else _HALF_OPEN for p in gate]
    return Text.assemble(*zip(pieces, styles, strict=True))


def pieces(tokenizer: PreTrainedTokenizerBase, tokens: list[int]) -> list[str]:
    """What each token adds to the text; nothing for a special one, and for one that ends within a character."""
    backend: Any = getattr(tokenizer, "backend_tokenizer")  # noqa: B009 (only fast ones have it)
    stream = DecodeStream(skip_special_tokens=True)
    return [stream.step(backend, token) or "" for token in tokens]


def legend(routed: RoutedText, use: ExpertUse | None, layer: int, first_expert: int) -> Table:
    """What the colours mean: the expert, the languages that it serves most, and its share of this text's tokens.

    Args:
        routed: from `route_text`.
        use: the model's measured use of its experts, if it is known.
        first_expert: place of this kind's first expert among all of the layer's.
    """
    table = Table(title=f"{routed.kind} experts of layer {layer}", title_justify="left", box=None)
    for column in ("expert", "serves most", "of this text"):
        table.add_column(column)
    served = use.languages_served(layer) if use is not None else None
    count = len(routed.expert_of_token)
    for number, name in enumerate(routed.names):
        languages = _languages(served[first_expert + number]) if served else "not measured"
        share = routed.expert_of_token.count(number) / count
        table.add_row(Text(name, style=expert_colour(number)), languages, f"{share:.0%}")
    if missing := routed.expert_of_token.count(None):
        table.add_row(Text("none", style=_NO_EXPERT), "", f"{missing / count:.0%}")
    return table


def expert_colour(expert: int) -> str:
    """Of an expert, by its place among those of its kind."""
    return _EXPERT_COLOURS[expert % len(_EXPERT_COLOURS)]


def _languages(shares: dict[str, float]) -> str:
    named = [f"{name} {share:.0%}" for name, share in shares.items() if share >= _MIN_SHARE]
    return ", ".join(named[:3]) or "nothing"
