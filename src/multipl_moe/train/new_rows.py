"""New tokens' rows of embedding and output layer: the only rows of these matrices that learn.

The matrices themselves stay frozen parameters, hashed before and after like all others. What is learnt of the new rows
is kept beside them, as a difference from their start, and added to what the matrices give; at the end it is folded into
them. So neither gradient nor optimiser state of a whole embedding is held, and no other row can move.
(peft's trainable tokens merge the rows into a copy of the matrix in every pass, whose gradient is as large as it.)
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear, pad
from transformers import PreTrainedModel

from multipl_moe.fim_tokens import NEW_KEY

NEW_ROWS = "new_rows"
_IDS = "new_token_ids"  # attributes of an embedding while its new rows learn
_HOOK = "new_rows_hook"


def let_new_rows_learn(model: PreTrainedModel) -> set[str]:
    """Give the rows of the tokens that are new to the model's base parameters of their own, at first zero.

    Tied matrices share them.

    Returns:
        Their names; none where no token is new.
    """
    ids = getattr(model.config.get_text_config(), NEW_KEY, None)
    if not ids:
        return set()
    first, last = _ends(model)
    for module in dict.fromkeys((first, last if last.weight is not first.weight else first)):
        rows = torch.zeros(len(ids), module.weight.shape[1], device=module.weight.device)
        module.register_parameter(NEW_ROWS, nn.Parameter(rows))
    for module, hook, owner in ((first, _add_to_embeddings, first), (last, _add_to_logits, _owner(first, last))):
        module.register_buffer(_IDS, torch.tensor(ids, device=module.weight.device), persistent=False)
        setattr(module, _HOOK, module.register_forward_hook(partial(hook, owner)))
    return {name for name, _ in model.named_parameters() if is_new_rows(name)}


def is_new_rows(name: str) -> bool:
    """Whether a parameter holds what new tokens' rows have learnt, which no saved model has apart."""
    return name.endswith(f".{NEW_ROWS}")


def skips_logits(model: nn.Module) -> bool:
    """Whether a hybrid that is prepared for training learns without logits; rows of new tokens add to them."""
    return not any(is_new_rows(name) for name, _ in model.named_parameters())


@torch.no_grad()
def fold_new_rows(model: PreTrainedModel) -> None:
    """Put what the new rows learnt into the matrices, which are then plain again; models without such rows stay."""
    for module in _ends(model):
        if hasattr(module, _HOOK):
            getattr(module, _HOOK).remove()
            delattr(module, _HOOK)
            if hasattr(module, NEW_ROWS):
                ids = module.get_buffer(_IDS)
                module.weight[ids] = (module.weight[ids] + module.new_rows).to(module.weight.dtype)
                delattr(module, NEW_ROWS)
            delattr(module, _IDS)


def _ends(model: PreTrainedModel) -> tuple[Any, Any]:
    return model.get_input_embeddings(), model.get_output_embeddings()


def _owner(first: Any, last: Any) -> Any:
    return last if NEW_ROWS in last._parameters else first


def _add_to_embeddings(owner: Any, module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Hook of the embedding: (B, T, H) with the difference of each new token added, in float32 before it is rounded."""
    hits_BTR = args[0].unsqueeze(-1) == module.new_token_ids
    numbers_R = torch.arange(1, hits_BTR.shape[-1] + 1, device=hits_BTR.device)
    learnt_BTH = embedding((hits_BTR * numbers_R).sum(dim=-1), pad(owner.new_rows, (0, 0, 1, 0)))
    scale = getattr(module, "embed_scale", 1.0)  # Gemma 3 multiplies what it looks up
    return (output + learnt_BTH * scale).to(output.dtype)


def _add_to_logits(owner: Any, module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Hook of the output layer: logits of the new tokens with their difference, in place, as all logits are large."""
    learnt_BTR = linear(args[0], owner.new_rows.to(args[0].dtype))
    return output.index_add_(-1, module.new_token_ids, learnt_BTR.to(output.dtype))
