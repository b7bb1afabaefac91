"""Generation with the cache gives what the full forward pass gives (design 4, promise 2).

Mutations that must break these tests are run as tests themselves, at the end: a state that beams do not reorder, one
that a reset does not clear, and one that does not know the position within a segment.
"""

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DynamicCache, StaticCache
from transformers.cache_utils import Cache, DynamicIndexedLayer, DynamicLayer

from multipl_moe.model import segments as segments_module
from multipl_moe.model.cache import SegmentCacheLayer
from multipl_moe.model.fusion import fuse_weights
from multipl_moe.model.statistics import observe_with
from tests.conftest import random_tokens, tiny_hybrid

CAUSAL_PRESETS = ["causal", "token-only", "segment-only", "moe-lpr"]
FAMILIES = ["llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "mistral"]
TOLERANCE = {"rtol": 0, "atol": 1e-4}


def _chunks(model: Any, tokens: Tensor, sizes: list[int], mask: Tensor | None = None) -> Tensor:
    """Logits of the tokens, fed in chunks of these sizes (the last one repeats) from a growing cache."""
    logits, cache, begin = [], None, 0
    while begin < tokens.shape[1]:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        end = min(begin + size, tokens.shape[1])
        seen = None if mask is None else mask[:, :end]
        with torch.no_grad():
            output = model(tokens[:, begin:end], attention_mask=seen, cache=cache, use_cache=True)
        logits.append(output.logits)
        cache, begin = output.cache, end
    return torch.cat(logits, dim=1)


def _full(model: Any, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        return model(tokens, attention_mask=mask).logits


def _left_padded(lengths: list[int]) -> tuple[Tensor, Tensor]:
    longest = max(lengths)
    tokens = random_tokens(len(lengths), longest, seed=5)
    mask = torch.stack([(torch.arange(longest) >= longest - length).long() for length in lengths])
    return tokens * mask, mask


def _generate(model: Any, lengths: list[int], **settings: Any) -> Tensor:
    tokens, mask = _left_padded(lengths)
    torch.manual_seed(0)
    return model.generate(tokens, attention_mask=mask, max_new_tokens=15, eos_token_id=None, pad_token_id=0, **settings)


@pytest.mark.parametrize("preset", CAUSAL_PRESETS)
@pytest.mark.parametrize("family", FAMILIES)
def test_token_by_token_gives_the_logits_of_the_full_pass(family: str, preset: str):
    model = tiny_hybrid(preset, family)
    tokens = random_tokens(2, 37)
    torch.testing.assert_close(_chunks(model, tokens, [1]), _full(model, tokens), **TOLERANCE)


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


@pytest.mark.parametrize("prompt", [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 31])
def test_a_prompt_of_any_length_is_continued_exactly(prompt: int):
    model = tiny_hybrid()
    tokens = random_tokens(3, 36)
    torch.testing.assert_close(_chunks(model, tokens, [prompt, 1]), _full(model, tokens), **TOLERANCE)


@pytest.mark.parametrize("sizes", [[3], [4], [5, 1, 7, 2, 9, 3], [1, 11], [8, 1, 8]])
def test_chunked_prefill_gives_the_logits_of_the_full_pass(sizes: list[int]):
    model = tiny_hybrid()
    tokens = random_tokens(2, 40)
    torch.testing.assert_close(_chunks(model, tokens, list(sizes)), _full(model, tokens), **TOLERANCE)


@pytest.mark.parametrize("sizes", [[1], [3, 5], [13, 1]])
def test_left_padded_rows_of_unequal_length_are_as_alone(sizes: list[int]):
    model = tiny_hybrid()
    lengths = [23, 1, 9, 16]
    tokens, mask = _left_padded(lengths)
    logits = _chunks(model, tokens, list(sizes), mask)
    for row, length in enumerate(lengths):
        alone = _full(model, tokens[row : row + 1, -length:])
        torch.testing.assert_close(logits[row : row + 1, -length:], alone, **TOLERANCE)


@pytest.mark.parametrize(
    ("family", "preset"), [*((family, "causal") for family in FAMILIES), *(("llama", p) for p in CAUSAL_PRESETS[1:])]
)
@pytest.mark.parametrize(
    "settings",
    [
        {"do_sample": False},
        {"do_sample": False, "num_beams": 4},
        {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
        {"do_sample": False, "num_beams": 4, "num_return_sequences": 2},
    ],
    ids=["greedy", "beams", "samples", "beam-returns"],
)
def test_generation_is_the_same_with_and_without_the_cache(family: str, preset: str, settings: dict[str, Any]):
    model = tiny_hybrid(preset, family)
    lengths = [13, 6, 1]
    expected = _generate(model, lengths, use_cache=False, **settings)
    assert torch.equal(_generate(model, lengths, **settings), expected)


def test_prefill_in_chunks_generates_the_same():
    model = tiny_hybrid()
    assert torch.equal(_generate(model, [13, 6], prefill_chunk_size=5), _generate(model, [13, 6], use_cache=False))


def test_generation_goes_on_from_a_cache():
    model = tiny_hybrid()
    tokens = random_tokens(2, 11)
    settings: dict[str, Any] = {"eos_token_id": None, "pad_token_id": 0, "do_sample": False}
    whole = model.generate(tokens, max_new_tokens=20, **settings)
    first = model.generate(tokens, max_new_tokens=9, return_dict_in_generate=True, **settings)
    second = model.generate(first.sequences, max_new_tokens=11, cache=first.cache, **settings)
    assert torch.equal(second, whole)


def test_a_cache_that_was_reset_is_as_new():
    model = tiny_hybrid()
    cache = DynamicCache(config=model.config.base_config)
    with torch.no_grad():
        model(random_tokens(2, 19, seed=1), cache=cache)
        cache.reset()
        tokens = random_tokens(2, 18, seed=2)
        logits = model(tokens, cache=cache).logits
    torch.testing.assert_close(logits, _full(model, tokens), **TOLERANCE)


def test_selected_and_repeated_rows_go_on_exactly():
    model = tiny_hybrid()
    tokens, more = random_tokens(3, 14, seed=1), random_tokens(4, 9, seed=2)
    chosen = torch.tensor([2, 0])
    with torch.no_grad():
        cache = model(tokens, use_cache=True).cache
        cache.batch_select_indices(chosen)
        cache.batch_repeat_interleave(2)
        logits = model(more, cache=cache).logits
    rows = torch.cat([tokens[chosen].repeat_interleave(2, dim=0), more], dim=1)
    torch.testing.assert_close(logits, _full(model, rows)[:, 14:], **TOLERANCE)


def test_the_state_of_a_sequence_is_as_small_as_documented():
    model = tiny_hybrid()
    with torch.no_grad():
        cache = model(random_tokens(2, 50), use_cache=True).cache
    state = cache.layers[1].segment_state
    num_blocks = 8 // 4
    assert state.blocks.numel() + state.partial.numel() == 2 * (num_blocks + 1) * 32
    assert type(cache.layers[0]) is DynamicLayer


def test_a_decoding_step_touches_only_the_experts_that_it_needs_and_a_segment_keeps_its_own():
    """Weights of the experts that a step does not choose are not a number, and it does not notice."""
    model, tokens = tiny_hybrid(), random_tokens(1, 40)
    expected, stride = _full(model, tokens), model.config.moe_config.segment_stride
    num_token_experts = model.config.moe_config.num_token_experts - 1
    segment_experts: dict[int, list[tuple[int, ...]]] = {index: [] for index in model.hybrid_layers}
    cache = None
    for position in range(40):
        step = {"input_ids": tokens[:, position : position + 1], "use_cache": True}
        choices = _chosen_experts(model, step | {"cache": copy.deepcopy(cache)})
        for index, chosen in choices.items():
            segment_experts[index].append(tuple(chosen[num_token_experts:].tolist()))
            assert not chosen.all()
        poisoned = copy.deepcopy(model)
        with torch.no_grad():
            for index, chosen in choices.items():
                for parameter in poisoned.hybrid_layers[index].experts.parameters():
                    parameter[~chosen] = float("nan")
            output = poisoned(**step, cache=cache)
        cache = output.cache
        torch.testing.assert_close(output.logits[:, 0], expected[:, position], **TOLERANCE)
    for choices in segment_experts.values():
        changes = [position for position in range(1, 40) if choices[position] != choices[position - 1]]
        assert changes
        assert all(position % stride == 0 for position in changes)


def _chosen_experts(model: Any, inputs: dict[str, Any]) -> dict[int, Tensor]:
    """(E,) by layer: which stacked experts one step of one row uses."""
    chosen: dict[int, Tensor] = {}

    def observer(index: int):
        def observe(layer, plan, token_routing, segment_routing) -> None:
            chosen[index] = fuse_weights(layer.moe, plan, token_routing, segment_routing).chosen[0]

        return observe

    with torch.no_grad(), observe_with(model, {index: observer(index) for index in model.hybrid_layers}):
        model(**inputs)
    return chosen


def test_no_cache_is_made_unasked():
    assert tiny_hybrid()(random_tokens(1, 5)).cache is None


def test_assisted_decoding_is_refused():
    model = tiny_hybrid()
    with pytest.raises(ValueError, match=r"crop|rollback|assist"):
        model.generate(random_tokens(1, 9), assistant_model=tiny_hybrid(), max_new_tokens=9, pad_token_id=0)


def test_cropping_is_refused():
    model = tiny_hybrid()
    cache = model(random_tokens(1, 9), use_cache=True).cache
    with pytest.raises(ValueError, match="cannot be cropped"):
        cache.crop(-1)


@pytest.mark.parametrize("preset", CAUSAL_PRESETS)
def test_caches_that_are_not_dynamic_are_refused(preset: str):
    model = tiny_hybrid(preset)
    for cache in (StaticCache(config=model.config.base_config, max_cache_len=32), Cache([DynamicIndexedLayer()])):
        with pytest.raises(ValueError, match=r"needs a dynamic cache, not (Static|DynamicIndexed)Layer"):
            model(random_tokens(1, 9), cache=cache)
    with pytest.raises(ValueError, match="needs a dynamic cache, not StaticLayer"):
        model.generate(random_tokens(1, 9), cache_implementation="static", max_new_tokens=3, pad_token_id=0)
    with pytest.raises(ValueError, match="needs a dynamic cache, not an offloaded one"):
        model(random_tokens(1, 9), cache=DynamicCache(config=model.config.base_config, offloading=True))


def test_a_cache_that_was_filled_by_another_model_is_refused():
    model = tiny_hybrid()
    foreign = DynamicCache(config=model.config.base_config)
    layers: list[Any] = foreign.layers
    for layer in layers:
        layer.update(torch.zeros(1, 2, 4, 8), torch.zeros(1, 2, 4, 8))
    with pytest.raises(ValueError, match="without segment states"):
        model(random_tokens(1, 9), cache=foreign)


def test_packed_rows_are_refused():
    positions = torch.cat([torch.arange(5), torch.arange(6)])[None]
    with pytest.raises(ValueError, match="packed"):
        tiny_hybrid()(random_tokens(1, 11), position_ids=positions, use_cache=True)


def test_paper_generates_without_a_cache_and_says_why_it_has_none():
    model = tiny_hybrid("paper")
    tokens = random_tokens(1, 12)
    settings: dict[str, Any] = {"max_new_tokens": 6, "eos_token_id": None, "pad_token_id": 0, "do_sample": False}
    expected = tokens
    for _ in range(6):
        expected = torch.cat([expected, _full(model, expected)[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(model.generate(tokens, **settings), expected)
    with pytest.raises(ValueError, match="'paper' cannot generate with a cache"):
        model.generate(tokens, use_cache=True, **settings)
    with pytest.raises(ValueError, match="'paper' cannot generate with a cache"):
        model(tokens, use_cache=True)


def test_mutation_beams_that_do_not_reorder_the_state_differ(monkeypatch):
    model = tiny_hybrid()
    expected = _generate(model, [13, 6, 1], use_cache=False, num_beams=4)
    monkeypatch.setattr(SegmentCacheLayer, "_map_state", lambda self, function: None)
    monkeypatch.setattr(SegmentCacheLayer, "batch_repeat_interleave", _repeat_but_reorder_nothing)
    assert not torch.equal(_generate(model, [13, 6, 1], num_beams=4), expected)


def _repeat_but_reorder_nothing(self: SegmentCacheLayer, repeats: int) -> None:
    super(SegmentCacheLayer, self).batch_repeat_interleave(repeats)
    if self.segment_state is not None:
        blocks, partial = self.segment_state.blocks, self.segment_state.partial
        self.segment_state = segments_module.SegmentState(
            blocks.repeat_interleave(repeats, dim=0), partial.repeat_interleave(repeats, dim=0)
        )


def test_mutation_a_state_that_a_reset_keeps_differs(monkeypatch):
    monkeypatch.setattr(SegmentCacheLayer, "reset", DynamicLayer.reset)
    with pytest.raises(AssertionError):
        test_a_cache_that_was_reset_is_as_new_from_the_middle()


def test_a_cache_that_was_reset_is_as_new_from_the_middle():
    """Positions that start within a document, so that a state left over would be read."""
    model = tiny_hybrid()
    cache = DynamicCache(config=model.config.base_config)
    tokens = random_tokens(2, 18, seed=2)
    positions = torch.arange(5, 23).expand(2, -1)
    with torch.no_grad():
        model(random_tokens(2, 19, seed=1), cache=cache)
        cache.reset()
        logits = model(tokens, position_ids=positions, cache=cache).logits
        expected = model(tokens, position_ids=positions).logits
    torch.testing.assert_close(logits, expected, **TOLERANCE)


def test_mutation_a_state_that_forgets_the_begun_segment_differs(monkeypatch):
    continuation = segments_module._continuation

    def unaware(*arguments):
        joint = continuation(*arguments)
        nothing = torch.full_like(joint.merged_segments, len(arguments[2]))
        return dataclasses.replace(joint, merged_segments=nothing)

    monkeypatch.setattr(segments_module, "_continuation", unaware)
    model = tiny_hybrid()
    tokens = random_tokens(2, 37)
    assert (_chunks(model, tokens, [1]) - _full(model, tokens)).abs().max() > 1e-2
