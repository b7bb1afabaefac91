"""The domain gate: whether experts work at all, decided from the text so far (design 5).

Experts that learnt new languages change what the model says in all others too. The gate closes them wherever the text
so far is of another kind: y = F(x) + p (H(x) - F(x)), F the base's block, H the hybrid layer, p the posterior that the
text is of a kind to learn. p is the same for all layers and for all tokens of a segment. Where it is 0 from a text's
start, the model is the base bit for bit. The idea is DEMix's (Gururangan et al., arXiv 2108.05036), where no expert is
the base.

Shapes: B rows, T tokens a row, N real tokens, V segments, H hidden, L languages to learn, C = L + 1 kinds of text,
Q directions of a kind, K = H + L (of a token a state, and a score for each language).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import initialization

from multipl_moe.model.float32_buffers import Float32Buffers
from multipl_moe.model.segments import SegmentPlan

NUM_DIRECTIONS = 64  # of a kind's density at most; all others share one variance
BIN_TOKENS = 16  # between one threshold and the next; more of them, for 4, 8 and 12 tokens, did not help
NUM_BINS = 8  # thresholds: for 16, 32, ..., 128 or more tokens
FIRST_TOKEN_SHARE = 2 / 3  # of `start`, for a document's first token: an attention sink, which moves all that follow


@dataclass
class PrefixState:
    """What the gate keeps of the tokens that went before: sums of what it reads of them, and their number at the end.

    Attributes:
        complete: (B, K + 1) over all segments before the one in which the next token lies.
        partial: (B, K + 1) over the tokens of that segment so far.
        last_p: (B,) p of the last token's segment, which holds until another begins.
    """

    complete: Tensor
    partial: Tensor
    last_p: Tensor


class DomainGate(Float32Buffers):
    """A posterior for each segment, from the states and the frequencies of its document's tokens before it.

    States are the inputs of the feed-forward block of a layer before which nothing is trained (`gate_layer`), so they
    are the base's own, and the gate can be fitted before any training (`multipl_moe.upcycle.gate_start`). Each language
    to learn, and all other text as one kind, is a normal distribution of low rank over mean states (probabilistic PCA,
    Tipping and Bishop 1999). What is scored is by how much the likeliest language is likelier than other text: a ratio
    of densities, unlike a classifier, is small also for text that is like nothing it was fitted to (Ren et al.,
    arXiv 2106.09022). A mean of states hides which words a text has, so by how much likelier its tokens are in that
    language (a ratio of unigram models) counts as much. A posterior below `bound` counts as 0. A document's first
    segment, before which there is nothing to read, gets `start`, and its first token two thirds of that: all later
    tokens attend to it more than to others (an attention sink, Xiao et al., arXiv 2309.17453), so a change there moves
    all of them.

    Attributes:
        center, scale: (H,) mean states are read less `center` and divided by `scale`.
        means, directions, precisions, constants: (C, H), (C, Q, H), (C,), (C,): a kind's log density at z is
            constant - (precision |z - mean|^2 - |directions (z - mean)|^2) / 2. Other text is the last kind.
        token_scores: (vocabulary, L) what the mean over tokens adds to each language's score.
        thresholds, widths: (8,) scores at which p is 1/2 after 16, 32, ..., 128 or more tokens, and how fast it rises;
            after other numbers of tokens those of the nearest count.
    """

    center: Tensor
    scale: Tensor
    means: Tensor
    directions: Tensor
    precisions: Tensor
    constants: Tensor
    token_scores: Tensor
    thresholds: Tensor
    widths: Tensor

    def __init__(self, num_learn: int, hidden: int, vocabulary: int, start: float, bound: float) -> None:
        super().__init__()
        self.start, self.bound = start, bound
        for name, shape in gate_shapes(num_learn, hidden, vocabulary).items():
            self.register_buffer(name, torch.ones(shape, dtype=torch.float32))

    @torch.no_grad()
    def reset_buffers(self) -> None:
        """Scores are 0 if no file had them, as in gates from before they read tokens."""
        initialization.zeros_(self.token_scores)

    def resize(self, vocabulary: int) -> None:
        """Follow the size of the vocabulary: new tokens score 0."""
        self.token_scores = F.pad(
            self.token_scores[:vocabulary], (0, 0, 0, max(vocabulary - len(self.token_scores), 0))
        )

    def reads(self, x_BTH: Tensor, token_ids_BT: Tensor | None) -> Tensor:
        """(B, T, K), float32: what is read of each token, its state and its scores, 0 without token ids."""
        x_BTH = x_BTH.to(self.center).nan_to_num(0.0, 0.0, 0.0)  # or one broken row's would be in all rows' sums
        if token_ids_BT is None:
            return F.pad(x_BTH, (0, self.token_scores.shape[1]))
        return torch.cat([x_BTH, F.embedding(token_ids_BT.to(x_BTH.device), self.token_scores)], dim=-1)

    @torch.no_grad()
    def forward(self, read_NK: Tensor, plan: SegmentPlan, state: PrefixState | None = None) -> Tensor:
        """(V,) p of each segment, float32, of what was read of the real tokens, (N, K).

        `state`, of a plan with a continuation, is brought up to date.
        """
        sums_VK = sums_before(F.pad(read_NK, (0, 1), value=1.0), plan, state)
        joint = plan.continuation
        if state is not None and joint is not None and not joint.begins_segment:
            return state.last_p[plan.row_of_segment]
        count_V = sums_VK[:, -1]
        p_V = self.posterior(sums_VK[:, :-1] / count_V.clamp(min=1)[:, None], count_V)
        p_V = torch.where(p_V < self.bound, 0.0, p_V)
        p_V = torch.where(count_V > 0, p_V, self.start)
        if state is not None and joint is not None:
            has_tokens = joint.last_segments < plan.num_segments
            state.last_p = torch.where(has_tokens, F.pad(p_V, (0, 1))[joint.last_segments], state.last_p)
        return p_V

    def posterior(self, mean_VK: Tensor, count_V: Tensor) -> Tensor:
        """(V,) p given means of what was read of `count_V` tokens each, neither start nor bound regarded."""
        place_V = (count_V / BIN_TOKENS).round().long().clamp(1, NUM_BINS) - 1
        scores_V = self.scores(mean_VK)
        return torch.sigmoid((scores_V - self.thresholds[place_V]) / self.widths[place_V])

    def scores(self, mean_VK: Tensor) -> Tensor:
        """(V,) of the language that fits best: log density less that of other text, and the tokens' mean score."""
        mean_VH, tokens_VL = mean_VK.split([len(self.center), self.token_scores.shape[1]], dim=1)
        return (self.density_ratios(mean_VH) + tokens_VL).amax(dim=1)

    def density_ratios(self, mean_VH: Tensor) -> Tensor:
        """(V, L): log density of each language at a mean state, less that of other text."""
        with torch.autocast(mean_VH.device.type, enabled=False):
            z_VCH = ((mean_VH - self.center) / self.scale)[:, None] - self.means
            along_VC = torch.einsum("vch,cqh->vcq", z_VCH, self.directions).square().sum(dim=-1)
            densities_VC = self.constants - (self.precisions * z_VCH.square().sum(dim=-1) - along_VC) / 2
        return densities_VC[:, :-1] - densities_VC[:, -1:]

    def empty_state(self, num_rows: int) -> PrefixState:
        """The state of `num_rows` rows before any token."""
        nothing = self.center.new_zeros(num_rows, len(self.center) + self.token_scores.shape[1] + 1)
        return PrefixState(nothing, nothing, self.center.new_full((num_rows,), self.start))


