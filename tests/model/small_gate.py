"""A gate of a few tokens, and slow references of what it says, word for word as its class says it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from multipl_moe.model.domain_gate import FROM_PROSE, OPENS, SHUTS, TO_PROSE, DomainGate
from multipl_moe.model.gate_reading import FENCE, LINE, SPACE, WORD
from multipl_moe.model.moe_config import GateConfig

NUM_TOKENS, BLANK, NEW_LINE, TICKS, ONE, OTHER, PART, REST = 20, 0, 1, 2, 3, 4, 5, 6
STRIDE = 4


def small_gate(**settings: Any) -> DomainGate:
    """A gate for two languages; after a fence token 3 names the first, 5 and 6 the second, and 4 one not learnt."""
    config = GateConfig(**({"languages": ["one", "two"], "start": 0.3, "bound": 0.1, "stride": STRIDE} | settings))
    gate, generator = DomainGate(replace(config, pairs=97), NUM_TOKENS), torch.Generator().manual_seed(3)
    gate.reset_buffers()
    gate.token_kinds[:3] = torch.tensor([SPACE, LINE, FENCE], dtype=torch.int8)
    gate.pair_scores.copy_(torch.randint(-127, 128, gate.pair_scores.shape, generator=generator))
    gate.calibration.copy_(torch.tensor([[0.5, 0.05], [0.4, -0.02]]))
    gate.names[:3] = torch.tensor([[ONE, -1, 0], [PART, REST, 1], [OTHER, -1, 2]])
    return gate


def texts(seed: int, lengths: list[int]) -> list[list[int]]:
    """Texts in which fences, names and white space are frequent."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.tensor([2.0, 1, 0.7, 0.5, 0.5, 1, 1] + [0.7] * (NUM_TOKENS - 7))
    return [torch.multinomial(weights, length, True, generator=generator).tolist() for length in lengths]


def place(near: int, symbol: int) -> int:
    """Where a pair lies in the tables."""
    return ((near * 2654435761 + symbol * 2246822519) >> 15) % 97


@dataclass
class Piece:
    """A segment: nats for each language and for prose, and which language a fence names where it begins, and after."""

    evidence: list[float]
    named: int
    named_after: int
    size: int


def pieces_of(gate: DomainGate, tokens: list[int]) -> list[Piece]:
    """The segments of a text, with lists and one token after the other."""
    lines = [gate.calibration[0].tolist()] * gate.num_learn + [gate.calibration[1].tolist()]
    before, named, pieces = [0, 0], -1, []
    for number, token in enumerate(tokens):
        if number % STRIDE == 0:
            pieces.append(Piece([0.0] * len(lines), named, named, 0))
        kind = int(gate.token_kinds[token])
        symbol = token if kind == WORD else 2**20 + kind
        if named < 0:
            for column, (slope, offset) in enumerate(lines):
                pairs = [int(gate.pair_scores[i, place(before[-1 - i], symbol), column]) for i in range(2)]
                pieces[-1].evidence[column] += slope * sum(pairs) / 2 / 127 * 3 + offset
        fence = 2**20 + FENCE
        for name, rest, language in gate.names.tolist():
            if (rest == -1 and before[-1] == fence and token == name) or (before == [fence, name] and token == rest):
                named = language
        if kind == FENCE:
            named = -1
        if kind != SPACE:
            before = [before[-1], symbol]
        pieces[-1].named_after, pieces[-1].size = named, pieces[-1].size + 1
    return pieces


def changes(gate: DomainGate) -> list[list[float]]:
    """How likely each state is followed by each, a segment later."""
    count = gate.num_learn
    prose, other = count, count + 1
    rows = [[0.0] * (count + 2) for _ in range(count + 2)]
    for language in range(count):
        rows[language][other] = SHUTS * STRIDE * (1 - TO_PROSE * STRIDE)
        rows[prose][language] = FROM_PROSE * STRIDE / 2 / count
        rows[other][language] = OPENS * STRIDE / count * (1 - TO_PROSE * STRIDE)
    rows[prose][other] = FROM_PROSE * STRIDE / 2
    for state, row in enumerate(rows):
        row[prose] += TO_PROSE * STRIDE if state != prose else 0
        row[state] += 1 - sum(row)
    return rows


def _prior(gate: DomainGate) -> list[float]:
    return [0.5 / gate.num_learn] * gate.num_learn + [0.25, 0.25]


def _likelihoods(piece: Piece) -> list[float]:
    return [math.exp(nats) for nats in [*piece.evidence, 0.0]]


def said_of_text(gate: DomainGate, tokens: list[int]) -> list[float]:
    """p of each token of a text, by what went before its segment."""
    count, chances, said = gate.num_learn, changes(gate), []
    belief = _prior(gate)
    for number, piece in enumerate(pieces_of(gate, tokens)):
        p = sum(belief[:count])
        p = 0.0 if p < gate.bound else 1.0 if p > 1 - gate.bound else p
        if piece.named >= 0:
            p = 1.0 if piece.named < count else 0.0
        said += [p if number else gate.start] * piece.size
        weighed = [b * factor for b, factor in zip(belief, _likelihoods(piece), strict=True)]
        belief = [
            sum(w * row[j] for w, row in zip(weighed, chances, strict=True)) / sum(weighed) for j in range(count + 2)
        ]
    return said


def said_of_prompt(gate: DomainGate, tokens: list[int]) -> list[float]:
    """p of each token of a prompt, by all of it: of all ways that its segments may be of states, those that fit."""
    count, chances, pieces = gate.num_learn, changes(gate), pieces_of(gate, tokens)
    prior, said = _prior(gate), []
    for number, piece in enumerate(pieces):
        ways = [0.0] * (count + 2)
        for state in range(count + 2):
            row = [p * (number != 0 or i == state) for i, p in enumerate(prior)]
            for later, other in enumerate(pieces):
                row = [value * factor for value, factor in zip(row, _likelihoods(other), strict=True)]
                if later + 1 < len(pieces):
                    row = [sum(v * way[j] for v, way in zip(row, chances, strict=True)) for j in range(count + 2)]
                    row = [value * (later + 1 != number or j == state) for j, value in enumerate(row)]
            ways[state] = sum(row)
        p = sum(ways[:count]) / sum(ways)
        named = piece.named_after if number == len(pieces) - 1 else piece.named
        said += [p if named < 0 else float(named < count)] * piece.size
    return said
