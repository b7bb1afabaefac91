"""Parameter counts of a hybrid model: in all, active per token, and trained."""

from dataclasses import dataclass

import torch
from torch import nn

from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.modeling import MultiplMoeForCausalLM

_TRAINED_PARTS = (".adapters.", *(f".mlp.{part}" for part in ("experts.", "token_router.", "segment_")))


@dataclass(frozen=True)
class ParameterCounts:
    """Numbers of parameters, tied ones counted once.

    Attributes:
        active: those that the mean token uses: all but the experts it does not visit (segment experts count with
            `segment_capacity`, their mean number per token). Behind a domain gate that of text to learn; on all other
            text it is the base's.
        trained: those that training changes.
    """

    total: int
    active: int
    trained: int


def trained_names(model: nn.Module) -> set[str]:
    """Names of the parameters that training changes: experts, adapters, routers and start vectors of the layers."""
    return {name for name, _ in model.named_parameters() if any(part in name for part in _TRAINED_PARTS)}


def count_parameters(config: MultiplMoeConfig) -> ParameterCounts:
    """Count without allocating: the model is built on the meta device."""
    with torch.device("meta"):
        model = MultiplMoeForCausalLM(config)
    model.tie_weights()
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    total = sum(sizes.values())
    experts = sum(size for name, size in sizes.items() if ".mlp.experts." in name)
    moe = config.moe_config
    active = total - experts + round(experts * moe.mean_experts_per_token / moe.num_trained_experts)
    if not moe.is_routed:  # a full expert works alone, a low-rank one with the frozen weights
        active -= sum(size for name, size in sizes.items() if ".mlp.shared_expert." in name)
    return ParameterCounts(total, active, trained=sum(sizes[name] for name in trained_names(model)))
