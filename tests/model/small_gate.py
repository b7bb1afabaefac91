"""A gate of a few tokens, and slow references of what it says, word for word as its class says it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.gate_reading import (
    COMMENT,
    FENCE,
    LAST,
    LINE,
    OF_A_NAME,
    OWN_COMMENT,
    SPACE,
    SPECIAL,
    TURN,
    WORD,
)
from multipl_moe.model.gate_states import FORGETS, FROM_PROSE, OPENS, SHUTS, STAYS, TO_ANSWER, TO_CODE_BELOW, TO_PROSE
from multipl_moe.model.moe_config import GateConfig

NUM_TOKENS, BLANK, NEW_LINE, TICKS, ONE, OTHER, PART, REST, SPEAKER, IN = 22, 0, 1, 2, 3, 4, 5, 6, 7, 8
ENDS, SLASHES, SPECIAL_TOKEN, DASHES = 17, 18, 19, 20
STRIDE = 4


def small_gate(**settings: Any) -> DomainGate:
    """A gate for two languages; token 3 names the first, 5 and 6 the second, and 4 one not learnt, each after a fence
    and in prose; there 5 alone names the one not learnt, too, and after 8 they are asked for. Token 7 begins a turn,
    17 ends a line, as does 19, which is special; 18 and 20 are a comment where they begin one, 20 of a language to
    learn alone."""
    config = GateConfig(**({"languages": ["one", "two"], "start": 0.3, "bound": 0.1, "stride": STRIDE} | settings))
    gate, generator = DomainGate(replace(config, pairs=97), NUM_TOKENS), torch.Generator().manual_seed(3)
    gate.reset_buffers()
    gate.token_kinds[:3], gate.token_kinds[SPEAKER] = torch.tensor([SPACE, LINE, FENCE], dtype=torch.int8), TURN
    gate.token_kinds[ENDS : DASHES + 1] = torch.tensor([LAST, COMMENT, SPECIAL, OWN_COMMENT], dtype=torch.int8)
    gate.pair_scores.copy_(torch.randint(-127, 128, gate.pair_scores.shape, generator=generator))
    gate.calibration.copy_(torch.tensor([[0.5, 0.05], [0.4, -0.02]]))
    gate.names[:3] = torch.tensor([[ONE, -1, 0], [PART, REST, 1], [OTHER, -1, 2]])
    mentions = [[-1, -1, ONE, 0, 0], [-1, -1, OTHER, 2, 0], [-1, -1, PART, 2, 0], [-1, PART, REST, 1, 0]]
    mentions += [[-1, IN, ONE, 0, 1], [-1, IN, OTHER, 2, 1], [IN, PART, REST, 1, 1]]
    gate.mentions[:7] = torch.tensor(mentions)
    return gate


def texts(seed: int, lengths: list[int]) -> list[list[int]]:
    """Texts in which fences, names, turns and white space are frequent."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.tensor([2.0, 1, 0.7, 0.5, 0.5, 1, 1, 0.2] + [0.7] * (NUM_TOKENS - 8))
    return [torch.multinomial(weights, length, True, generator=generator).tolist() for length in lengths]


def place(near: int, symbol: int) -> int:
    """Where a pair lies in the tables."""
    return ((near * 2654435761 + symbol * 2246822519) >> 15) % 97


@dataclass
class Piece:
    """A segment: nats for each language and for prose; the languages that it names and asks for before a turn begins in
    it, and after that, the last number for others; and which language a fence names where it begins, and after it."""

    evidence: list[float]
    names: list[list[int]]
    asks: list[list[int]]
    named: int
    named_after: int
    size: int = 0
    has_turn: bool = False


