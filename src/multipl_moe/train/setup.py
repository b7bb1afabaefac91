"""What follows from a recipe, the machine and the number of processes, decided once for a run, and set on its model."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from multipl_judge.extras import install_hint
from multipl_judge.languages.answers import answers_in
from multipl_moe.errors import ConfigError
from multipl_moe.model.decoder import decoder_of
from multipl_moe.model.documents import attention_arguments, takes_document_bounds
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.recipe.training import TrainSection
from multipl_moe.system.device import fast_dtype, fastest_attention, has_sdpa
from multipl_moe.system.launch import num_processes

OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_bnb_8bit", "paged_adamw_8bit": "paged_adamw_8bit"}


@dataclass(frozen=True)
class TrainingSetup:
    """How a run trains here.

    Attributes:
        languages: of the mixture, and the answers that it may hold in them.
        dtype: of matrix products: bfloat16 where the hardware has it, unless the recipe decides.
        distribution: `one` process alone, or several, each with a whole model (`ddp`) or a part of it (`fsdp2`).
        tokens_per_step: of an optimiser step, over all processes.
        steps: optimiser steps that cover the recipe's tokens, at least one.
        first_rate: the learning rate of `train`, or where the search for one begins.
    """

    train: TrainSection
    seed: int
    languages: list[str]
    dtype: torch.dtype
    distribution: Literal["one", "ddp", "fsdp2"]
    tokens_per_step: int
    steps: int
    first_rate: float

    @classmethod
    def of(cls, recipe: Recipe) -> "TrainingSetup":
        """Decide, without a look at the model or at whether this machine can do it."""
        rate = recipe.learning_rate
        train = recipe.with_settings("train", learning_rate=rate).train
        per_step = tokens_per_step(train)
        several = "ddp" if train.distribution == "auto" else train.distribution
        return cls(
            train,
            recipe.seed,
            [*recipe.mixture_weights, *map(answers_in, recipe.mixture_weights)],
            dtype=fast_dtype() if train.compute_dtype == "auto" else getattr(torch, train.compute_dtype),
            distribution="one" if num_processes() == 1 else several,
            tokens_per_step=per_step,
            steps=max(round(train.tokens / per_step), 1),
            first_rate=recipe.usual_rate if rate == "auto" else rate,
        )

    def with_rate(self, learning_rate: float) -> "TrainingSetup":
        """The same with the rate that `auto` means."""
        return replace(self, train=self.train.model_copy(update={"learning_rate": learning_rate}))

    @property
    def num_sequences(self) -> int:
        """Sequences that all steps read."""
        return self.steps * self.tokens_per_step // self.train.sequence_tokens

    @property
    def warmup_steps(self) -> int:
        """Steps in which the learning rate rises from 0: one at least, where the recipe wants any and there are two."""
        if self.train.warmup_share == 0:
            return 0
        return min(max(round(self.train.warmup_share * self.steps), 1), self.steps - 1)

    def use_attention(self, model: PreTrainedModel) -> None:
        """Let a model train with the recipe's attention, or the fastest that it has here.

        Raises:
            ConfigError: the recipe asks for one that the model or this machine lacks.
        """
        attention = self.train.attention
        if attention == "sdpa" and not has_sdpa(model):
            raise ConfigError("train.attention: this base has no sdpa attention; use eager, or auto")
        try:
            model.set_attn_implementation(fastest_attention(model) if attention == "auto" else attention)
        except (ImportError, ValueError) as error:
            why = str(error).partition(". ")[0].rstrip(".")
            raise ConfigError(f"train.attention: {attention} cannot be used here ({why}); use auto") from None

    def use_checkpointing(self, model: PreTrainedModel) -> None:
        """Where the recipe says so, keep only the inputs of decoder layers that gradients flow through for backward.

        transformers makes the embeddings' output require gradients as well, for another form of checkpointing; with it
        the backward pass would go through all frozen layers below the first trained one.
        """
        if self.train.gradient_checkpointing:
            model.activation_checkpointing_enable()
            model.disable_input_require_grads()

    def unify_dtype(self, model: PreTrainedModel) -> None:
        """Hold all weights in float32 where nothing casts them: it holds bfloat16 and float16 exactly."""
        if self.dtype == torch.float32:
            model.float()


def tokens_per_step(train: TrainSection) -> int:
    """Tokens of an optimiser step, over all processes."""
    return train.sequence_tokens * train.batch_sequences * train.accumulation_steps * num_processes()


def require_a_step(train: TrainSection) -> None:
    """Raise ConfigError where a single step would read more than the recipe's tokens."""
    if train.tokens < (per_step := tokens_per_step(train)):
        raise ConfigError(
            f"train.tokens: {train.tokens:,} are less than one step reads, {per_step:,} (sequence_tokens x "
            "batch_sequences x accumulation_steps x processes); train on several steps, or make them smaller"
        )


def require_optimizer(optimizer: str) -> None:
    """Raise ConfigError where an optimiser keeps its state in 8 bits, and there is no GPU or no bitsandbytes."""
    if optimizer != "adamw" and not torch.cuda.is_available():
        raise ConfigError(f"train.optimizer: {optimizer} needs a CUDA GPU, and there is none here; use adamw")
    if optimizer != "adamw" and find_spec("bitsandbytes") is None:
        raise ConfigError(f"train.optimizer: {optimizer} needs bitsandbytes; {install_hint('gpu')}, or use adamw")


def require_processes(train: TrainSection) -> None:
    """Raise ConfigError where the processes and GPUs that are there would not be used as the recipe asks."""
    wanted, torchrun = train.distribution, "torchrun --nproc-per-node N -m multipl_moe train ..."
    if num_processes() == 1 and wanted != "auto":
        raise ConfigError(
            f"train.distribution: {wanted} needs several processes, but this is one; start it as `{torchrun}`"
        )
    if num_processes() == 1 and torch.cuda.device_count() > 1:
        raise ConfigError(
            f"train: one process uses one GPU, but there are several; start it as `{torchrun}` with a process for "
            "each, or choose one, as with CUDA_VISIBLE_DEVICES=0"
        )
    if wanted == "fsdp2" and train.method == "lora":
        raise ConfigError("train.distribution: fsdp2 does not go with train.method lora; use ddp")
    if wanted == "fsdp2" and train.keep_best:
        raise ConfigError("train.keep_best: does not go with train.distribution fsdp2; leave it off, or use ddp")


def batch_arguments(model: PreTrainedModel, batch: dict[str, Tensor]) -> dict[str, Any]:
    """What a model in training is told beside a batch, whose `position_ids` may be on any device.

    A hybrid is told to make no logits; a dense model, where documents begin, which a hybrid tells attention itself.
    """
    if decoder_of(model) is not None:
        return {"skip_logits": True}
    if takes_document_bounds(model.config._attn_implementation):
        return attention_arguments(batch["position_ids"].to(model.device))
    return {}