def gate_shapes(num_learn: int, hidden: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a gate is made of, as in a checkpoint."""
    kinds = num_learn + 1
    return {
        "center": (hidden,),
        "scale": (hidden,),
        "means": (kinds, hidden),
        "directions": (kinds, NUM_DIRECTIONS, hidden),
        "precisions": (kinds,),
        "constants": (kinds,),
        "token_scores": (vocabulary, num_learn),
        "thresholds": (NUM_BINS,),
        "widths": (NUM_BINS,),
    }


def gate_layer(layers: list[int], num_layers: int) -> int:
    """The layer whose states the gate reads: a quarter of the way up, or the first hybrid one if that is lower.

    Kinds of text differ most in the states a quarter of the way up (docs/domain-gate.md).
    """
    return min(layers[0], num_layers // 4)


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


def sums_before(values_NH: Tensor, plan: SegmentPlan, state: PrefixState | None) -> Tensor:
    """(V, H): of each segment, the sum of the values of its document's tokens before it.

    In float64, so that sums of a document lose nothing to the size of those before, which are taken off.
    """
    num_segments = plan.num_segments
    sums_VH = values_NH.new_zeros(num_segments + 1, values_NH.shape[1])  # the last place stands for "none"
    sums_VH = sums_VH.index_add(0, plan.segment_of_token, values_NH)
    joint = plan.continuation
    if state is not None:
        assert joint is not None
        sums_VH = sums_VH.index_add(0, joint.merged_segments, state.partial)
    segments = torch.arange(num_segments, device=values_NH.device)
    up_to_VH = F.pad(sums_VH[:-1].double().cumsum(dim=0), (0, 0, 1, 0))[:-1]
    before_VH = (up_to_VH - up_to_VH[plan.first_segments.minimum(segments)]).to(sums_VH.dtype)
    if state is not None and joint is not None:
        before_VH = before_VH + F.pad(state.complete, (0, 0, 0, 1))[plan.row_of_segment]
        last_BH, before_last_BH = sums_VH[joint.last_segments], F.pad(before_VH, (0, 0, 0, 1))[joint.last_segments]
        has_tokens, is_complete = (joint.last_segments < num_segments)[:, None], joint.is_complete[:, None]
        complete_BH = before_last_BH + last_BH.masked_fill(~is_complete, 0)
        state.complete = torch.where(has_tokens, complete_BH, state.complete)
        state.partial = torch.where(has_tokens, last_BH.masked_fill(is_complete, 0), state.partial)
    return before_VH