def pieces_of(gate: DomainGate, tokens: list[int]) -> list[Piece]:
    """The segments of a text, with lists and one token after the other."""
    lines = [gate.calibration[0].tolist()] * gate.num_learn + [gate.calibration[1].tolist()]
    kinds, scores = gate.token_kinds.tolist(), gate.pair_scores.tolist()
    mentions, names = gate.mentions.tolist(), gate.names.tolist()
    before, named, share, pieces = [0, 0], -1, 1.0, []
    for number, token in enumerate(tokens):
        if number % gate.stride == 0:
            pieces.append(Piece([0.0] * len(lines), [[], []], [[], []], named, named))
        kind, piece = kinds[token], pieces[-1]
        symbol = token if kind in (WORD, COMMENT, LAST, SPECIAL, OWN_COMMENT) else 2**20 + kind
        if kind != SPACE and before[-1] in (0, ENDS, SPECIAL_TOKEN, 2**20 + LINE, 2**20 + TURN):
            share = {COMMENT: 0.1, OWN_COMMENT: 0.01}.get(kind, 1.0)
        if named < 0:
            near = 2**20 + LINE if before[-1] == ENDS else before[-1]
            for column, (slope, offset) in enumerate(lines):
                pairs = [scores[i][place((near, before[0])[i], symbol)][column] for i in range(2)]
                piece.evidence[column] += share * (slope * sum(pairs) / 2 / 127 * 3 + offset)
            *_, longest = [None, *(row for row in mentions if _ends_with(row[:3], [*before, token]))]
            if longest is not None:
                (piece.asks if longest[4] else piece.names)[piece.has_turn].append(longest[3])
                piece.evidence[-1] += share * OF_A_NAME
        fence = 2**20 + FENCE
        for name, rest, language in names:
            if (rest == -1 and before[-1] == fence and token == name) or (before == [fence, name] and token == rest):
                named = language
        begins = kind == TURN and 2**20 + TURN not in before
        if kind == FENCE or begins:
            named = -1
        if kind != SPACE:
            before = [before[-1], symbol]
        piece.named_after, piece.size, piece.has_turn = named, piece.size + 1, piece.has_turn or begins
    return pieces


def _ends_with(name: list[int], tokens: list[int]) -> bool:
    return name[-1] >= 0 and all(one in (-1, token) for one, token in zip(name, tokens, strict=True))


def states(gate: DomainGate) -> list[tuple[str, int]]:
    """What a text may be; the last number of `about` is for languages that are not learnt, `below` is other code."""
    count = gate.num_learn
    kinds = [[(kind, number) for number in range(count)] for kind in ("code", "answer", "about", "below")]
    return [*kinds[0], *kinds[1], *kinds[2], ("about", count), *kinds[3], ("prose", -1), ("other", -1)]


def changes(gate: DomainGate) -> list[list[float]]:
    """How likely each state is followed by each, a segment later."""

    def soon(chance: float) -> float:
        return min(chance * gate.stride, 0.5)

    count, known = gate.num_learn, states(gate)
    rows = {state: dict.fromkeys(known, 0.0) for state in known}
    for (kind, number), row in rows.items():
        for language in range(count):
            if kind in ("other", "below"):
                row["code", language] = soon(OPENS) / count * (1 - soon(TO_PROSE))
            if kind == "prose":
                row["code", language] = soon(FROM_PROSE) / 2 / count
        if kind == "code":
            row["other", -1] = soon(SHUTS) * (1 - soon(TO_PROSE))
        if kind in ("code", "other"):
            row["prose", -1] = soon(TO_PROSE)
        if kind == "prose":
            row["other", -1] = soon(FROM_PROSE) / 2
        if kind in ("about", "answer"):
            row["prose", -1] = soon(FORGETS)
        if kind == "about" and number < count:
            row["code", number], row["below", number] = soon(FROM_PROSE) / 2, soon(TO_CODE_BELOW)
        if (kind, number) == ("about", count):
            row["other", -1] = soon(FROM_PROSE)
        if kind == "below":
            row["about", number] = soon(TO_PROSE)
        if kind == "answer":
            row["code", number], row["other", -1] = soon(TO_ANSWER), soon(FROM_PROSE) / 2
        row[kind, number] += 1 - sum(row.values())
    return [list(row.values()) for row in rows.values()]


