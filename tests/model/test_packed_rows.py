"""Documents packed into one row do not see each other nor the padding, whatever computes attention.

Rows come from the packing itself. Seen to fail when all position ids count on from 0.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import modeling_flash_attention_utils

from multipl_moe.data.packed import PackedTokens
from multipl_moe.data.packing import PACKINGS
from multipl_moe.model.documents import IGNORED_LABEL, PADDING_POSITION, attention_arguments
from tests.conftest import VOCABULARY, random_tokens, tiny_dense, tiny_hybrid
from tests.corpus.token_files import write_tokens

_LENGTHS, _SIZE = [21, 50, 9, 30, 5], 40


_MODELS = {"hybrid": tiny_hybrid, "dense": tiny_dense, "sliding window": lambda: tiny_hybrid(family="gemma3_text")}


@pytest.fixture
def positions(tmp_path: Path, request: pytest.FixtureRequest) -> Tensor:
    """(B, T) position ids of all sequences."""
    write_tokens(tmp_path, _LENGTHS)
    data = PackedTokens(tmp_path, _SIZE, request.param)
    return torch.stack([data[index]["position_ids"] for index in range(len(data))])


def _logits(model: Any, tokens: Tensor, positions: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=tokens, position_ids=positions, use_cache=False).logits


@pytest.mark.parametrize(
    ("kind", "attention", "positions"),
    [
        ("hybrid", "eager", "windows"),
        ("hybrid", "sdpa", "best_fit"),
        ("dense", "sdpa", "windows"),
        ("dense", "eager", "best_fit"),
        ("sliding window", "sdpa", "best_fit"),
    ],
    indirect=["positions"],
)
def test_a_document_depends_on_no_other_and_on_no_padding(kind: str, attention: str, positions: Tensor):
    model = _MODELS[kind]()
    model.set_attn_implementation(attention)
    assert len({piece for row in positions for piece in _pieces(row)}) > 3
    tokens, others = (random_tokens(*positions.shape, seed=seed) for seed in (1, 2))
    before = _logits(model, tokens, positions)
    for row, row_positions in enumerate(positions):
        for begin, end in _pieces(row_positions):
            changed = others.clone()
            changed[row, begin:end] = tokens[row, begin:end]
            after = _logits(model, changed, positions)
            assert (after - before)[row, begin:end].abs().max() < 1e-4
            alone = _logits(model, tokens[row : row + 1, begin:end], torch.arange(end - begin)[None])
            assert (alone[0] - before[row, begin:end]).abs().max() < 1e-4
    own = tokens.clone()
    own[:, 0] = (own[:, 0] + 1) % VOCABULARY
    assert (_logits(model, own, positions) - before)[0, 1].abs().max() > 1e-2


def _slow_varlen(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False,
    window_size=(-1, -1), softcap=0.0, deterministic=False,
):  # fmt: skip
    """FlashAttention's function for documents laid end to end, one after another; the rest of its result is memory."""
    assert torch.equal(cu_seqlens_q, cu_seqlens_k)
    assert cu_seqlens_q.dtype == torch.int32
    lengths = cu_seqlens_q.diff()
    assert max_seqlen_q == max_seqlen_k == lengths.max()
    out = torch.full_like(q, float("nan"))
    for begin, end in pairwise(cu_seqlens_q.tolist()):
        queries, keys, values = (part[begin:end].transpose(0, 1) for part in (q, k, v))
        group = queries.shape[0] // keys.shape[0]
        keys, values = keys.repeat_interleave(group, 0), values.repeat_interleave(group, 0)
        scores = queries @ keys.transpose(1, 2) * (softmax_scale or q.shape[-1] ** -0.5)
        if softcap:
            scores = (scores / softcap).tanh() * softcap
        seen = torch.ones(end - begin, end - begin, dtype=torch.bool).tril()
        if window_size[0] >= 0:
            seen = seen.triu(-window_size[0])
        out[begin:end] = (scores.masked_fill(~seen, float("-inf")).softmax(-1) @ values).transpose(0, 1)
    return out


def _no_batches(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("rows of equal length are packed too, and must not see across their documents")


@pytest.fixture
def _slow_flash(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = (_no_batches, _slow_varlen, None, None, None)
    monkeypatch.setattr(modeling_flash_attention_utils, "_lazy_imports", lambda *args, **kwargs: functions)
    monkeypatch.setattr(modeling_flash_attention_utils, "_loaded_implementation", None)


@pytest.mark.usefixtures("_slow_flash")
@pytest.mark.parametrize("kind", ["hybrid", "sliding window"])
@pytest.mark.parametrize("positions", PACKINGS, indirect=True)
def test_flash_attention_is_told_where_documents_begin_in_every_row(kind: str, positions: Tensor):
    model, tokens = _MODELS[kind](), random_tokens(*positions.shape, seed=1)
    expected = _logits(model, tokens, positions)
    _use_flash(model)
    flash = _logits(model, tokens, positions)
    assert len(positions) > 1
    for row, row_positions in enumerate(positions):
        for begin, end in _pieces(row_positions):
            torch.testing.assert_close(flash[row, begin:end], expected[row, begin:end], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("_slow_flash")
@pytest.mark.parametrize("positions", ["best_fit"], indirect=True)
def test_a_dense_model_that_is_told_does_the_same(positions: Tensor):
    real = positions != PADDING_POSITION
    assert not real.all()
    model, tokens = tiny_dense(), random_tokens(*positions.shape, seed=1)
    expected = _logits(model, tokens, positions)
    _use_flash(model)
    with torch.no_grad():
        told = model(input_ids=tokens, position_ids=positions, use_cache=False, **attention_arguments(positions)).logits
    torch.testing.assert_close(told[real], expected[real], rtol=1e-4, atol=1e-4)
    with pytest.raises(AssertionError, match="must not see across"):
        model(input_ids=tokens, position_ids=positions, use_cache=False)


def _use_flash(model: Any) -> None:
    """As `set_attn_implementation` does where FlashAttention is installed."""
    for module in model.modules():
        if hasattr(module, "config"):
            module.config.get_text_config()._attn_implementation_internal = "flash_attention_2"
            module.config._attn_implementation_internal = "flash_attention_2"


def _pieces(positions: Tensor) -> list[tuple[int, int]]:
    real = int((positions != PADDING_POSITION).sum())
    begins = [*(positions == 0).nonzero().flatten().tolist(), real]
    return list(pairwise(begins))


def test_padding_by_position_is_padding_by_mask(tmp_path: Path):
    write_tokens(tmp_path, _LENGTHS)
    data = PackedTokens(tmp_path, _SIZE, "best_fit")
    items = [data[index] for index in range(len(data))]
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    batch["input_ids"] = random_tokens(len(items), _SIZE)
    batch["labels"] = batch["input_ids"].where(batch["labels"] != IGNORED_LABEL, IGNORED_LABEL)
    assert (batch["position_ids"] == PADDING_POSITION).any()
    model = tiny_hybrid().train()
    mask = (batch["position_ids"] != PADDING_POSITION).long()
    ours, masked = model(**batch), model(**batch, attention_mask=mask)
    assert torch.equal(ours.logits, masked.logits)
    assert torch.equal(ours.loss, masked.loss)
    assert torch.equal(ours.aux_loss, masked.aux_loss)
