"""Loading checkpoints strictly: a missing or unexpected tensor is an error, never a random weight."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from multipl_moe.checkpoints.tensors import PEFT_PREFIX, holds_no_number, not_finite, with_adapter
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.system.device import fast_dtype, fastest_attention, move_to_best_device

_CONFIG_ERRORS = (ValueError, KeyError, OSError, TypeError, StrictDataclassError)
_UNREADABLE = (OSError, ValueError, SafetensorError)
_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
_SHOWN = 3
_BEFORE_PACKS = "32149e7"


def load_config(folder: Path, wanted: str = "a model's folder") -> PreTrainedConfig:
    """The configuration in `folder`; raises BaseModelError when there is none that transformers knows."""
    if not (folder / "config.json").is_file():
        raise BaseModelError(f"model: {folder} has no config.json; give {wanted}")
    try:
        config = AutoConfig.from_pretrained(folder)
    except _CONFIG_ERRORS as error:
        raise BaseModelError(
            f"model: {folder}/config.json cannot be used ({_first_sentence(error)}); mend it, or copy it again"
        ) from error
    for key in _SIZES:
        if isinstance(size := getattr(config.get_text_config(), key, None), int) and size < 1:
            raise BaseModelError(f"model: {folder}/config.json: {key} is {size}; must be 1 or more")
    return config


def load_hybrid(folder: Path, dtype: torch.dtype | Literal["auto"] = "auto") -> MultiplMoeForCausalLM:
    """The hybrid model in a folder, in a dtype, or the checkpoint's own.

    Raises:
        BaseModelError: the folder is no hybrid checkpoint, cannot be read, or its tensors do not fit the configuration.
    """
    config = load_config(folder, "a folder that `multipl-moe upcycle` wrote")
    if config.model_type != MultiplMoeConfig.model_type:
        raise BaseModelError(f"model: {folder} is not a hybrid ({config.model_type}); run `multipl-moe upcycle` first")
    return _loaded(MultiplMoeForCausalLM, folder, config, dtype, _UNREADABLE)


def load_dense(folder: Path) -> PreTrainedModel:
    """The dense model in `folder`, in the checkpoint's dtype; raises as `load_hybrid`."""
    # Modeling code of others says so in many ways; of one's own a defect keeps its traceback
    errors = (*_UNREADABLE, KeyError, RuntimeError)
    return _loaded(AutoModelForCausalLM, folder, load_config(folder), "auto", errors)


def load_model(folder: Path) -> PreTrainedModel:
    """The model in `folder`, hybrid or dense, ready for evaluation on the best device; raises as the loaders do."""
    is_hybrid = load_config(folder).model_type == MultiplMoeConfig.model_type
    return ready_for_evaluation(load_hybrid(folder) if is_hybrid else load_dense(folder))


def require_positions(config: PreTrainedConfig, num_tokens: int, key: str) -> None:
    """Check that a model can read texts of so many tokens, which most compute beyond their positions too, but badly.

    Raises:
        ConfigError: it names fewer positions; `key` is the setting to lower.
    """
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    if longest is not None and num_tokens > longest:
        raise ConfigError(f"{key}: {num_tokens} tokens are more than the {longest} that the model can read; lower it")


@contextmanager
def held_in_fast_dtype(model: PreTrainedModel) -> Iterator[None]:
    """Weights in a dtype that the hardware is slow in are held in float32 in this block, without loss."""
    slow = {parameter: parameter.dtype for parameter in model.parameters() if not _is_fast(parameter.dtype)}
    for parameter in slow:
        parameter.data = parameter.data.float()
    try:
        yield
    finally:
        for parameter, dtype in slow.items():
            parameter.data = parameter.data.to(dtype)


def ready_for_evaluation(model: PreTrainedModel) -> PreTrainedModel:
    """The model itself, in evaluation mode, where and how it computes fastest.

    It keeps its dtype, unless the hardware is slow in that: float32 holds all of them exactly.
    """
    if not _is_fast(model.dtype):
        model.float()
    move_to_best_device(model)
    model.set_attn_implementation(fastest_attention(model))
    return model.eval()


def _is_fast(dtype: torch.dtype) -> bool:
    return dtype in (torch.float32, fast_dtype()) or (dtype == torch.float16 and torch.cuda.is_available())


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")


def _loaded(
    model_class: Any,
    folder: Path,
    config: PreTrainedConfig,
    dtype: torch.dtype | Literal["auto"],
    errors: tuple[type[Exception], ...],
) -> Any:
    try:
        # Tensors of another shape are told in `info` only if they are ignored.
        model, info = model_class.from_pretrained(
            folder, config=config, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except errors as error:
        state = "are damaged" if isinstance(error, SafetensorError) else "are missing or cannot be read"
        raise BaseModelError(
            f"model: {folder} cannot be loaded ({_first_sentence(error)}); its weights {state}, copy or download them "
            "again"
        ) from error
    kinds = {"missing_keys": "missing", "unexpected_keys": "unexpected", "mismatched_keys": "of another shape"}
    wrong = [f"{words}: {_some(info[key])}" for key, words in kinds.items() if info[key]]
    if any(".domain_gate." in str(key) or key.endswith("_proj_a") for key in info["unexpected_keys"]):
        raise BaseModelError(
            f"model: {folder} was written before gated experts had tensors of their own; train it anew, or use it with "
            f"the version that wrote it (the last is commit {_BEFORE_PACKS})"
        )
    if any(str(key).startswith(PEFT_PREFIX) for key in info["unexpected_keys"]):
        raise BaseModelError(with_adapter(f"model: {folder}"))
    if wrong:
        raise BaseModelError(
            f"model: the weights of {folder} do not fit its config.json ({'; '.join(wrong)}); both must come from one "
            "model: make or copy it again"
        )
    if (name := not_finite([*model.named_parameters(), *model.named_buffers()])) is not None:
        raise BaseModelError(f"model: {folder}: {holds_no_number(name)}; copy or download it again")
    return model


def _some(keys: Iterable[Any]) -> str:
    names = sorted(key if isinstance(key, str) else str(key[0]) for key in keys)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