def _prior(gate: DomainGate) -> list[float]:
    shares = {"code": 0.5 / gate.num_learn, "prose": 0.25, "other": 0.25}
    return [shares.get(kind, 0.0) for kind, _ in states(gate)]


def _likelihoods(gate: DomainGate, piece: Piece) -> list[float]:
    nats = [
        0.0 if kind in ("other", "below") else piece.evidence[number if kind == "code" else -1]
        for kind, number in states(gate)
    ]
    return [math.exp(max(-20.0, min(value, 20.0))) for value in nats]


def _begun(gate: DomainGate, belief: list[float], piece: Piece) -> list[float]:
    """What is thought once a piece has named what it names, a turn has begun, and it has named what comes after that.

    Prose is about the first language that it names, and about each that it asks for. After prose about a language to
    learn, or code below it, comes the answer, and half of the answers are done where the next turn begins.
    """
    known = _named(gate, dict(zip(states(gate), belief, strict=True)), piece.names[0], piece.asks[0])
    if piece.has_turn:
        for language in range(gate.num_learn):
            answered = known["answer", language]
            known["answer", language] = known["about", language] + known["below", language] + STAYS * answered
            known["prose", -1] += (1 - STAYS) * answered
            known["about", language] = known["below", language] = 0.0
    return list(_named(gate, known, piece.names[1], piece.asks[1]).values())


def _named(
    gate: DomainGate, belief: dict[tuple[str, int], float], names: list[int], asks: list[int]
) -> dict[tuple[str, int], float]:
    known = dict.fromkeys(states(gate), 0.0)
    for (kind, number), share in belief.items():
        if kind in ("prose", "about", "answer") and asks:
            for language in asks:
                is_same = kind == "answer" and number == language
                known["answer" if is_same else "about", language] += share / len(asks)
        elif kind == "prose" and names:
            for language in names:
                known["about", language] += share / len(names)
        else:
            known[kind, number] += share
    return known


def _learnt(gate: DomainGate, belief: list[float]) -> float:
    known = zip(states(gate), belief, strict=True)
    return sum(share for (kind, _), share in known if kind in ("code", "answer")) / sum(belief)


def said_of_text(gate: DomainGate, tokens: list[int]) -> list[float]:
    """p of each token of a text, by what went before its segment."""
    chances, said = changes(gate), []
    belief = _prior(gate)
    for number, piece in enumerate(pieces_of(gate, tokens)):
        p = _learnt(gate, belief)
        p = 0.0 if p < gate.bound else 1.0 if p > 1 - gate.bound else p
        if piece.named >= 0:
            p = 1.0 if piece.named < gate.num_learn else 0.0
        said += [p if number else gate.start] * piece.size
        begun = _begun(gate, belief, piece)
        weighed = [b * factor for b, factor in zip(begun, _likelihoods(gate, piece), strict=True)]
        belief = [sum(w * row[j] for w, row in zip(weighed, chances, strict=True)) for j in range(len(weighed))]
        belief = [b / sum(belief) for b in belief]
    return said


def said_of_prompt(gate: DomainGate, tokens: list[int]) -> list[float]:
    """p of each token of a prompt, by all of it: of all ways that its segments may be of states, those that fit."""
    chances, pieces, said = changes(gate), pieces_of(gate, tokens), []
    known = range(len(chances))
    for number, piece in enumerate(pieces):
        ways = [0.0 for _ in known]
        for state in known:
            row = _prior(gate)
            for later, other in enumerate(pieces):
                row = _begun(gate, row, other)
                row = [value * (later != number or i == state) for i, value in enumerate(row)]
                row = [value * factor for value, factor in zip(row, _likelihoods(gate, other), strict=True)]
                if later + 1 < len(pieces):
                    row = [sum(v * way[j] for v, way in zip(row, chances, strict=True)) for j in known]
            ways[state] = sum(row)
        p = _learnt(gate, ways)
        named = piece.named_after if number == len(pieces) - 1 else piece.named
        said += [p if named < 0 else float(named < gate.num_learn)] * piece.size
    return said
