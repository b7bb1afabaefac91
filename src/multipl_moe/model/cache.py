"""Segment state in the key-value cache, so that generation token by token routes as one full forward pass.

A hybrid layer needs of the past only the block maxima of one window: (W/S + 1) * H values a sequence and layer, such as
11.5 kB for 5 blocks of 576 float32. They live in the cache layer that holds the keys and values, and follow it
through reordering (beams), repetition (several returns), selection and reset.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

from multipl_moe.model.gate_reading import PrefixState
from multipl_moe.model.segments import SegmentState

_FILLED_ELSEWHERE = (
    "cache: it was filled without segment states, by another model or by prefix tuning; start with an empty one, and "
    "tune prompts (PromptTuningConfig) instead of prefixes"
)


class SegmentCacheLayer(DynamicLayer):
    """A growing cache layer with the segment state, and the domain gates', beside keys and values.

    It cannot be cropped, as assisted decoding does: a block maximum does not tell what it was before its last tokens.
    """

    is_croppable = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.segment_state: SegmentState | None = None
        self.prefix_states: dict[str, PrefixState] = {}  # by name of the pack

    def reset(self) -> None:
        """Forget the past."""
        super().reset()
        self.segment_state, self.prefix_states = None, {}

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Take over the rows of the chosen beams."""
        super().reorder_cache(cast(torch.LongTensor, beam_idx))
        self._map_state(lambda values: values.index_select(0, beam_idx.to(values.device)))

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each row."""
        super().batch_repeat_interleave(repeats)
        self._map_state(lambda values: values.repeat_interleave(repeats, dim=0))

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep some rows."""
        super().batch_select_indices(indices)
        self._map_state(lambda values: values[indices])

    def crop(self, tokens_to_remove: int) -> None:
        """Refused: see the class."""
        raise ValueError("a segment state cannot be cropped; use decoding without assistance")

    def _map_state(self, function: Callable[[Tensor], Tensor]) -> None:
        if (state := self.segment_state) is not None:
            self.segment_state = SegmentState(function(state.blocks), function(state.partial))
        self.prefix_states = {
            name: PrefixState(*(function(part) for part in vars(prefix).values()))
            for name, prefix in self.prefix_states.items()
        }


class SlidingSegmentCacheLayer(SegmentCacheLayer, DynamicSlidingWindowLayer):
    """The same for a base whose attention slides."""


_DYNAMIC = (DynamicLayer, DynamicSlidingWindowLayer, SegmentCacheLayer, SlidingSegmentCacheLayer)


def require_dynamic(cache: Cache) -> None:
    """Raise ValueError for a cache that is static, quantised or offloaded; such a one a hybrid model does not fill."""
    if getattr(cache, "offloading", False):
        raise ValueError("a hybrid model needs a dynamic cache, not an offloaded one")
    kinds: set[Any] = {type(layer) for layer in cache.layers} | {cache.layer_class_to_replicate} - {None}
    for kind in kinds:
        if kind not in _DYNAMIC:
            raise ValueError(
                f"a hybrid model needs a dynamic cache, not {kind.__name__}; leave cache_implementation out"
            )


def add_segment_state(cache: Cache, layers: list[int]) -> None:
    """Make the given layers of a dynamic cache hold a segment state; those that do are left alone.

    Raises ValueError where the cache was filled by another model, or by prefix tuning.
    """
    for index in layers:
        while len(cache.layers) <= index and cache.layer_class_to_replicate is not None:
            cache.layers.append(cache.layer_class_to_replicate())
        layer: Any = cache.layers[index]
        if isinstance(layer, SegmentCacheLayer):
            continue
        if layer.get_seq_length() > 0:
            raise ValueError(_FILLED_ELSEWHERE)
        slides = isinstance(layer, DynamicSlidingWindowLayer)
        cache.layers[index] = SlidingSegmentCacheLayer(layer.sliding_window) if slides else SegmentCacheLayer()


def segment_layer(cache: Cache, index: int) -> SegmentCacheLayer:
    """Layer `index` of a cache after `add_segment_state`."""
    return cast(SegmentCacheLayer, cache.layers[index])
