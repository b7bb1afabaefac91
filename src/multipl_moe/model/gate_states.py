"""What a text may be, as the domain gate sees it, and how that changes along the text (`DomainGate`).

A hidden Markov model (Rabiner 1989). Its states, in this order: each language to learn; for each, the answer to a
question that names it; for each, prose that names it; prose that names another language; for each, other code below
such prose; prose; other code.

Shapes: L languages to learn, S = 4 L + 3 states, E = 5 L + 6 columns of evidence of a segment: nats for each language
and for prose; how often it names each language, and others; how often it asks for each, and others; how often a turn of
a chat begins in it; how often it names and asks for them after that.
"""

import torch
from torch import Tensor

# Chances. Reasons say what speaks for a size; the values were chosen by looking at the texts of
# benchmarks/gate_switches.py (docs/domain-gate.md)
PRIOR = 0.5  # of a text: it is to be learnt, before anything is read; at 0.75 other text moves a sixth further
OPENS = 2e-5  # a token: other code becomes text to learn; low, as a text rather changes by way of prose
SHUTS = 1e-5  # a token: text to learn becomes other code; low for the same reason
TO_PROSE = 4e-4  # a token: code of any kind becomes prose, far likelier than code of another kind
FROM_PROSE = 4e-3  # a token: prose becomes code, half of it to learn; high for the same reason
FORGETS = 1e-4  # a token: prose about a language, or an answer in it, becomes prose that names none
TO_ANSWER = 3.2e-2  # a token: the answer in a chat becomes code in the language that was named, as is most likely
TO_CODE_BELOW = 3.2e-2  # a token: prose about a language becomes other code: a question about code, which is below it
STAYS = 0.5  # of a turn: the next one is an answer too, else prose; what names nothing is open by half at most

_MOST_NATS = 20.0  # of a segment's evidence: products of chances stay within what float32 can hold


class GateStates:
    """The chances between the states of a gate.

    Args:
        num_learn: L.
        stride: tokens of a segment.
    """

    def __init__(self, num_learn: int, stride: int) -> None:
        self.num_learn, self.num_states, self.num_evidence = num_learn, 4 * num_learn + 3, 5 * num_learn + 6
        # On the processor even where a model is made without memory, and no buffers, as no file holds them
        prior = [*[PRIOR / num_learn] * num_learn, *[0.0] * (3 * num_learn + 1), (1 - PRIOR) / 2, (1 - PRIOR) / 2]
        self._prior = torch.tensor(prior, device="cpu", dtype=torch.float32)
        self._changes = torch.tensor(_chances(num_learn, stride), device="cpu", dtype=torch.float32)
        self._begins = _begins(num_learn)

    def prior(self, like: Tensor) -> Tensor:
        """(S,) what is thought before anything is read."""
        return self._prior.to(like)

    def begins(self, evidence_XE: Tensor) -> Tensor:
        """(..., S, S) what each state becomes by what a segment names, and by a turn that begins in it.

        Prose is about the first language that it names, and about each that it asks for. After a turn, what was prose
        about a language to learn, or code below it, is the answer, and an answer is done, or goes on.
        """
        names = 2 * (self.num_learn + 1)
        _, before, turn, after = evidence_XE.split([self.num_learn + 1, names, 1, names], dim=-1)
        return exact_matmul(self._named(before, (turn > 0).to(turn)), self._named(after, torch.zeros_like(turn)))

    def _named(self, names_XN: Tensor, turn_X1: Tensor) -> Tensor:
        named, asked = names_XN.chunk(2, dim=-1)
        asked = asked / asked.sum(dim=-1, keepdim=True).clamp(min=1)
        named = named / named.sum(dim=-1, keepdim=True).clamp(min=1) * (1 - asked.sum(dim=-1, keepdim=True))
        parts = torch.cat([1 - (named + asked).sum(dim=-1, keepdim=True), named, asked], dim=-1)
        found = exact_matmul(torch.cat([parts * (1 - turn_X1), parts * turn_X1], dim=-1), self._begins.to(parts))
        return found.unflatten(-1, (self.num_states, self.num_states))

    def likelihood(self, evidence_XE: Tensor) -> Tensor:
        """(..., S) how much likelier a segment is in each state than as other code."""
        count = self.num_learn
        languages, prose = evidence_XE[..., :count], evidence_XE[..., count : count + 1]
        nothing = torch.zeros_like(prose)
        nats_XS = torch.cat([languages, *[prose] * (2 * count + 1), *[nothing] * count, prose, nothing], dim=-1)
        return nats_XS.clamp(-_MOST_NATS, _MOST_NATS).exp()

    def steps(self, evidence_XE: Tensor) -> Tensor:
        """(..., S, S) what takes a belief where a segment begins to one where the next does, but for a factor."""
        onward = self.likelihood(evidence_XE)[..., None] * self._changes.to(evidence_XE)
        return exact_matmul(self.begins(evidence_XE), onward)

    def after_each(self, evidence_BGE: Tensor) -> Tensor:
        """(B, G, S) how likely what comes after each of G segments is, by the state that it is in, up to a factor."""
        begins_BGSS, likelihood_BGS = self.begins(evidence_BGE), self.likelihood(evidence_BGE)
        after_BS, found, changes = torch.ones_like(likelihood_BGS[:, 0]), [], self._changes.to(evidence_BGE).T
        for number in reversed(range(evidence_BGE.shape[1])):
            found.append(after_BS)
            within_BS1 = exact_matmul(begins_BGSS[:, number], (likelihood_BGS[:, number] * after_BS)[..., None])
            after_BS = exact_matmul(within_BS1[..., 0], changes)
            after_BS = after_BS / after_BS.sum(dim=1, keepdim=True)
        return torch.stack(found[::-1], dim=1)

    def learnt(self, belief_XS: Tensor) -> Tensor:
        """(...) how likely text is in a language to learn, or the answer to a question that names one."""
        return belief_XS[..., : 2 * self.num_learn].sum(dim=-1)

    def others(self, belief_XS: Tensor) -> Tensor:
        """(...) how likely it is not."""
        return belief_XS[..., 2 * self.num_learn :].sum(dim=-1)


