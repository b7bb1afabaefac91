"""The hybrid causal language model: any supported base with the feed-forward blocks of chosen layers replaced."""

import logging
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModel, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_outputs import MoeCausalLMOutputWithPast
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import can_return_tuple

from multipl_moe.errors import ConfigError
from multipl_moe.model.cache import add_segment_state, require_dynamic, segment_state_of
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.families import family_of
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.segments import plan_segments

_logger = logging.getLogger(__name__)
_PLAN_KEY = "segment_plan"
_IGNORED_LABEL = -100
_PADDING_POSITION = -2
_NO_CACHE = (
    "preset {!r} cannot generate with a cache: its routing of a segment sees later tokens of that segment and the "
    "other segments of the batch, so every step routes the whole sequence anew"
)

_NO_MASK = (
    "attention_mask: it must be (rows, tokens), nonzero for real tokens, not {}; packed documents are kept apart by "
    "position_ids alone"
)


class MultiplMoeForCausalLM(PreTrainedModel, GenerationMixin):
    """A base causal language model with hybrid mixture-of-experts layers.

    Parameter names are the base's own, but for the hybrid layers (design 3). The segments of a batch are planned once
    per forward pass, by a hook in front of the base's decoder, and handed to each hybrid layer by a hook in front of
    the decoder layer: both hold under gradient checkpointing, and the base's own code stays untouched.
    """

    config: MultiplMoeConfig
    config_class = MultiplMoeConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}
    _keep_in_fp32_modules_strict = {"segment_threshold"}
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: MultiplMoeConfig) -> None:
        requested_attention = config._attn_implementation
        super().__init__(config)
        base, moe = config.base_config, config.moe_config
        self._family = family_of(base)
        if not moe.layers or moe.layers[-1] >= base.num_hidden_layers:
            raise ConfigError(
                f"moe.layers: {moe.layers} must name at least one of the base's layers 0..{base.num_hidden_layers - 1}"
            )
        if requested_attention is not None:  # otherwise the base's own default: Gemma 2, for one, has no sdpa
            base._attn_implementation = requested_attention
        self.model = AutoModel.from_config(base)
        config._attn_implementation = self.model.config._attn_implementation
        self.lm_head = nn.Linear(base.hidden_size, base.vocab_size, bias=False)
        for index in moe.layers:
            layer = self.model.layers[index]
            layer.mlp = HybridMoe(layer.mlp, moe, base)
            layer.register_forward_pre_hook(partial(_hand_over_plan, index), with_kwargs=True)
        self._moe = moe
        self.ranks: Ranks = ALONE
        if not moe.is_causal:
            _logger.warning(
                "preset %r: routing sees later tokens and other sequences, so teacher-forced losses are too good and "
                "generation differs from training; it is there to reproduce and to compare",
                moe.preset,
            )
        self.model.register_forward_pre_hook(self._plan_segments, with_kwargs=True)
        self.post_init()

    @property
    def hybrid_layers(self) -> dict[int, HybridMoe]:
        """The hybrid feed-forward blocks by decoder-layer index."""
        return {index: cast(HybridMoe, self.model.layers[index].mlp) for index in self._moe.layers}

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
        **kwargs: Any,
    ) -> MoeCausalLMOutputWithPast:
        """Next-token logits, and with `labels` the loss; in training it includes the load-balancing loss.

        Args:
            input_ids: (B, T); or inputs_embeds (B, T, H).
            attention_mask: (B, T), nonzero for real tokens; padding may be on either side.
            position_ids: (B, T) position in the document; restarts at each document of a packed row. Where there is no
                attention_mask, tokens with a negative one are padding. Left out, it counts the real tokens of each row.
            labels: (B, T), -100 where no token is to be predicted; shifted here.
            logits_to_keep: as in transformers.
            num_items_in_batch: labels in the whole accumulated batch, over all processes; makes losses of micro-batches
                add up, those of processes too.
            use_cache: whether to return a cache to continue from; not by default, as packed rows cannot have one.
            kwargs: among others `cache`, the cache of the tokens before, which may still be called `past_key_values`.
        """
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self._logits(outputs.last_hidden_state[:, keep, :])
        loss = aux_loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=logits.shape[-1], num_items_in_batch=num_items_in_batch
            )
            if self.training and (aux_loss := self._load_balancing_loss()) is not None:
                share = 1.0
                if num_items_in_batch is not None:
                    share = self.ranks.mean((labels[:, 1:] != _IGNORED_LABEL).sum()) / num_items_in_batch
                loss = loss + self._moe.router_aux_loss_coef * share * aux_loss.to(loss.device)
        return MoeCausalLMOutputWithPast(
            loss=loss,
            aux_loss=aux_loss,
            logits=logits,
            cache=outputs.cache,
            hidden_states=getattr(outputs, "hidden_states", None),
            attentions=getattr(outputs, "attentions", None),
        )

    def _logits(self, hidden: Tensor) -> Tensor:
        logits, config = self.lm_head(hidden), self.config.base_config
        if self._family.logit_divisor is not None:
            logits = logits / getattr(config, self._family.logit_divisor)
        if self._family.logit_softcap is not None and (cap := getattr(config, self._family.logit_softcap)) is not None:
            logits = torch.tanh(logits / cap) * cap
        return logits

    def _load_balancing_loss(self) -> Tensor | None:
        """Mean over the hybrid layers, or None where no layer has a token router."""
        layers = self.hybrid_layers.values()
        losses = [layer.load_balancing_loss for layer in layers if layer.load_balancing_loss is not None]
        for layer in layers:
            layer.load_balancing_loss, layer.keeps_loss = None, False
        return torch.stack(losses).mean() if losses else None

    def _plan_segments(self, decoder: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """Pre-hook of the decoder: the cache, position ids where they are not given, and the segments of the batch."""
        inputs = kwargs.get("input_ids") if kwargs.get("input_ids") is not None else kwargs.get("inputs_embeds")
        inputs = args[0] if inputs is None and args else inputs
        assert inputs is not None
        if "past_key_values" in kwargs:  # the decoder renames it too, but after this hook
            kwargs = {"cache": kwargs["past_key_values"]} | kwargs
            del kwargs["past_key_values"]
        cache = self._cache(kwargs)
        attention_mask, position_ids = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if attention_mask is not None and (not isinstance(attention_mask, Tensor) or attention_mask.ndim != 2):
            given = tuple(attention_mask.shape) if isinstance(attention_mask, Tensor) else type(attention_mask).__name__
            raise ValueError(_NO_MASK.format(given))
        if attention_mask is not None and bool((attention_mask != 0).all()):
            attention_mask = None
        if position_ids is None:
            position_ids = _positions(inputs, attention_mask, 0 if cache is None else cache.get_seq_length())
        position_ids = position_ids.expand(inputs.shape[:2])
        real_tokens = None if attention_mask is None else attention_mask[:, -inputs.shape[1] :]
        if attention_mask is None and cache is None and bool((position_ids < 0).any()):
            real_tokens = position_ids >= 0
        if real_tokens is not None and cache is None and "flash" not in (self.config._attn_implementation or ""):
            # Only without a mask does transformers keep packed documents apart in attention; a position that continues
            # nothing makes each padding token a document of its own.
            position_ids, attention_mask = position_ids.masked_fill(real_tokens == 0, _PADDING_POSITION), None
        if self.training:
            for layer in self.hybrid_layers.values():
                layer.absorb_batch_threshold()
                layer.keeps_loss = True
        plan = plan_segments(
            position_ids,
            real_tokens,
            window=self._moe.segment_window,
            stride=self._moe.segment_stride,
            lookahead=self._moe.segment_lookahead,
            cached=cache is not None,
        )
        changes = {"attention_mask": attention_mask, "position_ids": position_ids, "cache": cache, _PLAN_KEY: plan}
        return args, kwargs | changes | {"use_cache": cache is not None}

    def _cache(self, kwargs: dict[str, Any]) -> Cache | None:
        """The cache to use, ready to hold segment states, or None."""
        cache = kwargs.get("cache")
        if cache is None and not kwargs.get("use_cache"):
            return None
        if not self._moe.is_causal:
            raise ValueError(_NO_CACHE.format(self._moe.preset))
        cache = DynamicCache(config=self.config.base_config) if cache is None else cache
        require_dynamic(cache)
        if self._moe.num_segment_experts:
            add_segment_state(cache, self._moe.layers)
        return cache

    def generate(self, *args: Any, **kwargs: Any) -> Any:
        """As in transformers; presets that are not causal recompute every step and refuse a cache."""
        if not self._moe.is_causal:
            if kwargs.get("use_cache") or kwargs.get("cache") is not None or kwargs.get("cache_implementation"):
                raise ValueError(_NO_CACHE.format(self._moe.preset))
            kwargs["use_cache"] = False
        return super().generate(*args, **kwargs)  # pyright: ignore[reportAttributeAccessIssue] (a protocol of theirs)


def hybrid_layers_of(model: nn.Module) -> dict[int, HybridMoe]:
    """The hybrid blocks of a model by decoder-layer index; none in a dense model."""
    return model.hybrid_layers if isinstance(model, MultiplMoeForCausalLM) else {}


def _hand_over_plan(index: int, layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Pre-hook of a decoder layer: give its hybrid block plan and state, and keep the plan from the attention."""
    kwargs = dict(kwargs)
    block = cast(HybridMoe, layer.mlp)
    block.plan = kwargs.pop(_PLAN_KEY)
    block.state = None
    if block.plan is not None and block.plan.continuation is not None and block.moe.num_segment_experts:
        hidden = args[0] if args else kwargs["hidden_states"]
        num_blocks = block.moe.segment_window // block.moe.segment_stride
        block.state = segment_state_of(kwargs["cache"], index, hidden, num_blocks)
    return args, kwargs


def _positions(inputs: Tensor, attention_mask: Tensor | None, num_cached: int) -> Tensor:
    """(B, T) positions that count the real tokens of each row from 0, those in the cache included."""
    num_tokens = inputs.shape[1]
    if attention_mask is None:
        return torch.arange(num_cached, num_cached + num_tokens, device=inputs.device).expand(inputs.shape[:2])
    return (attention_mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -num_tokens:]
