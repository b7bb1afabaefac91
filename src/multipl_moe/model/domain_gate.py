"""The domain gate: whether experts work at all, decided from the text so far, or of a prompt from all of it (design 5).

Experts that learnt new languages change what the model says in all others too. The gate closes them wherever the text
is of another kind: y = F(x) + p (H(x) - F(x)), F the base's block, H the hybrid layer, p the probability that the text
is in a language to learn. p is the same for all layers and for all tokens of a segment. Where it is 0 from a text's
start, the model is the base bit for bit. The idea is DEMix's (Gururangan et al., arXiv 2108.05036), where no expert is
the base.

Shapes: B rows of T tokens hold N real ones in V segments, L languages to learn, C = L + 1 columns of scores (languages,
prose), E of evidence, S states (`gate_states`), P packs with a gate.
"""

from collections.abc import Mapping, Sequence
from math import nan

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import initialization

from multipl_moe.model.documents import real_tokens_of
from multipl_moe.model.gate_reading import UNNAMED, GateReading, GateTables, PrefixState, rows_of
from multipl_moe.model.gate_states import GateStates, exact_matmul
from multipl_moe.model.moe_config import GateConfig
from multipl_moe.model.routing_pass import moved
from multipl_moe.model.segments import Continuation, SegmentPlan, plan_segments

NUM_NAMES = 128  # of languages after a fence, at most: rows of a table of fixed size
NUM_MENTIONS = 1024  # of languages in prose, at most: likewise
ALL_OR_NOTHING = 0.5  # a gate's bound while a model goes on from a prompt
_UNLIKELY = 0.49  # half as other text, less what rounding may do to a text that says nothing


