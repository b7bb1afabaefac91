"""Movement against a slow loop over single tokens, without batches, padding or chunks."""

import copy
import itertools
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from multipl_moe.eval.movement import divergence
from multipl_moe.eval.movement.divergence import CountedText, TextMovement, measure_movement, summarise_movement
from tests.conftest import VOCABULARY, random_tokens, tiny_dense, tiny_hybrid


@pytest.fixture(scope="module")
def base() -> Any:
    return tiny_dense()


@pytest.fixture(scope="module", params=["hybrid", "more rows"])
def model(request: pytest.FixtureRequest, base) -> Any:
    if request.param == "hybrid":
        return tiny_hybrid()
    moved = copy.deepcopy(base)
    for parameter in moved.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    moved.resize_token_embeddings(VOCABULARY + 6)
    return moved


@pytest.fixture(scope="module")
def texts() -> list[CountedText]:
    """Of odd lengths; a part of some stands before what counts, and some have nothing that counts."""
    sizes = [(33, 0), (2, 0), (41, 1), (1, 0), (20, 13), (5, 5), (0, 0), (30, 29), (12, 1)]
    return [
        CountedText(random_tokens(1, length, seed)[0].tolist(), before) for seed, (length, before) in enumerate(sizes)
    ]


@torch.no_grad()
def _probabilities(model: Any, context: list[int], num_read: int = 0) -> Tensor:
    """(V,) of the next token, among those of the base, in float64; so many tokens are read as a prompt first."""
    tokens = torch.tensor([context])
    told = {"prompt_share": model.model.read_prompt(tokens[:, :num_read])} if num_read else {}
    logits = model(input_ids=tokens, use_cache=False, **told).logits[0, -1]
    return torch.softmax(logits[:VOCABULARY].double(), dim=0)


def _slow(base: Any, model: Any, text: CountedText, window: int | None, *, reads: bool = False) -> TextMovement:
    """One forward pass for each token that counts; windows overlap by half, after what stands before the text."""
    nats, changed, count = 0.0, 0, 0
    window = window or len(text.tokens)
    for place in range(max(text.num_before, 1), len(text.tokens)):
        context = text.tokens[:place]
        if place >= window:
            half = window // 2
            end = min(window + ((place - window) // half + 1) * half, len(text.tokens))
            begin = max(end - window + text.num_before, text.num_before)
            context = text.tokens[: text.num_before] + text.tokens[begin:place]
        num_read = max(text.num_before, 1) if reads else 0
        p, q = _probabilities(base, context), _probabilities(model, context, num_read)
        nats += float((p * (p / q).log()).sum())
        changed += int(p.argmax() != q.argmax())
        count += 1
    return TextMovement(nats, changed, count)


@pytest.mark.parametrize(("batch_tokens", "window"), [(100, None), (1000, 9)])
def test_movement_equals_a_slow_loop_over_tokens(base, model, texts, monkeypatch, batch_tokens, window):
    monkeypatch.setattr(divergence, "_CHUNK_TOKENS", 7)
    if window is not None:
        texts = [text for text in texts if text.num_before < window / 2]
    found = measure_movement(base, model, texts, batch_tokens=batch_tokens, window_tokens=window)
    for text, movement in zip(texts, found, strict=True):
        expected = _slow(base, model, text, window)
        assert movement.nats == pytest.approx(expected.nats, rel=1e-4, abs=1e-5)
        assert (movement.num_changed, movement.num_tokens) == (expected.num_changed, expected.num_tokens)
        assert movement.num_tokens == text.num_counted
    assert sum(movement.num_changed for movement in found) > 10


@pytest.mark.parametrize("preset", ["gated", "gated-single"])
def test_prompts_that_gates_read_first_are_read_row_by_row_as_before_an_answer(base, texts, preset: str):
    model = tiny_hybrid(preset)
    texts = [text for text in texts if text.num_before] + [CountedText(random_tokens(1, 30, 9)[0].tolist(), 24)]
    found = measure_movement(base, model, texts, batch_tokens=500, reads_prompts=True)
    unread = measure_movement(base, model, texts, batch_tokens=500)
    expected = [_slow(base, model, text, None, reads=True) for text in texts]
    assert [one.nats for one in found] == pytest.approx([one.nats for one in expected], rel=1e-4, abs=1e-5)
    assert [one.num_changed for one in found] == [one.num_changed for one in expected]
    assert found != unread


def test_the_summary_weighs_tokens_alike_and_its_interval_is_that_of_resampled_texts():
    texts = [TextMovement(3.0, 2, 10), TextMovement(1.0, 0, 90), TextMovement(0.0, 1, 1)]
    summary = summarise_movement(texts, samples=20_000, seed=1)
    assert (summary.nats_per_token, summary.changed) == (4 / 101, 3 / 101)
    assert (summary.tokens, summary.texts) == (101, 3)
    draws = sorted(
        sum(text.nats for text in drawn) / sum(text.num_tokens for text in drawn)
        for drawn in itertools.product(texts, repeat=3)
    )
    low, high = summary.interval
    width = (3 / 2) ** 0.5 * stats.t.ppf(0.975, 2) / stats.norm.ppf(0.975)  # of three texts, over a plain bootstrap's
    assert low == 0 <= draws[0]  # the third alone, once in 27 draws
    assert high == pytest.approx(4 / 101 + width * (draws[-1] - 4 / 101))
    assert summary == summarise_movement(texts, samples=20_000, seed=1)