def exact_matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b in their own dtype, under autocast too."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b


def _begins(num_learn: int) -> Tensor:
    """(2 (2 L + 3), S S) what each state becomes if nothing is named, each language is named, each is asked for, and
    the same with a turn."""
    count, size = num_learn, 4 * num_learn + 3
    same = torch.eye(size, device="cpu", dtype=torch.float32)
    answers, about, prose = range(count, 2 * count), range(2 * count, 3 * count + 1), size - 2
    found = [same]
    for language in about:  # named
        found.append(same.clone())
        found[-1][prose] = same[language]
    for number, language in enumerate(about):  # asked for
        found.append(same.clone())
        found[-1][[*answers, *about, prose]] = same[language]
        if number < count:
            found[-1][answers[number]] = same[answers[number]]
    turned, of_answers = same.clone(), same[count : 2 * count]
    turned[2 * count : 3 * count], turned[3 * count + 1 : prose] = of_answers, of_answers
    turned[count : 2 * count] = STAYS * of_answers + (1 - STAYS) * same[prose]
    without_PSS = torch.stack(found)
    return torch.cat([without_PSS, without_PSS @ turned]).flatten(1)


def _chances(num_learn: int, stride: int) -> list[list[float]]:
    """(S, S) how likely each state is followed by each, `stride` tokens later."""

    def in_a_segment(chance: float) -> float:
        return min(chance * stride, 0.5)

    opens, shuts, to_prose, from_prose = map(in_a_segment, (OPENS, SHUTS, TO_PROSE, FROM_PROSE))
    forgets, to_answer, to_below = map(in_a_segment, (FORGETS, TO_ANSWER, TO_CODE_BELOW))
    languages, answers = range(num_learn), range(num_learn, 2 * num_learn)
    about, below = range(2 * num_learn, 3 * num_learn + 1), range(3 * num_learn + 1, 4 * num_learn + 1)
    prose, other = 4 * num_learn + 1, 4 * num_learn + 2
    rows = [[0.0] * (other + 1) for _ in range(other + 1)]
    for language in languages:
        rows[language][prose], rows[language][other] = to_prose, shuts * (1 - to_prose)
        rows[answers[language]][language] = to_answer
        rows[about[language]][language], rows[about[language]][below[language]] = from_prose / 2, to_below
        rows[below[language]][about[language]] = to_prose
        rows[prose][language] = from_prose / 2 / num_learn
        for code in (*below, other):
            rows[code][language] = opens * (1 - to_prose) / num_learn
    rows[about[-1]][other] = from_prose
    for answer in answers:
        rows[answer][other] = from_prose / 2
    for named in (*answers, *about):
        rows[named][prose] = forgets
    rows[prose][other], rows[other][prose] = from_prose / 2, to_prose
    for state, row in enumerate(rows):
        row[state] = 1 - sum(row)
    return rows
