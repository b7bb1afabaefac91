"""The hybrid causal language model: a head on the hybrid decoder."""

import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import MoeCausalLMOutputWithPast
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import can_return_tuple

from multipl_moe.model.chunked_loss import chunked_cross_entropy
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.decoder import NO_CACHE, MultiplMoeModel, MultiplMoePreTrainedModel
from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.model.families import family_of
from multipl_moe.model.hybrid import HybridMoe

_logger = logging.getLogger(__name__)
_LOSS_APART = (
    "the model trains without labels: its load-balancing loss is in no loss that it returns; add "
    "config.router_aux_loss_coef * outputs.aux_loss to yours"
)


class MultiplMoeForCausalLM(MultiplMoePreTrainedModel, GenerationMixin):
    """A base causal language model with hybrid mixture-of-experts layers."""

    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}

    def __init__(self, config: MultiplMoeConfig) -> None:
        requested_attention = config._attn_implementation
        super().__init__(config)
        config._attn_implementation = requested_attention  # which the decoder has a default of its own for
        base = config.base_config
        self._family = family_of(base)
        self.model = MultiplMoeModel(config)
        self.lm_head = nn.Linear(base.hidden_size, base.vocab_size, bias=False)
        self._moe, self._aux_loss_coef = config.moe_config, config.router_aux_loss_coef
        self._has_warned = False
        self.post_init()

    @property
    def hybrid_layers(self) -> dict[int, HybridMoe]:
        """The hybrid feed-forward blocks by decoder-layer index."""
        return self.model.hybrid_layers

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        num_items_in_batch: Tensor | int | None = None,
        use_cache: bool | None = None,
        skip_logits: bool = False,
        open_share: Tensor | float | None = None,
        prompt_share: Tensor | None = None,
        **kwargs: Any,
    ) -> MoeCausalLMOutputWithPast:
        """Next-token logits, and with `labels` the loss; in training it includes the load-balancing loss.

        That one is then also returned by itself: a loss of one's own adds `config.router_aux_loss_coef * aux_loss`.

        Args:
            labels: (B, T), -100 where no token is to be predicted; shifted here.
            num_items_in_batch: labels in the whole accumulated batch, over all processes, so that their losses add up.
            skip_logits: with labels and a frozen head, take the loss chunk by chunk and return no logits, which are a
                step's largest tensors. What hooks of `lm_head` add has no part in it.
            The others, and `cache`, which may still be called `past_key_values`: see `MultiplMoeModel`.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            open_share=open_share,
            prompt_share=prompt_share,
            **kwargs,
        )
        hidden_BTH, loss, logits, aux_loss = outputs.last_hidden_state, None, None, outputs.aux_loss
        if labels is None or not skip_logits or self.lm_head.weight.requires_grad:
            keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            logits = self._logits(hidden_BTH[:, keep, :])
        if labels is not None:
            if logits is None:
                loss = self._loss_without_logits(hidden_BTH, labels, num_items_in_batch)
            else:
                loss = self.loss_function(
                    logits=logits, labels=labels, vocab_size=logits.shape[-1], num_items_in_batch=num_items_in_batch
                )
            if aux_loss is not None:
                loss = loss + self._aux_loss_share(labels, num_items_in_batch) * aux_loss.to(loss.device)
        elif aux_loss is not None and aux_loss.requires_grad and self._aux_loss_coef > 0:
            self._warn_of_loss_apart()
        return MoeCausalLMOutputWithPast(
            loss=loss,
            aux_loss=aux_loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            router_logits=outputs.router_logits,
        )

    def _warn_of_loss_apart(self) -> None:
        if not self._has_warned and not torch.compiler.is_compiling():
            self._has_warned = True
            _logger.warning(_LOSS_APART)

    def _aux_loss_share(self, labels: Tensor, num_items_in_batch: Tensor | int | None) -> Tensor | float:
        """What the load-balancing loss of a micro-batch counts: by its share of the labels of a step."""
        if num_items_in_batch is None:
            return self._aux_loss_coef
        own = self.model.ranks.mean((labels[:, 1:] != IGNORED_LABEL).sum())
        return self._aux_loss_coef * own / num_items_in_batch

    def _logits(self, hidden_BTH: Tensor) -> Tensor:
        logits = self.lm_head(hidden_BTH)
        if (divisor := self._base_value(self._family.logit_divisor)) is not None:
            logits = logits / divisor
        if (cap := self._base_value(self._family.logit_softcap)) is not None:
            logits = torch.tanh(logits / cap) * cap
        return logits

    def _loss_without_logits(
        self, hidden_BTH: Tensor, labels: Tensor, num_items_in_batch: Tensor | int | None
    ) -> Tensor:
        """What `loss_function` makes of the logits; one with a method `of_tokens` is given the losses of tokens."""
        targets_BT = F.pad(labels, (0, 1), value=IGNORED_LABEL)[:, 1:].to(hidden_BTH.device)
        losses_N = chunked_cross_entropy(
            hidden_BTH.flatten(0, 1),
            self.lm_head.weight,
            targets_BT.reshape(-1),
            divisor=self._base_value(self._family.logit_divisor),
            softcap=self._base_value(self._family.logit_softcap),
        )
        if (of_tokens := getattr(self.loss_function, "of_tokens", None)) is not None:
            return of_tokens(losses_N, targets_BT, num_items_in_batch)
        count = (targets_BT != IGNORED_LABEL).sum() if num_items_in_batch is None else num_items_in_batch
        return losses_N.sum() / count

    def _base_value(self, key: str | None) -> float | None:
        """A key of the base's configuration, None where the family has none such."""
        return None if key is None else getattr(self.config.base_config, key)

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; presets that are not causal recompute every step and refuse a cache.

        Domain gates first read each prompt as a whole (`read_prompt`), unless `open_share` tells the language or the
        text goes on from a cache, and decide all or nothing. `prompt_share=None` leaves that out: then it is as in
        `forward`.
        """
        if kwargs.get("open_share") is None and "prompt_share" not in kwargs:
            kwargs["prompt_share"] = self._read_prompt(*args[:2], **kwargs)
        if isinstance(told := kwargs.get("open_share"), Tensor):
            inputs = [*args[:1], *map(kwargs.get, ("inputs", "input_ids", "inputs_embeds"))]
            kwargs["open_share"] = _for_each_row(told, next((one for one in inputs if one is not None), None))
        if not self._moe.is_causal:
            if kwargs.get("use_cache") or kwargs.get("cache") is not None or kwargs.get("cache_implementation"):
                raise ValueError(NO_CACHE.format(self._moe.preset))
            kwargs["use_cache"] = False
        return super().generate(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue] (a protocol of theirs)

    def _read_prompt(
        self, inputs: Tensor | None = None, generation_config: GenerationConfig | None = None, **settings: Any
    ) -> Tensor | None:
        """`prompt_share` of what `generate` is given; without a mask padding is told by its id, where it is there."""
        inputs = settings.get("input_ids") if inputs is None else inputs
        if inputs is None or inputs.is_floating_point() or not inputs.numel():
            return None
        if any(
            cache is not None and cache.get_seq_length() for cache in map(settings.get, ("cache", "past_key_values"))
        ):
            return self.model.read_prompt(inputs[:, :0])
        mask = settings.get("attention_mask")
        if mask is None:
            sources = settings, vars(generation_config or self.generation_config), vars(self.generation_config)
            pad, ends = (
                next((value for source in sources if (value := source.get(name)) is not None), None)
                for name in ("pad_token_id", "eos_token_id")
            )
            if pad is not None and pad not in (ends if isinstance(ends, list) else [ends]):
                mask = inputs != pad
        return self.model.read_prompt(inputs, mask)


def _for_each_row(told: Tensor, inputs: Tensor | None) -> Tensor | float:
    """`open_share` in the forms that transformers repeats rightly for beams and several answers to a prompt: it repeats
    the rows of each tensor, so what holds for all rows must be a number, or stand in each."""
    if not told.ndim:
        return float(told)
    return told.expand(len(inputs), -1) if inputs is not None and told.ndim == 2 and len(told) == 1 else told
