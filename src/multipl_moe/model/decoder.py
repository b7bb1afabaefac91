"""The decoder of a hybrid model: any supported base's, with the feed-forward blocks of chosen layers replaced."""

import logging
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_outputs import MoeModelOutputWithPast
from transformers.utils.deprecation import deprecate_kwarg
from transformers.utils.generic import can_return_tuple

from multipl_moe.errors import ConfigError
from multipl_moe.model.cache import add_segment_state, require_dynamic
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.model.data_parallel import ALONE, Ranks
from multipl_moe.model.documents import attention_arguments, real_tokens_of, takes_document_bounds
from multipl_moe.model.domain_gate import (
    ALL_OR_NOTHING,
    DomainGate,
    known_of_tokens,
    share_of_prompts,
    told_of_segments,
)
from multipl_moe.model.expert_kinds import EXPERT_KINDS
from multipl_moe.model.families import family_of
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.hybrid import HybridMoe
from multipl_moe.model.moe_config import MoeConfig
from multipl_moe.model.routing_pass import RoutingPass, carry_routing
from multipl_moe.model.segments import places_for, plan_segments
from multipl_moe.model.token_moe import mean_load_balancing_loss, routed_sums

_logger = logging.getLogger(__name__)
NO_CACHE = (
    "preset {!r} cannot generate with a cache: its routing of a segment sees later tokens of that segment and the "
    "other segments of the batch, so every step routes the whole sequence anew"
)
# What transformers must know of the base: its attention, and what a device map may not tear apart or move.
_OF_BASE = ("_supports_sdpa", "_no_split_modules", "_skip_keys_device_placement", "_keep_in_fp32_modules")
_NO_REPLICAS = (
    "nn.DataParallel, which transformers' Trainer uses where it finds several GPUs: its copies of a hybrid would share "
    "one base; start a process for each GPU with torchrun, or choose one with CUDA_VISIBLE_DEVICES"
)
_QUANTIZED = (
    "quantization_config: bitsandbytes, torchao, GPTQ and their like replace nn.Linear alone, so the experts "
    "(stacked parameters, most of its weights) stay as they are"
)

_NO_ADAPTERS = (
    "quantization_config: it puts other matrices in the place of those that a pack's adapters lie beside; load the "
    "base quantised, and the pack on it with peft"
)

_NOT_CAUSAL = (
    "preset %r: routing sees later tokens and other sequences, so teacher-forced losses are too good and generation "
    "differs from training; it is there to reproduce and to compare"
)

_GATES_LAYER = 0  # of the cache, with whose keys and values the gates' states lie


@cache
def tell_not_causal(preset: str) -> None:
    """Warn of a preset once a process, however many models of it are made."""
    _logger.warning(_NOT_CAUSAL, preset)


class MultiplMoePreTrainedModel(PreTrainedModel):
    """What the decoder and the causal language model have in common."""

    config: MultiplMoeConfig
    config_class = MultiplMoeConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _keep_in_fp32_modules_strict = {*FLOAT32_BUFFERS, "calibration"}
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def set_attn_implementation(self, *args: Any, **kwargs: Any) -> None:
        """As in transformers; first of the base's decoder, which has the attention and is nobody's child."""
        require_hybrid(self).base_decoder.set_attn_implementation(*args, **kwargs)
        super().set_attn_implementation(*args, **kwargs)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """As in transformers; domain gates follow."""
        embeddings = super().resize_token_embeddings(*args, **kwargs)
        for gate in require_hybrid(self).gates.values():
            gate.resize(embeddings.num_embeddings)
        return embeddings


@dataclass
class MultiplMoeModelOutput(MoeModelOutputWithPast):
    """transformers' output of a mixture of experts' decoder, with the loss of its token routers where it trains."""

    aux_loss: torch.FloatTensor | None = None


