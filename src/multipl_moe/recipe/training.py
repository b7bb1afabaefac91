"""Both stages of training: the sections `train` and `review`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from multipl_moe.recipe.section import Section

_MIXTURES = ("weights", "mixture_temperature", "language_tokens")


class TrainSection(Section):
    """Stage 1: new experts and routers learn from code; or, to compare with, the dense base does."""

    method: Literal["experts", "dense", "dense-ffn", "lora"] = Field(
        default="experts",
        description="What learns: experts and routers of a hybrid, or of the dense base all weights, the feed-forward "
        "blocks of moe.layers, or LoRA adapters on every linear map.",
    )
    lora_rank: int = Field(default=16, ge=1, description="Rank of the adapters of the method lora.")
    tokens: int = Field(default=300_000, gt=0, description="Tokens to train on.")
    skip_tokens: int = Field(default=0, ge=0, description="Tokens of the mixture that an earlier stage has seen.")
    sequence_tokens: int = Field(default=512, ge=2, description="Tokens of a packed sequence.")
    packing: Literal["windows", "best_fit"] = Field(
        default="best_fit",
        description="How documents become sequences: all text cut every sequence_tokens (windows), or only documents "
        "that are longer, and the pieces packed so that next to no place stays free (best_fit).",
    )
    batch_sequences: int = Field(default=4, ge=1, description="Sequences of a forward pass, on each process.")
    accumulation_steps: int = Field(default=1, ge=1, description="Forward passes of an optimiser step.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak of the schedule.")
    warmup_share: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps that warm up.")
    schedule: Literal["linear", "cosine", "constant_with_warmup"] = Field(
        default="cosine", description="How the rate falls after it."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="Of AdamW, on everything that trains but norms and biases."
    )
    adam_beta2: float = Field(default=0.95, gt=0, lt=1, description="AdamW's decay of squared gradients.")
    max_grad_norm: float = Field(default=1.0, gt=0, description="Larger gradients are scaled down to this norm.")
    replay: float = Field(
        default=0.1,
        ge=0,
        description="Share of each language to keep, in tokens, beside 1 for each to learn; 0 reads none of them.",
    )
    weights: dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="Mixture weight of each language in tokens, instead of 1 and replay."
    )
    mixture_temperature: float | None = Field(
        default=None,
        ge=1,
        description="Weights in proportion to bytes ** (1 / temperature) among the languages to learn, and among those "
        "to keep; 1: as much as there is of each. Default: all alike. Their means stay 1 and replay.",
    )
    language_tokens: dict[str, Annotated[int, Field(gt=0)]] | None = Field(
        default=None,
        description="Tokens of each language, instead of weights; they must add up to tokens and skip_tokens.",
    )
    max_epochs: float | None = Field(default=None, gt=0, description="Most passes over a language's text.")
    on_max_epochs: Literal["refuse", "cap"] = Field(
        default="refuse",
        description="Where a language would be read more often: refuse to train, or give what is too much to the "
        "others.",
    )
    compute_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where it is fast."
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2", "flex_attention"] = Field(
        default="auto", description="Attention in training; auto: the fastest here."
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute a layer's activations again in the backward pass instead of keeping them."
    )
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = Field(
        default="adamw",
        description="With its state in float32, in 8 bits, or in 8 bits and moved to the main memory where a GPU's "
        "is full; those in 8 bits need a GPU and bitsandbytes.",
    )
    distribution: Literal["auto", "ddp", "fsdp2"] = Field(
        default="auto",
        description="How processes that torchrun started share the work: each holds the whole model (ddp; auto), or a "
        "part of every weight (fsdp2).",
    )
    calibration_tokens: int = Field(
        default=32_768, gt=0, description="Training tokens that set the segment thresholds at the end."
    )
    calibration_sequence_tokens: int = Field(default=512, ge=2, description="Tokens of a sequence of that text.")
    log_every_steps: int = Field(default=5, ge=1, description="Steps of a line in metrics.jsonl.")
    save_every_steps: int = Field(default=100, ge=1, description="Steps from checkpoint to checkpoint.")
    keep_checkpoints: int = Field(default=2, ge=1, description="So many of the last checkpoints are kept.")
    keep_best: bool = Field(
        default=False, description="Keep the checkpoint with the least held-out loss, and end with it."
    )
    eval_every_steps: int | None = Field(default=None, ge=1, description="How often to measure the held-out loss.")
    eval_tokens: int = Field(default=16_384, gt=0, description="Held-out tokens, of all languages alike.")
    on_bad_step: Literal["stop", "skip"] = Field(
        default="stop", description="At a loss or gradient that is no number, or a spike: stop, or skip the step."
    )
    spike_factor: float | None = Field(
        default=None, gt=1, description="A loss above so many times its running median is a spike; default: none is."
    )
    trackers: list[Literal["tensorboard", "trackio", "wandb"]] = Field(
        default_factory=list, description="Where curves are written besides metrics.jsonl."
    )

    @model_validator(mode="after")
    def _best_is_measured(self) -> "TrainSection":
        if self.keep_best and self.eval_every_steps is None:
            raise ValueError("keep_best: needs eval_every_steps, which says how often to measure")
        return self

    @model_validator(mode="after")
    def _mixture_is_clear(self) -> "TrainSection":
        given = [name for name in _MIXTURES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given)}: each of them decides the mixture; give one")
        if self.on_max_epochs == "cap" and self.max_epochs is None:
            raise ValueError("on_max_epochs: cap needs max_epochs, which says where")
        total = sum((self.language_tokens or {}).values())
        if self.language_tokens is not None and total != self.tokens + self.skip_tokens:
            raise ValueError(
                f"language_tokens: they add up to {total:,}, but tokens and skip_tokens to "
                f"{self.tokens + self.skip_tokens:,}; make them equal"
            )
        return self


class ReviewSection(Section):
    """Stage 2: routers alone learn to leave the languages to keep to the frozen expert. Batches are as in `train`."""

    tokens: int = Field(default=50_000, gt=0, description="Tokens to train on.")
    learning_rate: float = Field(default=1e-3, gt=0, description="Peak of the schedule.")
    coefficient: float = Field(default=0.1, ge=0, description="Weight of the routing loss beside the next-token loss.")
    replay: float = Field(
        default=1.0, gt=0, description="Mixture weight of each language to keep, beside 1 for each to learn."
    )
    keep_load: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Share of the segments to keep that a segment expert may take afterwards, ties apart; 1: no bound.",
    )
