"""What a model in training is told beside a batch."""

from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from multipl_moe.model.decoder import decoder_of
from multipl_moe.model.documents import attention_arguments, takes_document_bounds


def batch_arguments(model: PreTrainedModel, batch: dict[str, Tensor]) -> dict[str, Any]:
    """A hybrid is told to make no logits; a dense model, where documents begin, which a hybrid tells attention itself.

    `batch` has `position_ids`, on any device.
    """
    if decoder_of(model) is not None:
        return {"skip_logits": True}
    if takes_document_bounds(model.config._attn_implementation):
        return attention_arguments(batch["position_ids"].to(model.device))
    return {}
