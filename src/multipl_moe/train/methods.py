"""Ways of training: which model each one starts from, and which of its parameters learn."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from multipl_moe.checkpoints.loading import load_config, load_dense, load_hybrid
from multipl_moe.errors import BaseModelError
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import trained_names
from multipl_moe.recipe.moe import resolve_layers
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.recipe.training import TrainSection
from multipl_moe.train.freezing import TrainableParameters, freeze_all_but

_FFN = ".mlp."  # in names of the feed-forward blocks' parameters
_ADAPTER = ".lora_"  # in names of PEFT's


@dataclass(frozen=True)
class Method:
    """One way of training.

    Attributes:
        groups: title of each group of trained parameters and the part of a name that tells it; the first one fits.
        trained: names of the parameters that learn, given the model and the recipe.
    """

    groups: dict[str, str]
    trained: Callable[[PreTrainedModel, Recipe], set[str]]


def _names(model: PreTrainedModel, part: str = "") -> set[str]:
    return {name for name, _ in model.named_parameters() if part in name}


def _feed_forward(model: PreTrainedModel, recipe: Recipe) -> set[str]:
    layers = resolve_layers(recipe.moe.experts.layers, model.config.get_text_config().num_hidden_layers)
    return set().union(*(_names(model, f"layers.{layer}{_FFN}") for layer in layers))


def is_adapter(name: str) -> bool:
    """Whether a parameter belongs to an adapter of the method `lora`, which no checkpoint has."""
    return _ADAPTER in name


METHODS: dict[str, Method] = {
    "experts": Method(
        {
            "experts": ".mlp.experts.",
            "low-rank experts": ".adapters.",
            "token routers": ".token_router.",
            "segment routers": ".segment_",
        },
        lambda model, recipe: trained_names(model),
    ),
    "dense": Method({"feed-forward blocks": _FFN, "all other weights": ""}, lambda model, recipe: _names(model)),
    "dense-ffn": Method({"feed-forward blocks": _FFN}, _feed_forward),
    "lora": Method({"adapters": _ADAPTER}, lambda model, recipe: _names(model, _ADAPTER)),
}


def load_for_training(train: TrainSection, folder: Path) -> PreTrainedModel:
    """The model that `train.method` starts from; for `lora`, with fresh adapters around it (peft).

    Raises:
        BaseModelError: the folder holds the other kind of model, or cannot be read.
    """
    if train.trains_hybrid:
        if getattr(load_config(folder), "packs", None):
            raise BaseModelError(f"model: {folder} is put together of packs; train one by itself, and compose again")
        return load_hybrid(folder)
    if load_config(folder).model_type == MultiplMoeConfig.model_type:
        raise BaseModelError(f"model: {folder} is a hybrid; train.method {train.method} trains its dense base")
    model = load_dense(folder)
    return _with_adapters(model, train) if train.method == "lora" else model


def empty_for_training(train: TrainSection, config: PreTrainedConfig) -> PreTrainedModel:
    """The same model as `load_for_training` gives, on the meta device: names, shapes and dtypes without values."""
    is_hybrid = config.model_type == MultiplMoeConfig.model_type
    dtype = getattr(torch, config.dtype) if isinstance(config.dtype, str) else config.dtype
    with torch.device("meta"):
        builder: Any = MultiplMoeForCausalLM._from_config if is_hybrid else AutoModelForCausalLM.from_config
        model = builder(config, dtype=dtype or torch.float32)
        model.tie_weights()
        return _with_adapters(model, train) if train.method == "lora" else model


def prepare(model: PreTrainedModel, recipe: Recipe) -> TrainableParameters:
    """Freeze what `train.method` does not train; returns what does."""
    method = METHODS[recipe.train.method]
    return freeze_all_but(model, method.trained(model, recipe), method.groups)


def merge_adapters(model: Any) -> PreTrainedModel:
    """The plain dense model, adapters folded into its weights; other models as they are."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def _with_adapters(model: PreTrainedModel, train: TrainSection) -> PreTrainedModel:
    from peft import LoraConfig, get_peft_model

    rank, alpha = train.lora_rank, cast(int, train.lora_alpha)  # peft takes fractions too
    adapters = LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    return cast(PreTrainedModel, get_peft_model(model, adapters))