class MultiplMoeModel(MultiplMoePreTrainedModel):
    """A base's decoder with hybrid mixture-of-experts layers, or with packs of gated experts.

    Parameter names are the base's own, but for what was added (design 3): this module has the base decoder's children
    for its own, and has them run by the base decoder, whose code stays untouched.

    Attributes:
        ranks: the processes that hold the other rows of a batch; see `over_ranks`.
        routes_as_in_training: whether thresholds come from the other rows of the batch; None: when the model trains.
    """

    layers: Any
    embed_tokens: Any

    def __init__(self, config: MultiplMoeConfig) -> None:
        requested_attention = config._attn_implementation
        super().__init__(config)
        base, moe = config.base_config, config.moe_config
        family_of(base)  # or a base that has no such layers would fail later, with no clear word
        if not moe.layers or moe.layers[-1] >= base.num_hidden_layers:
            there_are = f"the base's layers 0..{base.num_hidden_layers - 1}"
            raise ConfigError(f"moe.experts.layers: {moe.layers} must name at least one of {there_are}")
        if requested_attention is not None:  # otherwise the base's own default: Gemma 2, for one, has no sdpa
            base._attn_implementation = requested_attention
        from transformers import AutoModel  # which imports what is made of this module

        decoder = AutoModel.from_config(base)
        config._attn_implementation = decoder.config._attn_implementation
        for name in _OF_BASE:
            setattr(self, name, getattr(decoder, name))
        self._modules = decoder._modules
        self.__dict__["_decoder"] = decoder
        self._moe = moe
        self.domain_gates = nn.ModuleDict()
        packs = config.packs_config
        for name, pack in packs.items():
            self._add_pack(name, pack)
        self._pack_names = list(packs)
        for index in moe.layers:
            carry_routing(self.layers[index])
        self.ranks: Ranks = ALONE
        self.routes_as_in_training: bool | None = None
        if getattr(config, "quantization_config", None) is not None:
            if any(not pack.is_routed and EXPERT_KINDS[pack.experts.type].is_adapter for pack in packs.values()):
                raise ConfigError(_NO_ADAPTERS)
            _logger.warning(_QUANTIZED)
        if not moe.is_causal:
            tell_not_causal(moe.preset)
        self.post_init()

    @property
    def base_decoder(self) -> PreTrainedModel:
        """The base's own decoder, which runs this module's layers; no child, or all would be children twice."""
        return self.__dict__["_decoder"]

    def train(self, mode: bool = True) -> "MultiplMoeModel":
        """As in torch; the base's decoder, no child, is told as well."""
        self.base_decoder.training = mode
        return super().train(mode)

    def _add_pack(self, name: str, moe: MoeConfig) -> None:
        base, kind = self.config.base_config, EXPERT_KINDS[moe.experts.type]
        dropout = family_of(base).dropout
        for place in moe.layers:
            layer = self.layers[place]
            if dropout is not None:  # it would set the frozen block apart from its copies, which have none
                setattr(getattr(layer.mlp, "shared_expert", layer.mlp), dropout, 0.0)
            if moe.is_routed:
                layer.mlp = HybridMoe(layer.mlp, moe, base, place)
            else:
                kind.add(layer, name, moe.experts)
        if moe.gate.languages:
            self.domain_gates[name] = DomainGate(moe.gate, base.vocab_size)

    @property
    def gates(self) -> dict[str, DomainGate]:
        """The domain gates by name of the pack; none where experts work for all text."""
        return cast(dict[str, DomainGate], dict(self.domain_gates.items()))

    def read_prompt(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor | None:
        """(B, T, packs) whose experts work for prompts, by all of each; None without gates. No layer runs.

        Takes what `forward` takes, one text a row, and is what that takes as `prompt_share`: of the first T columns of
        a batch, counted from its first one, though that may lie in the cache, and padding has columns too. Segments
        that begin later are the gates' own, and open or shut, nothing between.
        """
        return share_of_prompts(self.gates, self._moe.gate.stride, input_ids, attention_mask) if self.gates else None

    def _decide(self, routing: RoutingPass, input_ids: Tensor | None, prompt_share: Tensor | None) -> None:
        """Let packs' gates say for which segments their experts work, but in training or where the caller did."""
        if routing.as_in_training or (routing.is_told and routing.cache is None):
            return
        known_PN = None
        if prompt_share is not None and input_ids is not None:
            num_before = 0 if routing.cache is None else routing.cache.get_seq_length()
            known_PN = known_of_tokens(prompt_share, routing.plan, len(self.gates), num_before, input_ids.shape[1])
        bound = None if prompt_share is None else ALL_OR_NOTHING
        for number, (name, gate) in enumerate(self.gates.items()):
            device = gate.calibration.device  # layers, and so gates, of one model may lie on several
            plan = routing.plan_on(device)
            state = routing.prefix_state(_GATES_LAYER, name, gate.empty_state)
            if input_ids is None:
                open_V = gate.pass_over(plan, state)
            else:
                ids_N = plan.of_real(input_ids.to(device).flatten())
                known_N = None if known_PN is None else known_PN[number].to(device)
                open_V = gate(ids_N, plan, state, known_N, bound)
            if not routing.is_told:
                routing.open_V[name] = open_V
                routing.first_share[name] = gate.first_share if prompt_share is None else 1.0
        routing.settle()

    def _init_weights(self, module: nn.Module) -> None:
        """The base's own: some, as Gemma's, set buffers that no file holds; and those of hybrid layers and the gate."""
        self.base_decoder._init_weights(module)
        if isinstance(module, HybridMoe | DomainGate):
            module.reset_buffers()

    @property
    def hybrid_layers(self) -> dict[int, HybridMoe]:
        """The feed-forward blocks in which routers choose experts, by decoder-layer index."""
        layers: Any = self.layers
        return {index: layers[index].mlp for index in self._moe.layers} if self._moe.is_routed else {}

    @deprecate_kwarg("past_key_values", "5.40.0", new_name="cache")
    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        cache: Cache | None = None,
        use_cache: bool | None = None,
        output_router_logits: bool | None = None,
        open_share: Tensor | float | None = None,
        prompt_share: Tensor | None = None,
        **kwargs: Any,
    ) -> MultiplMoeModelOutput:
        """Hidden states after the last norm.

        Args:
            input_ids, inputs_embeds: (B, T), or (B, T, H) in place of them, for which domain gates stay shut.
            attention_mask: (B, T), nonzero for real tokens; padding may be on either side.
            position_ids: (B, T) position in the document; restarts at each document of a packed row. Where there is no
                attention_mask, tokens with a negative one are padding. Left out, it counts the real tokens of each row.
            use_cache: whether to return a cache to continue from; not by default, as packed rows cannot have one.
            output_router_logits: whether to return the token routers' outputs, (N, E_t) a hybrid layer that asked them.
            open_share: one number, (B,), or of several packs (B, packs) or (1, packs), sorted by name, in place of what
                gates say: 1 where a row is known to be of a language that was learnt, 0 where it is known not to be.
            prompt_share: from `read_prompt`, in place of what gates say of prompts; of no account with `open_share`.
        """
        if getattr(self, "_is_replica", False):
            raise ValueError(_NO_REPLICAS)
        inputs = input_ids if input_ids is not None else inputs_embeds
        if inputs is None:
            raise ValueError("give input_ids or inputs_embeds")
        cache = self._cache(cache, use_cache)
        packed = position_ids is not None and cache is None
        real_tokens, attention_mask, position_ids = real_tokens_of(inputs, attention_mask, position_ids, cache)
        if cache is None and takes_document_bounds(self.config._attn_implementation):
            kwargs |= attention_arguments(position_ids)
        routing = self._routing_pass(position_ids, real_tokens, cache, packed=packed, open_share=open_share)
        self._decide(routing, input_ids, prompt_share)
        outputs = self.base_decoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            cache=cache,
            use_cache=cache is not None,
            routing=routing,
            **kwargs,
        )
        tokens = [layer.tokens for layer in routing.routed.values() if layer.tokens is not None]
        aux_loss = mean_load_balancing_loss(tokens, self._moe.routing, routing.ranks) if self.training else None
        self._tell(routing)
        wants_logits = self.config.output_router_logits if output_router_logits is None else output_router_logits
        return MultiplMoeModelOutput(
            last_hidden_state=outputs.last_hidden_state,
            cache=outputs.cache,
            hidden_states=getattr(outputs, "hidden_states", None),
            attentions=getattr(outputs, "attentions", None),
            router_logits=cast(Any, tuple(layer.logits for layer in tokens)) if wants_logits else None,
            aux_loss=cast(Any, aux_loss),
        )

    def _routing_pass(
        self,
        position_ids: Tensor,
        real_tokens: Tensor | None,
        cache: Cache | None,
        *,
        packed: bool,
        open_share: Tensor | float | None,
    ) -> RoutingPass:
        moe = self._moe
        trains = self.training and torch.is_grad_enabled() and cache is None
        as_in_training = self.training if self.routes_as_in_training is None else self.routes_as_in_training
        as_in_training = as_in_training and cache is None
        num_places = places_for(position_ids.shape, moe.gate.stride, packed=packed) if self._is_traced() else None
        plan = plan_segments(
            position_ids,
            real_tokens,
            window=moe.routing.segment_window if moe.routing and moe.routes_segments else None,
            stride=moe.gate.stride,
            lookahead=moe.routing is not None and moe.routing.segment_lookahead,
            cached=cache is not None,
            num_places=num_places,
        )
        counts = None
        ranks = self.ranks if self.training else ALONE
        if as_in_training and ranks.count > 1 and moe.routes_segments:
            counts = ranks.counts(plan.num_segments, position_ids.device)
        routing = RoutingPass(plan, as_in_training, trains, cache, ranks, counts)
        if as_in_training and open_share is None and len(self._pack_names) > 1:
            raise ValueError("open_share: in training gates are open, and of several packs one must be told")
        if open_share is not None:
            routing.tell(told_of_segments(open_share, plan, self._pack_names))
        elif trains and moe.gate.languages and moe.gate.first_dropout:
            routing.drop_first(self._pack_names[0], moe.gate.first_dropout)
        return routing

    def _is_traced(self) -> bool:
        """Whether shapes must be told beforehand: not to observers, nor to other processes, who want real segments."""
        observed = any(layer.observer is not None for layer in self.hybrid_layers.values())
        return torch.compiler.is_compiling() and not observed and self.ranks is ALONE

    def _tell(self, routing: RoutingPass) -> None:
        """Let observers see what was decided, and the layers that learn note what they trained on."""
        for index, layer in self.hybrid_layers.items():
            if layer.observer is not None:
                decided = routing.routed[index]
                devices = (part.chosen.device for part in decided if part is not None)
                device = next(devices, routing.plan.segment_of_token.device)
                layer.observer(layer, routing.plan_on(device), decided)
        if routing.needs_gradients and routing.as_in_training:
            sums = self._routed_sums(routing)
            for index, layer in self.hybrid_layers.items():
                if layer.routers_learn:
                    segments = routing.routed[index].segments
                    layer.note_batch(None if segments is None else segments.batch_gates, sums.get(index))

    def _routed_sums(self, routing: RoutingPass) -> dict[int, Tensor]:
        """By layer index, what its bias follows, over all processes, which communicate once for all layers."""
        if self._moe.routing is None or not self._moe.routing.has_token_bias:
            return {}
        tokens = {index: routed.tokens for index, routed in routing.routed.items() if routed.tokens is not None}
        sums = [routed_sums(layer.logits, layer.chosen) for layer in tokens.values()]
        totals = self.ranks.total(torch.stack([part.to(sums[0].device) for part in sums]))
        return dict(zip(tokens, totals, strict=True))

    def _cache(self, cache: Cache | None, use_cache: bool | None) -> Cache | None:
        """The cache to use, ready to hold segment states, or None."""
        if cache is None and not use_cache:
            return None
        if not self._moe.is_causal:
            raise ValueError(NO_CACHE.format(self._moe.preset))
        cache = DynamicCache(config=self.config.base_config) if cache is None else cache
        require_dynamic(cache)
        stateful_layers = list(self._moe.layers) if self._moe.routes_segments else []
        if self._moe.gate.languages:
            stateful_layers.append(_GATES_LAYER)
        add_segment_state(cache, stateful_layers)
        return cache


def hybrid_layers_of(model: nn.Module) -> dict[int, HybridMoe]:
    """The hybrid blocks of a model by decoder-layer index; none in a dense model."""
    decoder = decoder_of(model)
    return {} if decoder is None else decoder.hybrid_layers


def decoder_of(model: nn.Module) -> MultiplMoeModel | None:
    """The hybrid decoder in a model, also one that peft, DDP or torch.compile wrapped; None in a dense model."""
    return next((module for module in model.modules() if isinstance(module, MultiplMoeModel)), None)


def require_hybrid(model: nn.Module) -> MultiplMoeModel:
    """The hybrid decoder in a model; raises ConfigError where there is none."""
    decoder = decoder_of(model)
    if decoder is None:
        raise ConfigError("model: it has no hybrid layers, so no routers; make it a hybrid with `multipl-moe upcycle`")
    return decoder
