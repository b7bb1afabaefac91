"""What tokens say of a text's language, each with the two before it, and what fences and prose name (`DomainGate`).

Shapes: B rows, N real tokens, V segments, L languages to learn, E columns of evidence, S states, K names.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.float32_buffers import Float32Buffers
from multipl_moe.model.segments import SegmentPlan

# Kinds of tokens: anything, white space, white space with a line's end, ```, ``` in two tokens
# (`` and ` with a line's end), ``` with a line's end in one, what begins or ends a turn of a chat, what begins a
# comment (// and such), special tokens, words that end a line (some tokenizers have `;` with it in one), and what
# begins a comment only in languages to learn. Packs hold these numbers; older ones have 9 for words that end a line.
WORD, SPACE, LINE, FENCE, HALF, OTHER_HALF, CLOSES, TURN, COMMENT, SPECIAL, LAST, OWN_COMMENT = range(12)
AS_THEMSELVES = (WORD, COMMENT, SPECIAL, LAST, OWN_COMMENT)  # kinds whose tokens stand for themselves
ENDS_LINE = (LINE, OTHER_HALF, CLOSES, TURN, SPECIAL, LAST)
SYMBOL = 2**20  # and its kind: what stands for all tokens of another kind, beyond every vocabulary
UNNAMED = -1
MOST_OF_A_PAIR = 3.0  # nats of a pair's score, a ratio of 20: bounds what one word can do
OF_A_NAME = 4.0  # nats for prose of a language's name
# Of what a token says, where its line begins as a comment: those are alike in all languages. Not nothing: text that
# says nothing drifts open, as prose becomes code to learn more easily than the reverse
OF_COMMENTS = {COMMENT: 0.1, OWN_COMMENT: 0.01}


@dataclass
class PrefixState:
    """What the gate keeps of the tokens that went before.

    Attributes:
        belief: (B, S) what it thought where the segment began in which the last token lies.
        partial: (B, E) what the tokens of that segment so far add, in nats.
        last_p: (B,) p of the last token's segment, which holds until another begins; -1 before any token.
        before: (B, 2) the last two symbols, the newest last; 0 for none.
        named: (B,) the language that a fence names, L for one that is not learnt, -1 for none.
        line_share: (B,) how much of what tokens say counts in the line: less where it began as a comment.
        unread: (B, R) ids of that segment's last tokens, which nothing of the above regards yet: in decoding, nobody
            asks before the next one begins.
        is_complete: (B,) whether that segment has all its tokens.
    """

    belief: Tensor
    partial: Tensor
    last_p: Tensor
    before: Tensor
    named: Tensor
    line_share: Tensor
    unread: Tensor
    is_complete: Tensor


class GateTables(Float32Buffers):
    """What is looked up; see `DomainGate`."""

    token_kinds: Tensor
    pair_scores: Tensor
    calibration: Tensor
    names: Tensor
    mentions: Tensor


class PairReading:
    """Which pairs the tokens of a batch are in, each with those before it in its document, or in the state."""

    def __init__(self, tables: GateTables, ids_N: Tensor, plan: SegmentPlan, state: PrefixState | None) -> None:
        self.tables, self.plan, self.state = tables, plan, state
        self._ids_N = ids_N.clamp(0, len(tables.token_kinds) - 1)
        self._places = torch.arange(len(ids_N), device=ids_N.device)
        self._document_N = plan.first_segments[plan.segment_of_token]
        self._kinds_N = kinds_N = tables.token_kinds[self._ids_N]
        self._symbol_N = torch.where(_is_one_of(kinds_N, AS_THEMSELVES), self._ids_N, SYMBOL + kinds_N.long())
        self._counts_N = kinds_N != SPACE if plan.is_real is None else (kinds_N != SPACE) & plan.is_real
        self._last_N = torch.where(self._counts_N, self._places, -1).cummax(0).values  # up to this token
        row_N = plan.row_of_segment[plan.segment_of_token].clamp(max=plan.num_rows - 1)
        if state is None:
            nothing = torch.zeros_like(ids_N)
            self._older_N, self._newer_N, self._named_before_N = nothing, nothing, nothing + UNNAMED
            self._line_share_before_N = torch.ones_like(ids_N, dtype=torch.float32)
        else:
            self._older_N, self._newer_N = state.before[row_N].unbind(1)
            self._named_before_N, self._line_share_before_N = state.named[row_N], state.line_share[row_N]
        self._first_N, self._second_N = self._neighbours()

    def _at(self, values_N: Tensor, place_N: Tensor, otherwise_N: Tensor) -> tuple[Tensor, Tensor]:
        """The values at earlier places of the same document, others where there are none, and where there are some."""
        there_N = place_N.clamp(min=0)
        is_own_N = (place_N >= 0) & (self._document_N[there_N] == self._document_N)
        return torch.where(is_own_N, values_N[there_N], otherwise_N), is_own_N

    def _neighbours(self) -> tuple[Tensor, Tensor]:
        """(N,) the symbol before each token, and the one before that; 0 where there is none."""
        before_N = F.pad(self._last_N, (1, 0), value=-1)[:-1]
        first_N, has_first_N = self._at(self._symbol_N, before_N, self._newer_N)
        two_before_N = torch.where(has_first_N, before_N[before_N.clamp(min=0)], -1)
        second_N, _ = self._at(self._symbol_N, two_before_N, torch.where(has_first_N, self._newer_N, self._older_N))
        return first_N, second_N

    def pairs(self) -> tuple[Tensor, Tensor]:
        """(N,) places in the two tables: of a token with the one before it, and with the one before that.

        What begins a line says the same whatever word the line before ends with.
        """
        symbol_N, num_pairs = self._symbol_N, self.tables.pair_scores.shape[1]
        near_N = torch.where(self._kind_before() == LAST, SYMBOL + LINE, self._first_N)
        return pair_places(near_N, symbol_N, num_pairs), pair_places(self._second_N, symbol_N, num_pairs)

    def _kind_before(self) -> Tensor:
        """(N,) the kind of the symbol before each token; of none, that of token 0."""
        near_N, kinds = self._first_N, self.tables.token_kinds
        return torch.where(near_N < SYMBOL, kinds[near_N.clamp(max=len(kinds) - 1)], near_N - SYMBOL)


class GateReading(PairReading):
    """What the tokens of a batch say."""

    def __init__(self, tables: GateTables, ids_N: Tensor, plan: SegmentPlan, state: PrefixState | None) -> None:
        super().__init__(tables, ids_N, plan, state)
        self._is_turn_N, self._is_after_turn_N = self._turns()
        self._named_N = self._names()
        self._around_N = self._before()
        self._line_share_N = self._line_shares()

    def _turns(self) -> tuple[Tensor, Tensor]:
        """(N,) whether a turn begins, and whether one did before in its segment.

        Of marks with one token between them at most, a line's end or who speaks, the first begins it.
        """
        mark, segment_N = SYMBOL + TURN, self.plan.segment_of_token
        follows_N = (self._first_N == mark) | (self._second_N == mark)
        is_turn_N = (self._symbol_N == mark) & ~follows_N
        last_N = torch.where(is_turn_N, self._places, -1).cummax(0).values
        is_after_N = (last_N >= 0) & (segment_N[last_N.clamp(min=0)] == segment_N)
        if self.state is not None:
            joint, num_rows = self.plan.continuation, len(self.state.partial)
            merged_B = torch.arange(num_rows, device=segment_N.device) if joint is None else joint.merged_segments
            had_turn_V = is_turn_N.new_zeros(self.plan.num_segments + 1)
            turns_B = self.state.partial[:, 3 * self.tables.pair_scores.shape[2]]  # the column that counts them
            had_turn_V = had_turn_V.index_put((merged_B,), turns_B > 0)
            is_after_N = is_after_N | (had_turn_V[segment_N] & (segment_N < self.plan.num_segments))
        return is_turn_N, is_after_N

    def _names(self) -> Tensor:
        """(N,) which language the fence around what follows a token names: L for one not learnt, -1 for none."""
        name_K, rest_K, language_K = self.tables.names.unbind(1)
        ids_N1, first_N1, second_N1 = self._ids_N[:, None], self._first_N[:, None], self._second_N[:, None]
        fence = SYMBOL + FENCE
        whole_NK = (first_N1 == fence) & (ids_N1 == name_K) & (rest_K == -1)
        parts_NK = (second_N1 == fence) & (first_N1 == name_K) & (ids_N1 == rest_K)
        named_N = torch.where(whole_NK | parts_NK, language_K, UNNAMED).amax(dim=1)
        halves_N = (self._first_N == SYMBOL + HALF) & (self._symbol_N == SYMBOL + OTHER_HALF)
        is_fence_N = (self._symbol_N == fence) | (self._symbol_N == SYMBOL + CLOSES) | halves_N | self._is_turn_N
        changes_N = ((named_N != UNNAMED) | is_fence_N) & self._counts_N
        last_N = torch.where(changes_N, self._places, -1).cummax(0).values
        return self._at(named_N, last_N, self._named_before_N)[0]

    def _before(self) -> Tensor:
        """(N,) the same of what goes before a token."""
        before_N = self._places - 1
        if self.plan.is_real is not None:
            before_N = F.pad(torch.where(self.plan.is_real, self._places, -1).cummax(0).values, (1, 0), value=-1)[:-1]
        return self._at(self._named_N, before_N, self._named_before_N)[0]

    def _line_shares(self) -> Tensor:
        """(N,) how much of what a token says counts, by what its line begins with."""
        begins_N = ((self._first_N == 0) | _is_one_of(self._kind_before(), ENDS_LINE)) & self._counts_N
        last_N = torch.where(begins_N, self._places, -1).cummax(0).values
        share_N = torch.ones_like(self._line_share_before_N)
        for kind, share in OF_COMMENTS.items():
            share_N = share_N.masked_fill(self._kinds_N == kind, share)
        return self._at(share_N, last_N, self._line_share_before_N)[0]

    def _mentioned(self) -> Tensor:
        """(N, 2 (L + 1)) whether a name in prose ends with a token, of each language, L for one that is not learnt; the
        second half is of those that are asked for."""
        third_K, second_K, last_K, language_K, is_asked_K = self.tables.mentions.unbind(1)
        found_NK = self._ids_N.int()[:, None] == last_K
        for near_N, name_K in ((self._first_N, second_K), (self._second_N, third_K)):
            found_NK &= (near_N.int()[:, None] == name_K) | (name_K == -1)
        order_K = torch.arange(len(last_K), device=last_K.device, dtype=torch.int16)
        longest_N = torch.where(found_NK, order_K, UNNAMED).amax(dim=1).long()
        num_columns = self.tables.pair_scores.shape[2]
        column_N = torch.where(longest_N < 0, UNNAMED, (language_K + is_asked_K * num_columns)[longest_N])
        return column_N[:, None] == torch.arange(2 * num_columns, device=last_K.device)

    def evidence(self) -> Tensor:
        """(N, E) what each token says, columns as in `gate_states`, 0 but for turns between fences that name one."""
        first_NC, second_NC = (
            table[places_N].float() for table, places_N in zip(self.tables.pair_scores, self.pairs(), strict=True)
        )
        of_languages, of_prose = self.tables.calibration
        line_C2 = torch.stack([*[of_languages] * (first_NC.shape[1] - 1), of_prose])
        said_NC = line_C2[:, 0] * (MOST_OF_A_PAIR / 127 / 2) * (first_NC + second_NC) + line_C2[:, 1]
        named_NM = self._mentioned() & (self._around_N == UNNAMED)[:, None]
        said_NC[:, -1] += named_NM.any(dim=1) * OF_A_NAME
        said_NC = said_NC * self._line_share_N[:, None]
        said_NC = said_NC.masked_fill((self._around_N != UNNAMED)[:, None], 0.0)
        is_after_N1 = self._is_after_turn_N[:, None]
        told = (named_NM & ~is_after_N1, self._is_turn_N[:, None], named_NM & is_after_N1)
        return torch.cat([said_NC, *(part.to(said_NC.dtype) for part in told)], dim=1)

    def begins(self) -> Tensor:
        """(V,) the first token of each segment."""
        nothing = self._places.new_full((self.plan.num_segments,), len(self._places) - 1)
        return nothing.scatter_reduce(0, self.plan.segment_of_token, self._places, "amin")

    def named_at_segments(self) -> Tensor:
        """(V,) which language the fence names in which each segment begins."""
        return self._around_N[self.begins()]

    def named_after(self, segments: Tensor) -> Tensor:
        """Which language the fence names around what follows each of some segments."""
        return self._named_N[torch.searchsorted(self.plan.segment_of_token, segments, right=True) - 1]

    def begins_document(self) -> Tensor:
        """(V,) whether nothing was read before a segment."""
        if self.state is None:
            return self.plan.begins_document
        return self.plan.begins_document & (F.pad(self.state.last_p, (0, 1))[self.plan.row_of_segment] < 0)

    def carry_to(self, state: PrefixState) -> None:
        """Set `before`, `named` and `line_share` of a state to what they are after each row's last token."""
        plan = self.plan
        row_N = plan.row_of_segment[plan.segment_of_token]
        nothing = self._places.new_full((plan.num_rows + 1,), -1)
        real_N = self._places if plan.is_real is None else torch.where(plan.is_real, self._places, -1)
        last_B = nothing.scatter_reduce(0, row_N, real_N, "amax")[:-1]
        there_B, has_tokens_B = last_B.clamp(min=0), last_B >= 0
        counts_B = self._counts_N[there_B]
        newest_B = torch.where(counts_B, self._symbol_N[there_B], self._first_N[there_B])
        second_B = torch.where(counts_B, self._first_N[there_B], self._second_N[there_B])
        state.before = torch.where(has_tokens_B[:, None], torch.stack([second_B, newest_B], dim=1), state.before)
        state.named = torch.where(has_tokens_B, self._named_N[there_B], state.named)
        state.line_share = torch.where(has_tokens_B, self._line_share_N[there_B], state.line_share)


def _is_one_of(kinds_N: Tensor, kinds: tuple[int, ...]) -> Tensor:
    return torch.stack([kinds_N == kind for kind in kinds]).any(dim=0)


def pair_places(near_N: Tensor, symbol_N: Tensor, num_pairs: int) -> Tensor:
    """Where pairs of symbols lie in a table: the middle bits of a sum of multiples (Knuth's multiplicative hashing)."""
    return (near_N * 2654435761 + symbol_N * 2246822519 >> 15) % num_pairs


def rows_of(num_rows: int, row_tokens: int, device: torch.device) -> SegmentPlan:
    """Segments of a batch in which each row is a piece of one."""
    rows = torch.arange(num_rows, device=device)
    of_token = rows.repeat_interleave(row_tokens)
    return SegmentPlan(None, of_token, torch.zeros_like(of_token, dtype=torch.bool), None, rows, rows, num_rows)


def pairs_of(tables: GateTables, ids_T: Tensor) -> Tensor:
    """(2, T) places in the two tables of the pairs of one text."""
    return torch.stack(PairReading(tables, ids_T, rows_of(1, len(ids_T), ids_T.device), None).pairs())
