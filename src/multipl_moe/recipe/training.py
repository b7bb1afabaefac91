"""Training: the section `train`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from multipl_moe.recipe.section import Section


class TrainSection(Section):
    """New experts and routers learn the new languages; or, for comparison, the dense base does."""

    method: Literal["experts", "dense", "dense-ffn", "lora"] = "experts"
    """What is trained: experts and routers of a hybrid (experts), or of the dense base all weights (dense), the
    feed-forward blocks of moe.experts.layers (dense-ffn), or LoRA adapters on every linear layer (lora)."""
    lora_rank: int = Field(default=16, ge=1)
    """Rank of the LoRA adapters (method lora)."""
    lora_alpha: float = Field(default=32.0, gt=0)
    """Scale of the LoRA adapters times their rank, PEFT's lora_alpha."""
    tokens: int = Field(default=300_000, gt=0)
    """Number of tokens to train on, padding included."""
    skip_tokens: int = Field(default=0, ge=0)
    """Number of tokens to skip in the mixture, as an earlier run has trained on them."""
    sequence_tokens: int = Field(default=512, ge=2)
    """Length of a packed training sequence, in tokens."""
    packing: Literal["windows", "best_fit"] = "best_fit"
    """Packing of documents into sequences: all text cut every sequence_tokens (windows), or only longer documents cut
    and the pieces packed with next to no padding (best_fit)."""
    batch_sequences: int = Field(default=1, ge=1)
    """Batch size per process: sequences per forward pass. More tokens a step want a higher rate: the default pack
    1.4e-3 for 256, 2e-3 for 512 (docs/packs.md). Segment experts want several sequences."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Number of forward passes per optimiser step (gradient accumulation)."""
    learning_rate: Annotated[float, Field(gt=0)] | Literal["auto"] | None = None
    """Peak learning rate, reached after warm-up; auto: found in short trials before training (docs/training.md), which
    a new base needs. Default: what suits smollm2-135m: 0.128 / alpha for low-rank experts (0.002 for the default pack)
    and for LoRA, 0.0005 for other experts and dense-ffn, 0.0003 for dense. All but the pack's were measured with 1,024
    tokens a step."""
    warmup_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the training steps spent on learning-rate warm-up."""
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = "cosine"
    """Learning-rate schedule after warm-up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW weight decay; norms and biases are exempt."""
    adam_beta2: float = Field(default=0.95, gt=0, lt=1)
    """AdamW beta2, the decay of its mean of squared gradients."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Maximum gradient norm; larger gradients are scaled down to it."""
    replay: float = Field(default=0.0, ge=0)
    """Mixture weight of each language to keep, in tokens, beside 1 for each to learn. 0: their text is not read. Use
    about 0.1 for a model without a domain gate."""
    weights: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Mixture weight of each language by name, in tokens, instead of 1 for those to learn and replay for those to keep;
    only their ratios count, so they may be numbers of tokens."""
    answers: Annotated[float, Field(ge=0)] | Literal["alone"] = 1.0
    """Mixture weight of the answers in a language, in tokens, if the corpus has any, beside 1 for its files; 0 reads no
    answers, alone reads nothing else of the language."""
    mixture_temperature: float | None = Field(default=None, ge=1)
    """Temperature of the mixture: languages to learn, and those to keep, are weighted in proportion to bytes ** (1 /
    temperature), with means 1 and replay; 1: as much as there is of each. Default: all alike."""
    max_epochs: float | None = Field(default=None, gt=0)
    """Maximum number of epochs over a language's text; default: no limit."""
    on_max_epochs: Literal["refuse", "cap"] = "refuse"
    """What to do if a language would exceed max_epochs: refuse to train, or cap it and give the rest to the others."""
    compute_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Data type of matrix products in training; auto: bfloat16 if it is fast, else float32."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flex_attention"] = "auto"
    """Attention implementation in training; auto: the fastest on this machine."""
    gradient_checkpointing: bool = False
    """Recompute a layer's activations in the backward pass instead of keeping them in memory."""
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = "adamw"
    """Optimiser: AdamW with its state in float32, in 8 bits, or in 8 bits and paged to main memory when a GPU's is
    full; the 8-bit ones need a GPU and bitsandbytes."""
    quantise: Literal["nf4"] | None = None
    """Precision of the frozen base's matrices in training; nf4: 4 bits, as in QLoRA, with one expert a layer behind a
    gate and bitsandbytes. The trained model has the base's own weights. Default: as stored."""
    distribution: Literal["auto", "ddp", "fsdp2"] = "auto"
    """Distribution of training over torchrun's processes: each holds the whole model (ddp; auto), or a part of every
    weight (fsdp2)."""
    calibration_tokens: int = Field(default=32_768, gt=0)
    """Number of training tokens on which segment thresholds and routing biases are calibrated at the end."""
    calibration_sequence_tokens: int = Field(default=512, ge=2)
    """Length of a calibration sequence, in tokens."""
    log_every_steps: int = Field(default=5, ge=1)
    """Number of optimiser steps between lines in metrics.jsonl."""
    save_every_steps: int = Field(default=100, ge=1)
    """Number of optimiser steps between checkpoints."""
    save_every_minutes: float | None = Field(default=30.0, gt=0)
    """Number of minutes after which a checkpoint is saved, however few the steps; null: by steps alone."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """Number of recent checkpoints to keep."""
    keep_best: bool = False
    """Keep the checkpoint with the lowest held-out loss, and end with it; needs eval_every_steps."""
    eval_every_steps: int | None = Field(default=None, ge=1)
    """Number of optimiser steps between measurements of the held-out loss; default: it is not measured."""
    eval_tokens: int = Field(default=16_384, gt=0)
    """Number of held-out tokens to measure the loss on, in equal parts for all languages."""
    trackers: list[Literal["tensorboard", "trackio", "wandb"]] = Field(default_factory=lambda: [])
    """Experiment trackers that training curves are written to, besides metrics.jsonl."""

    @model_validator(mode="after")
    def _fits(self) -> "TrainSection":
        if self.keep_best and self.eval_every_steps is None:
            raise ValueError("keep_best: needs eval_every_steps, which says how often to measure")
        if self.quantise is not None and self.method != "experts":
            raise ValueError(
                f"quantise: goes with method experts, and not with {self.method}, of which the base trains"
            )
        if self.quantise is not None and self.distribution == "fsdp2":
            raise ValueError("quantise: does not go with distribution fsdp2; use ddp")
        if self.weights is not None and self.mixture_temperature is not None:
            raise ValueError("weights, mixture_temperature: each of them decides the mixture; give one")
        if self.on_max_epochs == "cap" and self.max_epochs is None:
            raise ValueError("on_max_epochs: cap needs max_epochs, which sets the limit")
        return self

    @property
    def trains_hybrid(self) -> bool:
        """Whether the method starts from a hybrid checkpoint; otherwise from the dense base itself."""
        return self.method == "experts"
