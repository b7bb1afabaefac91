"""Mixture-of-experts blocks of transformers with the sizes of the layer: what benchmarks compare with."""

from torch import nn
from transformers import Ernie4_5_MoeConfig, Qwen3MoeConfig
from transformers.models.ernie4_5_moe.modeling_ernie4_5_moe import Ernie4_5_MoeSparseMoeBlock
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

from multipl_moe.model.routing_config import RoutingConfig


def moe_blocks(moe: RoutingConfig, hidden_size: int, intermediate_size: int) -> dict[str, nn.Module]:
    """Blocks in which each token visits as many experts as in the token-level MoE of `moe`, all of them trained.

    Ernie's has a shared expert too; Qwen's has one more to choose from, and to choose, in its place.
    """
    qwen = Qwen3MoeConfig(
        hidden_size=hidden_size,
        moe_intermediate_size=intermediate_size,
        num_experts=moe.num_token_experts,
        num_experts_per_tok=moe.token_top_k,
        norm_topk_prob=True,
    )
    ernie = Ernie4_5_MoeConfig(
        hidden_size=hidden_size,
        moe_intermediate_size=intermediate_size,
        moe_num_experts=moe.num_routed_experts,
        moe_k=moe.token_top_k - 1,
        moe_num_shared_experts=1,
    )
    for config in (qwen, ernie):
        config._experts_implementation = "grouped_mm"
    blocks = {"Qwen3-MoE": Qwen3MoeSparseMoeBlock(qwen), "Ernie 4.5": Ernie4_5_MoeSparseMoeBlock(ernie)}
    for block in blocks.values():
        for parameter in block.parameters():
            nn.init.normal_(parameter, 0.0, qwen.initializer_range)
    return blocks