class DomainGate(GateTables):
    """A probability for each segment, from the tokens of its document before it.

    A hidden Markov model with states for each language to learn, for prose and for other code, run forward
    (`GateStates`) on what tokens say, each with the one before it and with the one before that (`GateReading`):
    docs/design.md, section 5. p is that of the languages together. A prompt may be read as a whole before the model
    goes on from it (`other_in_prompts`): what comes later counts for what came before, so that a short prompt is not
    half open.

    p below `bound` counts as 0, and p above 1 - `bound` as 1. A document's first segment, before which there is
    nothing to read, gets `start`. Its first token gets `first_share` of that: all later tokens attend to it more than
    to others (an attention sink, Xiao et al., arXiv 2309.17453), so that a change there moves all of them.

    Attributes:
        token_kinds: (vocabulary,) int8, kind of each token.
        pair_scores: (2, P, C) int8, what a pair says for each language and for prose, 127 for 3 nats: the token with
            the one before it, and with the one before that. Pairs are found by a hash.
        calibration: (2, 2) float32, of languages and of prose: nats for a score of 1, and nats that each token adds.
        names: (NUM_NAMES, 3) int32: the first two tokens of a name after a fence (-1: it has one), and the index of the
            language, L for one that is not learnt; unused rows are -2.
        mentions: (NUM_MENTIONS, 5) int32: the three tokens of a name in prose (-1: it has fewer), the index as above,
            and whether it is asked for (1) or named (0); the longest last.
    """

    def __init__(self, config: GateConfig, vocabulary: int) -> None:
        super().__init__()
        self.start, self.bound, self.stride = config.start, config.bound, config.stride
        self.first_share, self.num_learn = config.first_share, len(config.languages)
        tensors = {
            "token_kinds": ((vocabulary,), torch.int8),
            "pair_scores": ((2, config.pairs, len(config.languages) + 1), torch.int8),
            "calibration": ((2, 2), torch.float32),
            "names": ((NUM_NAMES, 3), torch.int32),
            "mentions": ((NUM_MENTIONS, 5), torch.int32),
        }
        for name, (shape, dtype) in tensors.items():
            self.register_buffer(name, torch.zeros(shape, dtype=dtype))
        self._states = GateStates(self.num_learn, config.stride)

    @torch.no_grad()
    def reset_buffers(self) -> None:
        """A gate that knows nothing, for a model that is made without a file."""
        for buffer in (self.token_kinds, self.pair_scores, self.calibration):
            initialization.zeros_(buffer)
        for buffer in (self.names, self.mentions):
            initialization.constant_(buffer, -2)

    def resize(self, vocabulary: int) -> None:
        """Follow the size of the vocabulary: new tokens are words that no text had."""
        kinds = self.token_kinds[:vocabulary]
        self.token_kinds = F.pad(kinds, (0, vocabulary - len(kinds)))

    def empty_state(self, num_rows: int) -> PrefixState:
        """The state of `num_rows` rows before any token."""
        nothing = self.calibration.new_zeros(num_rows, self._states.num_evidence)
        return PrefixState(
            self._states.prior(self.calibration).repeat(num_rows, 1),
            nothing,
            self.calibration.new_full((num_rows,), -1.0),
            torch.zeros(num_rows, 2, dtype=torch.long, device=nothing.device),
            torch.full((num_rows,), UNNAMED, device=nothing.device),
            self.calibration.new_ones(num_rows),
            torch.zeros(num_rows, 0, dtype=torch.long, device=nothing.device),
            torch.zeros(num_rows, dtype=torch.bool, device=nothing.device),
        )

    @torch.no_grad()
    def forward(
        self,
        ids_N: Tensor,
        plan: SegmentPlan,
        state: PrefixState | None = None,
        known_N: Tensor | None = None,
        bound: float | None = None,
    ) -> Tensor:
        """(V,) p of each segment, float32, of the ids of the real tokens, (N,).

        Args:
            ids_N, plan: the tokens, and the segments that they lie in.
            state: of a plan with a continuation; brought up to date.
            known_N: (N,) p of the segment that begins with a token, where that is known, else NaN.
            bound: in place of the gate's own.
        """
        bound = self.bound if bound is None else bound
        if not len(ids_N):
            return self.calibration.new_zeros(plan.num_segments)
        if state is not None and plan.continuation is not None:
            return self._continued(ids_N, plan, state, plan.continuation, known_N, bound)
        read = GateReading(self, ids_N, plan, None)
        return self._decided(self.beliefs(self._sums(read)[:-1], plan, None), read, known_N, bound)

    def pass_over(self, plan: SegmentPlan, state: PrefixState | None) -> Tensor:
        """(V,) 0 of tokens that came as embeddings, which it cannot read; after them it knows nothing new."""
        if state is not None:
            self._read_on(state)
            fresh = self.empty_state(len(state.last_p))
            state.partial, state.before = fresh.partial, fresh.before
            state.named, state.line_share = fresh.named, fresh.line_share
            state.last_p = torch.zeros_like(state.last_p)
        return self.calibration.new_zeros(plan.num_segments)

    def _continued(
        self,
        ids_N: Tensor,
        plan: SegmentPlan,
        state: PrefixState,
        joint: Continuation,
        known_N: Tensor | None,
        bound: float,
    ) -> Tensor:
        if plan.is_step:
            return self._stepped(ids_N, plan, state, joint, known_N, bound)
        self._read_on(state)
        last_p_B = torch.where(state.last_p < 0, self.start, state.last_p)
        read = GateReading(self, ids_N, plan, state)
        sums_VE = self._sums(read).index_add(0, joint.merged_segments, state.partial)
        if joint.begins_segment:
            belief_VS = self.beliefs(sums_VE[:-1], plan, state)
            p_V = F.pad(self._decided(belief_VS, read, known_N, bound), (0, 1))
            p_V = p_V.index_put((joint.merged_segments,), last_p_B)[:-1]
            last_BS = F.pad(belief_VS, (0, 0, 0, 1))[joint.last_segments]
        else:
            p_V, last_BS = last_p_B[plan.row_of_segment], state.belief
        self._carry(state, joint, p_V, last_BS, sums_VE[joint.last_segments])
        read.carry_to(state)
        return p_V

    def _stepped(
        self,
        ids_B: Tensor,
        plan: SegmentPlan,
        state: PrefixState,
        joint: Continuation,
        known_B: Tensor | None,
        bound: float,
    ) -> Tensor:
        """(B,) p after one more token a row, which is read when the next segment begins: nobody asks before."""
        p_B = torch.where(state.last_p < 0, self.start, state.last_p)
        if joint.begins_segment:
            self._read_on(state)
            found_B = self._p_of(state.belief, state.named, state.last_p < 0, known_B, bound)
            p_B = torch.where(joint.merged_segments == plan.num_segments, found_B, p_B)
        state.unread, state.last_p = torch.cat([state.unread, ids_B[:, None]], dim=1), p_B
        state.is_complete = joint.is_complete
        return p_B

    def _sums(self, read: GateReading) -> Tensor:
        """(V + 1, E) the evidence of each segment; the last place stands for "none"."""
        sums_VE = self.calibration.new_zeros(read.plan.num_segments + 1, self._states.num_evidence)
        return sums_VE.index_add(0, read.plan.segment_of_token, read.evidence())

    def _read_on(self, state: PrefixState) -> None:
        """Regard what decoding left unread, and go on from segments that have all their tokens."""
        num_rows, num_unread = state.unread.shape
        if num_unread:
            plan = rows_of(num_rows, num_unread, state.unread.device)
            read = GateReading(self, state.unread.flatten(), plan, state)
            state.partial = state.partial.index_add(0, plan.segment_of_token, read.evidence())
            read.carry_to(state)
            state.unread = state.unread[:, :0]
        is_complete_B1 = state.is_complete[:, None]
        state.belief = torch.where(is_complete_B1, self._onward(state.belief, state.partial), state.belief)
        state.partial = state.partial.masked_fill(is_complete_B1, 0)
        state.is_complete = torch.zeros_like(state.is_complete)

    def _onward(self, belief_BS: Tensor, evidence_BE: Tensor) -> Tensor:
        """(B, S) what is thought after one more segment."""
        belief_BS = exact_matmul(belief_BS[:, None], self._states.steps(evidence_BE))[:, 0]
        return belief_BS / belief_BS.sum(dim=1, keepdim=True)

    def p_of_text(self, ids: Sequence[int], *, at_once: bool = False) -> Tensor:
        """(T + 1,) p of each token of a text, and of the one that follows; its first token is as all others.

        `at_once` moves the segments so that the token that follows begins one: all of the text counts for it.
        """
        tokens = torch.tensor([*ids, 0], device=self.calibration.device)
        shift = -len(ids) % self.stride if at_once else 0
        positions = torch.arange(shift, shift + len(tokens), device=tokens.device)[None]
        plan = plan_segments(positions, None, stride=self.stride)
        return self(tokens, plan)[plan.segment_of_token]

    @torch.no_grad()
    def p_of_evidence(self, evidence_BGC: Tensor) -> Tensor:
        """(B,) p after the segments of texts that name nothing, of their evidence; the slow way, for few texts."""
        belief_BS = self._states.prior(self.calibration).repeat(len(evidence_BGC), 1)
        for evidence_BC in evidence_BGC.unbind(1):
            evidence_BE = F.pad(evidence_BC, (0, self._states.num_evidence - evidence_BC.shape[1]))
            belief_BS = self._onward(belief_BS, evidence_BE)
        return _bounded(self._states.learnt(belief_BS), self.bound)

    def _decided(self, belief_VS: Tensor, read: GateReading, known_N: Tensor | None, bound: float) -> Tensor:
        """(V,) p, given what is thought where each segment begins."""
        known_V = None if known_N is None else known_N[read.begins()]
        return self._p_of(belief_VS, read.named_at_segments(), read.begins_document(), known_V, bound)

    def _p_of(
        self, belief_XS: Tensor, named_X: Tensor, is_start_X: Tensor, known_X: Tensor | None, bound: float
    ) -> Tensor:
        """p by what is thought, by the fence around it, at a document's start, or as it is known (else NaN)."""
        p_X = _bounded(self._states.learnt(belief_XS), bound)
        p_X = torch.where(named_X == UNNAMED, p_X, (named_X < self.num_learn).float())
        p_X = torch.where(is_start_X, self.start, p_X)
        return p_X if known_X is None else torch.where(known_X.isnan(), p_X, known_X)

    @torch.no_grad()
    def other_in_prompts(self, ids_N: Tensor, plan: SegmentPlan) -> Tensor:
        """(V,) how likely each segment is other text, by all of its text, one document a row.

        The filter knows what came before a segment, and run backward what comes after it (forward-backward, Rabiner
        1989). A fence that names a language leaves nothing to guess; the last segment is in the one around the text's
        end, as what is written next lies in it too. `start` and `bound` have no part in this.
        """
        if not len(ids_N):
            return self.calibration.new_zeros(plan.num_segments)
        read, counts_B = GateReading(self, ids_N, plan, None), plan.row_of_segment.bincount(minlength=plan.num_rows)
        evidence_VE = self._sums(read)[:-1]
        is_segment_BG = torch.arange(int(counts_B.max()), device=ids_N.device) < counts_B[:, None]
        evidence_BGE = evidence_VE.new_zeros(*is_segment_BG.shape, self._states.num_evidence)
        evidence_BGE[is_segment_BG] = evidence_VE
        before_V1S = self.beliefs(evidence_VE, plan, None)[:, None]
        begun_VS = exact_matmul(before_V1S, self._states.begins(evidence_VE))[:, 0]
        belief_VS = begun_VS * self._states.likelihood(evidence_VE)
        chances_VS = belief_VS * self._states.after_each(evidence_BGE)[is_segment_BG]
        named_V, last_B = read.named_at_segments(), counts_B.cumsum(0)[counts_B > 0] - 1
        named_V = named_V.index_put((last_B,), read.named_after(last_B))
        other_V = self._states.others(chances_VS) / chances_VS.sum(dim=1)
        return torch.where(named_V == UNNAMED, other_V, (named_V >= self.num_learn).float())

    def beliefs(self, evidence_VE: Tensor, plan: SegmentPlan, state: PrefixState | None) -> Tensor:
        """(V, S): what is thought where each segment begins, of the evidence of all segments, (V, E).

        One segment takes a belief to the next by a matrix; products of these are made by doubling, so that it takes
        log V steps. A document's first segment has a matrix that forgets.
        """
        steps = self._states.steps(evidence_VE)
        begins = self._states.prior(evidence_VE).expand(plan.num_segments, -1)
        if state is not None:
            begins = F.pad(state.belief, (0, 0, 0, 1), value=1.0)[plan.row_of_segment]
        begins, carried = begins[:, None, :].expand_as(steps), F.pad(steps, (0, 0, 0, 0, 1, 0))[:-1]
        product = torch.where(plan.begins_document[:, None, None], begins, carried)
        reach = 1
        while reach < plan.num_segments:
            longer = exact_matmul(product[:-reach], product[reach:])
            product = torch.cat([product[:reach], longer / longer.amax(dim=(1, 2), keepdim=True)])
            reach *= 2
        return product[:, 0] / product[:, 0].sum(dim=1, keepdim=True)

    def _carry(self, state: PrefixState, joint: Continuation, p_V: Tensor, last_BS: Tensor, sums_BE: Tensor) -> None:
        """Bring the state up to date: what was thought where each row's last segment began, and its evidence."""
        has_tokens_B = joint.last_segments < len(p_V)
        state.belief = torch.where(has_tokens_B[:, None], last_BS, state.belief)
        state.partial = torch.where(has_tokens_B[:, None], sums_BE, state.partial)
        state.last_p = torch.where(has_tokens_B, F.pad(p_V, (0, 1))[joint.last_segments], state.last_p)
        state.is_complete = joint.is_complete & has_tokens_B


