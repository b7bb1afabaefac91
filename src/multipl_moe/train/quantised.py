"""The frozen base in 4 bits while experts train, as in QLoRA (Dettmers et al., arXiv 2305.14314).

No weight of it is written: the trained model has the base's own, as its files hold them.
"""

import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from multipl_judge.extras import install_hint
from multipl_moe.errors import ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.gated import hand_over_adapters
from multipl_moe.recipe.training import TrainSection

_BLOCK, _BLOCK_OF_SCALES = 64, 256  # weights that share a scale of 8 bits, and scales that share one of 32


class QuantisedLinear(nn.Module):
    """A frozen linear layer whose matrix is held as NF4 codes: 4 bits a weight, and a scale of 8 bits for 64 of them.

    It computes with what the codes stand for, in `dtype`, and gradients go through it to its input.

    Parameters: `weight`, the codes (uint8, two weights each), and the layer's own bias.
    """

    def __init__(self, linear: nn.Linear, dtype: torch.dtype, device: torch.device) -> None:
        from bitsandbytes.functional import quantize_4bit

        super().__init__()
        self.in_features, self.out_features, self.dtype = linear.in_features, linear.out_features, dtype
        codes, self._scales = quantize_4bit(
            linear.weight.detach().to(device), quant_type="nf4", compress_statistics=True
        )
        self.weight = nn.Parameter(codes, requires_grad=False)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., out) of x (..., in)."""
        # The function, and not its Linear4bit, which on CPUs loses gradients after an evaluation.
        from bitsandbytes import matmul_4bit  # pyright: ignore[reportPrivateImportUsage]

        bias = None if self.bias is None else self.bias.to(self.dtype)
        return matmul_4bit(x.to(self.dtype), self.weight, quant_state=self._scales, bias=bias)


def quantise_frozen(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Hold the frozen matrices of a model's layers in 4 bits, in place, on the device that trains.

    Embeddings, head, norms and biases stay as they are, but leave the file that they were read from. Do it before any
    weight is cast, so that there is never a whole base in float32.

    Args:
        dtype: in which the matrices compute.
    """
    device = torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    for parent, name, linear in list(_frozen_matrices(model)):
        quantised = QuantisedLinear(linear, dtype, device)
        hand_over_adapters(linear, quantised)
        setattr(parent, name, quantised)
    for parameter in model.parameters():
        if not parameter.requires_grad and parameter.dtype != torch.uint8:
            parameter.data = parameter.data.clone()  # or a mapped file would stay in memory for what is left of it


def saved_bytes(model: PreTrainedModel) -> int:
    """How many bytes of a model's weights `quantise_frozen` saves."""
    saved = 0
    for _, _, linear in _frozen_matrices(model):
        scales = linear.weight.numel() // _BLOCK
        saved += linear.weight.nbytes - linear.weight.numel() // 2 - scales - 4 * math.ceil(scales / _BLOCK_OF_SCALES)
    return saved


def require_quantisation(train: TrainSection, config: PreTrainedConfig) -> None:
    """Raise ConfigError where a recipe asks for a base in 4 bits that cannot be had."""
    if train.quantise is not None and (why_not := why_not_quantised(config)) is not None:
        raise ConfigError(f"train.quantise: {why_not}, or leave it out")


def why_not_quantised(config: PreTrainedConfig) -> str | None:
    """What stands against a base in 4 bits for the model of a configuration, here, and what to do; None: nothing."""
    if not isinstance(config, MultiplMoeConfig) or config.moe_config.is_routed:
        return "goes with one expert a layer behind a gate alone; upcycle with moe.preset pack"
    if find_spec("bitsandbytes") is None:
        return f"nf4 needs bitsandbytes; {install_hint('gpu')}"
    return None


def _frozen_matrices(model: PreTrainedModel) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    """Frozen linear layers within the decoder's layers, each with the module that holds it, and its name there.

    Those alone whose rows are whole blocks, as in all usual bases: of others bitsandbytes mixes up scales on a CPU.
    """
    decoder: Any = model.get_decoder()
    for parent in decoder.layers.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear) and not child.weight.requires_grad and child.in_features % _BLOCK == 0:
                yield parent, name, child
