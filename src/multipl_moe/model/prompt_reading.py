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
from multipl_moe.model.routing_pass import RoutingPass
from multipl_moe.model.segments import SegmentPlan, plan_segments

_LIKELIER_THAN_NOT = 0.51  # a text that says nothing has 0.5, but for rounding


@torch.no_grad()
def read_prompts(
    gates: Mapping[str, DomainGate], stride: int, input_ids: Tensor, attention_mask: Tensor | None
) -> Tensor:
    """(B, T, P) whose experts work for each token, 1 or 0, by all of its row; 0 for padding.

    They are those of the pack whose gate is likeliest to be open there, if that is likelier than not, and else of none:
    half open, a model would write what neither the base nor a model that is told the language writes.

    Args:
        gates: of the packs, at least one.
        stride: tokens of a segment.
        input_ids, attention_mask: (B, T), as of a model's `forward`; a row is one text.
    """
    real_tokens, _, position_ids = real_tokens_of(input_ids, attention_mask, None, None)
    plan = plan_segments(position_ids, real_tokens, window=None, stride=stride, lookahead=False)
    ids_N = input_ids.flatten() if plan.real_tokens is None else input_ids.flatten()[plan.real_tokens]
    plans, p_PV = RoutingPass(plan), []
    for gate in gates.values():
        device = gate.calibration.device  # gates of one model may lie on several
        p_PV.append(gate.p_of_prompts(ids_N.to(device), plans.plan_on(device)).to(ids_N.device))
    p_VP = torch.stack(p_PV, dim=1)
    is_open_VP = (p_VP > _LIKELIER_THAN_NOT) & (p_VP == p_VP.amax(dim=1, keepdim=True))
    open_NP = is_open_VP.float()[plan.segment_of_token]
    if plan.real_tokens is not None:
        nothing = open_NP.new_zeros(input_ids.numel(), len(gates))
        open_NP = nothing.index_copy(0, plan.real_tokens, open_NP)
    return open_NP.view(*input_ids.shape, len(gates))


def known_of_tokens(prompt_share: Tensor, plan: SegmentPlan, num_before: int, num_tokens: int) -> Tensor | None:
    """(P, N) what was read of the prompts for the tokens of a pass, NaN for those after them; None: all are after them.

    Args:
        prompt_share: (B, T, P), from `read_prompts`.
        plan: of the pass.
        num_before, num_tokens: columns of the batch in the cache, and in the pass.
    """
    known_BTP = prompt_share[:, num_before : num_before + num_tokens]
    if not known_BTP.shape[1]:
        return None
    known_NP = F.pad(known_BTP, (0, 0, 0, num_tokens - known_BTP.shape[1]), value=nan).flatten(0, 1)
    return (known_NP if plan.real_tokens is None else known_NP[plan.real_tokens]).T
