"""Showing a text coloured by the experts that its tokens go through."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from rich.text import Text
from tokenizers.decoders import DecodeStream
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from multipl_moe.errors import ConfigError
from multipl_moe.model.expert_use import ExpertUse, expert_names
from multipl_moe.model.fusion import FusedWeights, fuse_weights
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import observe_with

_COLOURS = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#4e8fd9", "#d55e00", "#cc79a7", "#a6761d",
    "#66c2a5", "#fc8d62", "#8da0cb", "#e78ac3", "#a6d854", "#ffd92f", "#b3b3b3", "#1b9e77",
)  # fmt: skip
_NO_EXPERT = "dim"
_MIN_SHARE = 0.1


@dataclass(frozen=True)
class RoutedText:
    """A text whose every token has an expert of one kind ("token" or "segment"), an index into the names of these.

    None stands where no expert of this kind took the token.
    """

    kind: str
    names: list[str]
    expert_of_token: list[int | None]


def hybrid_layer(model: MultiplMoeForCausalLM, layer: int | None) -> int:
    """The layer to show: the last hybrid one where none is asked for; raises ConfigError when `layer` is not hybrid."""
    if layer is not None and layer not in model.hybrid_layers:
        known = ", ".join(map(str, model.hybrid_layers))
        raise ConfigError(f"--layer: {layer} is not a hybrid layer; those are {known}")
    return max(model.hybrid_layers) if layer is None else layer


@torch.no_grad()
def route_text(model: MultiplMoeForCausalLM, tokens: Tensor, layer: int) -> list[RoutedText]:
    """For each kind of expert, the one with the largest weight for each of a text's (T,) tokens, in one hybrid layer.

    Where a domain gate is shut there is none. The model is in evaluation mode.
    """
    seen: list[FusedWeights] = []
    open_share: list[Tensor] = []

    def observe(block, plan, token_routing, segment_routing) -> None:
        weights = fuse_weights(block.moe, plan, token_routing, segment_routing)
        seen.append(weights.behind_gate(open_share[0][plan.segment_of_token]) if open_share else weights)

    def note_gate(gate: nn.Module, args: Any, p_V: Any) -> None:
        open_share.append(p_V)

    moe = model.config.moe_config
    with observe_with(model, {layer: observe}), ExitStack() as hooks:
        if moe.domain_gate:
            hooks.callback(model.model.domain_gate.register_forward_hook(note_gate).remove)
        model.model(input_ids=tokens[None])
    num_routed = moe.num_token_experts - 1
    kinds = {"token": slice(0, num_routed), "segment": slice(num_routed, None)}
    return [
        RoutedText(kind, names, _strongest(seen[0].experts[:, part]))
        for kind, part in kinds.items()
        if (names := expert_names(moe)[:-1][part])
    ]


def _strongest(weights: Tensor) -> list[int | None]:
    best = weights.max(dim=1)
    pairs = zip(best.values.tolist(), best.indices.tolist(), strict=True)
    return [index if weight > 0 else None for weight, index in pairs]


def colour_text(routed: RoutedText, tokenizer: PreTrainedTokenizerBase, tokens: list[int], num_prompt: int) -> Text:
    """The text, each token in the colour of its expert; what the model wrote, after `num_prompt` tokens, is bold."""
    text = Text()
    backend: Any = getattr(tokenizer, "backend_tokenizer")  # noqa: B009 (only fast ones have it)
    stream = DecodeStream(skip_special_tokens=True)
    for number, (token, expert) in enumerate(zip(tokens, routed.expert_of_token, strict=True)):
        colour = _NO_EXPERT if expert is None else _COLOURS[expert % len(_COLOURS)]
        text.append(stream.step(backend, token) or "", style=colour if number < num_prompt else f"bold {colour}")
    return text


def legend(routed: RoutedText, use: ExpertUse | None, layer: int, first_expert: int) -> Table:
    """What the colours mean: the expert, the languages that it serves most, and its share of this text's tokens.

    Args:
        routed: from `route_text`.
        use: the model's measured use of its experts, if it is known.
        layer: index of the layer shown.
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
        table.add_row(Text(name, style=_COLOURS[number % len(_COLOURS)]), languages, f"{share:.0%}")
    if missing := routed.expert_of_token.count(None):
        table.add_row(Text("none", style=_NO_EXPERT), "", f"{missing / count:.0%}")
    return table


def _languages(shares: dict[str, float]) -> str:
    """The favourite, and others with a share to speak of, at most three."""
    named = [f"{name} {share:.0%}" for name, share in shares.items() if share >= _MIN_SHARE]
    return ", ".join(named[:3]) or "nothing"
