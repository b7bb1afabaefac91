"""Generation with the cache gives what the full forward pass gives (design 4, promise 2).

Whatever else is done to a cache: test_cache_operations.py.
"""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, StaticCache
from transformers.cache_utils import Cache, DynamicIndexedLayer, DynamicLayer

from tests.conftest import CAUSAL_PRESETS, random_tokens, tiny_hybrid
from tests.model.layouts import GREEDY, left_padded, logits_in_chunks

FAMILIES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "mistral"]
TOLERANCE = {"rtol": 0, "atol": 1e-4}


@torch.no_grad()
def _full(model: Any, tokens: Tensor) -> Tensor:
    return model(tokens).logits


def _generate(model: Any, lengths: list[int], **settings: Any) -> Tensor:
    tokens, mask = left_padded(lengths, seed=5)
    torch.manual_seed(0)
    return model.generate(tokens, attention_mask=mask, max_new_tokens=11, eos_token_id=None, pad_token_id=0, **settings)


@pytest.mark.parametrize(
    ("family", "expert_type", "preset", "sizes"),
    [
        *((family, "full", "causal", (1,)) for family in FAMILIES),
        *((family, "lora", "causal", (1,)) for family in ("phi3", "starcoder2")),
        *(("llama", None, preset, (1,)) for preset in CAUSAL_PRESETS[1:]),
        *(("llama", "full", "causal", sizes) for sizes in ((4,), (5, 1, 7, 2, 9, 3))),
    ],
)
def test_token_by_token_or_in_chunks_come_the_logits_of_the_full_pass(
    family: str, expert_type: str | None, preset: str, sizes: tuple[int, ...]
):
    chosen: dict[str, Any] = {} if expert_type is None else {"type": expert_type}
    model, tokens = tiny_hybrid(preset, family, **chosen), random_tokens(2, 33)
    torch.testing.assert_close(logits_in_chunks(model, tokens, sizes), _full(model, tokens), **TOLERANCE)


