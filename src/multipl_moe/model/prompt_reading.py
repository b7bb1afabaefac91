"""Prompts, which are known as a whole before anything is written: domain gates read all of one, and then decide.

Shapes: B rows of T tokens hold N real ones in V segments; P packs have a gate.
"""

from collections.abc import Mapping
from math import nan

import torch
from torch import Tensor
from torch.nn import functional as F

from multipl_moe.model.documents import real_tokens_of
from multipl_moe.model.domain_gate import DomainGate
from multipl_moe.model.routing_pass import moved
from multipl_moe.model.segments import SegmentPlan, plan_segments

ALL_OR_NOTHING = 0.5  # a gate's bound while a model goes on from a prompt
_UNLIKELY = 0.49  # half as other text, less what rounding may do to a text that says nothing


@torch.no_grad()
def share_of_prompts(
    gates: Mapping[str, DomainGate], stride: int, input_ids: Tensor, attention_mask: Tensor | None
) -> Tensor:
    """(B, T, P) whose experts work for each token, 1 or 0, by all of its row; 0 for padding.

    They are those of one pack, for whose gate other text is least likely there, if that is less than half; else of
    none. Half open, a model would write what neither the base nor a model that is told the language writes.

    Args:
        gates: of the packs, at least one.
        stride: tokens of a segment.
        input_ids, attention_mask: (B, T), as of a model's `forward`; a row is one text.
    """
    real_tokens, _, position_ids = real_tokens_of(input_ids, attention_mask, None, None)
    plan = plan_segments(position_ids, real_tokens, window=None, stride=stride, lookahead=False)
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
        plan: of the pass.
        num_packs: P.
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