def _bounded(p: Tensor, bound: float) -> Tensor:
    return torch.where(p < bound, 0.0, torch.where(p > 1 - bound, 1.0, p))


def told_of_segments(open_share: Tensor | float, plan: SegmentPlan, packs: Sequence[str]) -> dict[str, Tensor]:
    """(V,) by pack, what is known of all rows, or of each, in place of p, for its segments; 0 for empty places.

    Raises:
        ValueError: it is neither one number nor one for each row, or for each row and pack.
    """
    told = torch.as_tensor(open_share, dtype=torch.float32, device=plan.row_of_segment.device)
    if told.shape not in ((), (plan.num_rows,), (plan.num_rows, len(packs)), (1, len(packs))):
        given, wanted = tuple(told.shape), f"one number, or one for each of the {plan.num_rows} rows"
        wanted += f" and {len(packs)} packs" if len(packs) > 1 else ""
        raise ValueError(f"open_share: give {wanted}, not {given}")
    columns = told.unbind(1) if told.ndim == 2 else [told] * len(packs)
    return {
        name: F.pad(column.expand(plan.num_rows), (0, 1))[plan.row_of_segment]
        for name, column in zip(packs, columns, strict=True)
    }


@torch.no_grad()
def share_of_prompts(
    gates: Mapping[str, DomainGate], stride: int, input_ids: Tensor, attention_mask: Tensor | None
) -> Tensor:
    """(B, T, P) whose experts work for each token, 1 or 0, by all of its row; 0 for padding.

    They are those of one pack, for whose gate other text is least likely there, if that is less than half; else of
    none. Half open, a model would write what neither the base nor a model that is told the language writes.

    Tokens and mask are (B, T), as of a model's `forward`; a row is one text.
    """
    real_tokens, _, position_ids = real_tokens_of(input_ids, attention_mask, None, None)
    plan = plan_segments(position_ids, real_tokens, stride=stride)
    other_PV, ids_N = [], plan.of_real(input_ids.flatten())
    for gate in gates.values():
        device = gate.calibration.device  # gates of one model may lie on several
        other_PV.append(gate.other_in_prompts(ids_N.to(device), moved(plan, device)).to(ids_N.device))
    other_V, best_V = torch.stack(other_PV).min(dim=0)  # and not p, which is 1 for several packs, but for rounding
    open_VP = F.one_hot(best_V, len(gates)) * (other_V < _UNLIKELY)[:, None]
    open_NP = open_VP.float()[plan.segment_of_token]
    if plan.real_tokens is not None:
        nothing = open_NP.new_zeros(input_ids.numel(), len(gates))
        open_NP = nothing.index_copy(0, plan.real_tokens, open_NP)
    return open_NP.view(*input_ids.shape, len(gates))


def known_of_tokens(
    prompt_share: Tensor, plan: SegmentPlan, num_packs: int, num_before: int, num_tokens: int
) -> Tensor | None:
    """(P, N) what was read of the prompts for the tokens of a pass, NaN for those after them; None: all are after them.

    Args:
        prompt_share: (B, T, P), from `share_of_prompts`.
        num_before, num_tokens: columns of the batch in the cache, and in the pass.

    Raises:
        ValueError: it is of other rows or packs.
    """
    if prompt_share.ndim != 3 or prompt_share.shape[::2] != (plan.num_rows, num_packs):
        given, wanted = tuple(prompt_share.shape), f"({plan.num_rows} rows, tokens of the prompt, {num_packs} packs)"
        raise ValueError(f"prompt_share: give {wanted}, as `read_prompt` returns it, not {given}")
    known_BTP = prompt_share[:, num_before : num_before + num_tokens]
    if not known_BTP.shape[1]:
        return None
    known_BTP = F.pad(known_BTP, (0, 0, 0, num_tokens - known_BTP.shape[1]), value=nan)
    return plan.of_real(known_BTP.flatten(0, 1)).T