@pytest.mark.filterwarnings("ignore:`past_key_values` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_is_used_under_both_of_its_names(name: str):
    model = tiny_hybrid()
    tokens = random_tokens(2, 20)
    with torch.no_grad():
        whole = model.model(tokens).last_hidden_state
        begun = model(tokens[:, :10], use_cache=True)
        logits = model(tokens[:, 10:13], **{name: begun[name]}).logits
        hidden = model.model(tokens[:, 13:], **{name: begun[name]}).last_hidden_state
    torch.testing.assert_close(logits, _full(model, tokens)[:, 10:13], **TOLERANCE)
    torch.testing.assert_close(hidden, whole[:, 13:], **TOLERANCE)


_SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {"do_sample": False},
    "beams": {"do_sample": False, "num_beams": 4},
    "samples": {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
    "beam-returns-chunks": {"do_sample": False, "num_beams": 4, "num_return_sequences": 2, "prefill_chunk_size": 5},
}


@pytest.mark.parametrize(
    ("family", "preset", "way"),
    [
        *(("llama", "causal", way) for way in _SETTINGS),
        *(("llama", preset, "beams") for preset in CAUSAL_PRESETS[1:]),
        *((family, "causal", "beam-returns-chunks") for family in FAMILIES[1:]),
    ],
)
def test_generation_is_the_same_with_and_without_the_cache(family: str, preset: str, way: str):
    model, settings = tiny_hybrid(preset, family), _SETTINGS[way]
    lengths = [13, 6, 1]
    without = {key: value for key, value in settings.items() if key != "prefill_chunk_size"}
    expected = _generate(model, lengths, use_cache=False, **without)
    assert torch.equal(_generate(model, lengths, **settings), expected)


@torch.no_grad()
def test_a_decoding_step_touches_only_the_experts_that_it_needs_and_a_segment_keeps_its_own():
    """Weights of the experts that a step does not choose are not a number, and it does not notice."""
    model, tokens = tiny_hybrid(), random_tokens(1, 24)
    moe, weights, expected = model.config.moe_config, copy.deepcopy(model.state_dict()), _full(model, tokens)
    chosen: dict[Any, list[tuple[bool, ...]]] = {layer.experts: [] for layer in model.hybrid_layers.values()}

    def poison(experts: Any, args: tuple[Any, ...]) -> None:
        is_chosen = args[1].counts > 0
        assert not is_chosen.all()
        chosen[experts].append(tuple(is_chosen[moe.routing.num_routed_experts :].tolist()))
        for parameter in experts.parameters():
            parameter[~is_chosen] = float("nan")

    for experts in chosen:
        experts.register_forward_pre_hook(poison)
    cache = None
    for position in range(24):
        output = model(tokens[:, position : position + 1], cache=cache, use_cache=True)
        cache = output.cache
        torch.testing.assert_close(output.logits[:, 0], expected[:, position], **TOLERANCE)
        model.load_state_dict(weights)
    for of_segments in chosen.values():
        changes = [position for position in range(1, 24) if of_segments[position] != of_segments[position - 1]]
        assert changes
        assert all(position % moe.gate.stride == 0 for position in changes)


def test_what_a_segment_state_cannot_follow_is_refused():
    model, tokens = tiny_hybrid(), random_tokens(1, 11)
    with pytest.raises(ValueError, match=r"crop|rollback|assist"):
        model.generate(tokens, assistant_model=tiny_hybrid(), max_new_tokens=9, pad_token_id=0)
    cache = model(tokens, use_cache=True).cache
    with pytest.raises(ValueError, match="cannot be cropped"):
        cache.crop(-1)
    state, num_blocks = cache.layers[1].segment_state, 8 // 4
    assert state.blocks.numel() + state.partial.numel() == (num_blocks + 1) * 32, "as small as documented"
    assert type(cache.layers[0]) is DynamicLayer
    with pytest.raises(ValueError, match="packed"):
        model(tokens, position_ids=torch.cat([torch.arange(5), torch.arange(6)])[None], use_cache=True)


@pytest.mark.parametrize("preset", ["causal", "gated-single"])
def test_caches_that_are_not_dynamic_are_refused_and_none_is_made_unasked(preset: str):
    model = tiny_hybrid(preset)
    for cache in (StaticCache(config=model.config.base_config, max_cache_len=32), Cache([DynamicIndexedLayer()])):
        with pytest.raises(ValueError, match=r"needs a dynamic cache, not (Static|DynamicIndexed)Layer"):
            model(random_tokens(1, 9), cache=cache)
    with pytest.raises(ValueError, match="needs a dynamic cache, not StaticLayer"):
        model.generate(random_tokens(1, 9), cache_implementation="static", max_new_tokens=3, pad_token_id=0)
    offloaded = DynamicCache(config=model.config.base_config)
    offloaded.offloading = True  # made as such it needs a GPU, where PyTorch is built for one
    with pytest.raises(ValueError, match="needs a dynamic cache, not an offloaded one"):
        model(random_tokens(1, 9), cache=offloaded)
    assert model(random_tokens(1, 9)).cache is None
    foreign = DynamicCache(config=model.config.base_config)
    layers: list[Any] = foreign.layers
    for layer in layers:
        layer.update(torch.zeros(1, 2, 4, 8), torch.zeros(1, 2, 4, 8))
    with pytest.raises(ValueError, match="without segment states"):
        model(random_tokens(1, 9), cache=foreign)


def test_paper_generates_without_a_cache_and_says_why_it_has_none():
    model = tiny_hybrid("paper")
    tokens = random_tokens(1, 12)
    settings = GREEDY | {"max_new_tokens": 6}
    expected = tokens
    for _ in range(6):
        expected = torch.cat([expected, _full(model, expected)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(model.generate(tokens, **settings), expected)
    with pytest.raises(ValueError, match="'paper' cannot generate with a cache"):
        model.generate(tokens, use_cache=True, **settings)
    with pytest.raises(ValueError, match="'paper' cannot generate with a cache"):
        model(tokens, use_cache=True)
