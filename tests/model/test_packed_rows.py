"""Documents packed into one row do not see each other nor the padding, whatever computes attention.

Rows come from the packing itself. Seen to fail when all position ids count on from 0.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from multipl_moe.corpus.packed import IGNORED_LABEL, PADDING_POSITION, PackedTokens
from multipl_moe.corpus.packing import PACKINGS
from tests.conftest import VOCABULARY, random_tokens, randomise, tiny_base_config, tiny_hybrid
from tests.corpus.token_files import write_tokens

_LENGTHS, _SIZE = [21, 50, 9, 30, 5], 40


def _dense() -> Any:
    model = AutoModelForCausalLM.from_config(tiny_base_config())
    randomise(model)
    return model.eval()


_MODELS = {"hybrid": tiny_hybrid, "dense": _dense, "sliding window": lambda: tiny_hybrid(family="gemma3_text")}


@pytest.fixture
def positions(tmp_path: Path, request: pytest.FixtureRequest) -> Tensor:
    """(B, T) position ids of all sequences."""
    write_tokens(tmp_path, _LENGTHS)
    data = PackedTokens(tmp_path, _SIZE, request.param)
    return torch.stack([data[index]["position_ids"] for index in range(len(data))])


def _logits(model: Any, tokens: Tensor, positions: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=tokens, position_ids=positions, use_cache=False).logits


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("kind", _MODELS)
@pytest.mark.parametrize("positions", PACKINGS, indirect=True)
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


def _pieces(positions: Tensor) -> list[tuple[int, int]]:
    real = int((positions != PADDING_POSITION).sum())
    begins = [*(positions == 0).nonzero().flatten().tolist(), real]
    return list(pairwise(begins))


@pytest.mark.parametrize("training", [False, True])
def test_padding_by_position_is_padding_by_mask(tmp_path: Path, training: bool):
    write_tokens(tmp_path, _LENGTHS)
    data = PackedTokens(tmp_path, _SIZE, "best_fit")
    items = [data[index] for index in range(len(data))]
    batch = {key: torch.stack([item[key] for item in items]) for key in items[0]}
    batch["input_ids"] = random_tokens(len(items), _SIZE)
    batch["labels"] = batch["input_ids"].where(batch["labels"] != IGNORED_LABEL, IGNORED_LABEL)
    assert (batch["position_ids"] == PADDING_POSITION).any()
    model = tiny_hybrid().train(training)
    mask = (batch["position_ids"] != PADDING_POSITION).long()
    ours, masked = model(**batch), model(**batch, attention_mask=mask)
    assert torch.equal(ours.logits, masked.logits)
    assert torch.equal(ours.loss, masked.loss)
    assert training == (ours.aux_loss is not None)


def test_padding_costs_no_expert_and_counts_in_no_load(tmp_path: Path):
    """A layer sees the real tokens alone."""
    write_tokens(tmp_path, [5])
    item = PackedTokens(tmp_path, _SIZE, "best_fit")[0]
    model, seen = tiny_hybrid(), []
    for layer in model.hybrid_layers.values():
        layer.observer = lambda layer, plan, tokens, segments: seen.append((len(tokens.scores), plan.num_segments))
    _logits(model, item["input_ids"][None] % VOCABULARY, item["position_ids"][None])
    assert seen == [(5, 2)] * 2
