"""Whatever is done to a cache, it stands for the tokens that its rows would have had: chunks, orders, choices, resets.

Beside the cache the test keeps tokens, mask and logits and does the same to them; at the end of each document one full
pass over the tokens must give the logits.
"""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache

from tests.conftest import CAUSAL_PRESETS, random_tokens, tiny_hybrid

_FAMILIES = ["llama", "qwen3", "gemma2", "gemma3_text"]
_MOST_ROWS = 6
_TOLERANCE = 1e-4

Step = tuple[str, int]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("feed"), st.integers(1, 13)),
        st.tuples(st.just("feed"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["reorder", "select", "repeat", "reset"]), st.integers(0, 99)),
    ),
    min_size=6,
    max_size=12,
)
_model = cache(tiny_hybrid)


class _Document:
    """Rows that begin at drawn positions, after drawn numbers of padding tokens, and what has been fed of them."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        num_rows = 1 + seed % 3
        self.padding = torch.randint(10, (num_rows, 1), generator=generator)
        self.begin = torch.randint(7, (num_rows, 1), generator=generator)
        self.seed = seed
        self.tokens = torch.zeros(num_rows, 0, dtype=torch.long)
        self.logits: list[Tensor] = []

    @property
    def mask(self) -> Tensor:
        return (torch.arange(self.tokens.shape[1]) >= self.padding).long()

    @property
    def positions(self) -> Tensor:
        return self.begin + (torch.arange(self.tokens.shape[1]) - self.padding).clamp(min=0)

    def feed(self, model: Any, cache: DynamicCache, size: int) -> None:
        num_rows, num_fed = self.tokens.shape
        self.tokens = torch.cat([self.tokens, random_tokens(num_rows, size, seed=self.seed + num_fed)], dim=1)
        chunk = {"input_ids": self.tokens[:, num_fed:], "position_ids": self.positions[:, num_fed:]}
        self.logits.append(model(**chunk, attention_mask=self.mask, cache=cache).logits)

    def take(self, rows: Tensor) -> None:
        self.tokens, self.padding, self.begin = self.tokens[rows], self.padding[rows], self.begin[rows]
        self.logits = [logits[rows] for logits in self.logits]

    def error(self, model: Any) -> float:
        """Largest difference of a real token's logit from that of the full pass."""
        real = self.mask.bool()
        if not real.any():
            return 0.0
        full = model(self.tokens, attention_mask=self.mask, position_ids=self.positions).logits
        return (torch.cat(self.logits, dim=1) - full)[real].abs().max().item()


@torch.no_grad()
def _largest_error(model: Any, steps: list[Step]) -> float:
    """Over the documents that the steps, a last long chunk among them, make."""
    cache, document, errors = DynamicCache(config=model.config.base_config), _Document(len(steps)), []
    for kind, number in [*steps, ("feed", 11)]:
        num_rows = len(document.tokens)
        if kind == "feed":
            document.feed(model, cache, number)
        elif kind == "reset":
            errors.append(document.error(model))
            cache.reset()
            document = _Document(number)
        elif document.logits:
            document.take(_change(cache, kind, number, num_rows))
    return max([*errors, document.error(model)])


def _change(cache: DynamicCache, kind: str, number: int, num_rows: int) -> Tensor:
    """Do it to the cache; returns which of its rows each row now is."""
    generator = torch.Generator().manual_seed(number)
    if kind == "repeat":
        repeats = 2 if 2 * num_rows <= _MOST_ROWS else 1
        cache.batch_repeat_interleave(repeats)
        return torch.arange(num_rows).repeat_interleave(repeats)
    if kind == "reorder":
        rows = torch.randint(num_rows, (num_rows,), generator=generator)
        cache.reorder_cache(rows)  # pyright: ignore[reportArgumentType] (beams may repeat rows; any integers do)
        return rows
    rows = torch.randperm(num_rows, generator=generator)[: 1 + number % num_rows]
    cache.batch_select_indices(rows)
    return rows


@pytest.mark.parametrize(
    ("family", "preset"),
    [
        *((family, "causal") for family in _FAMILIES),
        *(("llama", preset) for preset in CAUSAL_PRESETS[1:]),
        ("gemma3_text", "gated"),
    ],
)
def test_a_cache_stands_for_its_rows_whatever_is_done_to_it(family: str, preset: str):
    @settings(max_examples=5, derandomize=True, database=None)
    @given(_STEPS)
    def check(steps: list[Step]) -> None:
        assert _largest_error(_model(preset, family), steps) < _TOLERANCE

    check()
