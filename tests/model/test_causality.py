"""No token sees what comes after it, and in evaluation nothing outside its own document: the whole model."""

import copy

import pytest
import torch
from torch import Tensor

from multipl_moe import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from tests.conftest import VOCABULARY, random_tokens, tiny_hybrid

_CAUSAL_PRESETS = ["causal", "token-only", "segment-only", "moe-lpr"]
_NUM_TOKENS = 38  # nine segments of four tokens and a partial one
_POSITIONS = [1, 3, 4, 8, 13, 24, 37]
_TOLERANCE = 1e-5


@torch.no_grad()
def _logits(model: MultiplMoeForCausalLM, tokens: Tensor, *, training: bool = False, **inputs: Tensor) -> Tensor:
    """Logits from a fresh copy, so that no stored threshold moves between two calls."""
    return copy.deepcopy(model).train(training)(input_ids=tokens, **inputs).logits


def _change_from(tokens: Tensor, position: int, *, only_one: bool) -> Tensor:
    """Row 0 with other tokens at `position`, or from there on."""
    changed = tokens.clone()
    end = position + 1 if only_one else None
    changed[0, position:end] = 3 + (changed[0, position:end] - 3 + 17) % (VOCABULARY - 3)
    return changed


def _largest_change_before(
    model: MultiplMoeForCausalLM, tokens: Tensor, position: int, *, training: bool, only_one: bool = False
) -> float:
    before = _logits(model, tokens, training=training)
    after = _logits(model, _change_from(tokens, position, only_one=only_one), training=training)
    assert not torch.equal(before[0, position:], after[0, position:])
    return (before[0, :position] - after[0, :position]).abs().max().item()


@pytest.fixture(params=_CAUSAL_PRESETS)
def model(request: pytest.FixtureRequest) -> MultiplMoeForCausalLM:
    return tiny_hybrid(request.param)


@pytest.mark.parametrize("only_one", [True, False], ids=["one token", "the whole rest"])
@pytest.mark.parametrize("position", _POSITIONS)
@pytest.mark.parametrize(("training", "rows"), [(False, 1), (False, 3), (True, 1), (True, 3)])
def test_changing_later_tokens_leaves_earlier_logits_unchanged(
    model: MultiplMoeForCausalLM, training: bool, rows: int, position: int, only_one: bool
):
    tokens = random_tokens(rows, _NUM_TOKENS)
    assert _largest_change_before(model, tokens, position, training=training, only_one=only_one) <= _TOLERANCE


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("rows", [1, 3])
def test_paper_sees_later_tokens_so_the_check_above_can_fail(rows: int, training: bool):
    model = tiny_hybrid("paper", segment_gate_scale="unit")
    tokens = random_tokens(rows, _NUM_TOKENS)
    changes = [_largest_change_before(model, tokens, t, training=training, only_one=True) for t in _POSITIONS]
    assert max(changes) > 1e-2
    real_paper = tiny_hybrid("paper")
    changes = [_largest_change_before(real_paper, tokens, t, training=training, only_one=True) for t in _POSITIONS]
    assert max(changes) > 1e-3


@pytest.mark.parametrize("change", [{"segment_lookahead": True}, {"segment_selection": "expert_choice"}])
def test_each_half_of_the_causal_rule_is_needed(change: dict):
    model = tiny_hybrid("causal", **change)
    tokens = random_tokens(1, _NUM_TOKENS)
    changes = [_largest_change_before(model, tokens, t, training=False) for t in _POSITIONS]
    assert max(changes) > 1e-3


def test_segment_experts_and_windows_matter_in_these_models():
    """Changing one early token must reach the segments after it through their windows, or nothing is tested."""
    chosen = []
    model = tiny_hybrid("causal")
    for layer in model.hybrid_layers.values():
        layer.observer = lambda layer, plan, tokens, segments: chosen.append(segments.chosen)
    tokens = random_tokens(1, _NUM_TOKENS)
    with torch.no_grad():
        model(input_ids=tokens)
        model(input_ids=_change_from(tokens, 13, only_one=True))
    assert any(0 < c.sum() < c.numel() for c in chosen)
    assert not torch.equal(chosen[0], chosen[2])
    assert torch.equal(chosen[0][:4], chosen[2][:4])


def _padded(tokens: list[Tensor], left: list[int], length: int, fill: int) -> tuple[Tensor, Tensor]:
    """A batch of sequences, each with its own padding on the left and the rest of `length` on the right."""
    ids, mask = torch.full((len(tokens), length), fill), torch.zeros(len(tokens), length, dtype=torch.long)
    for row, (sequence, begin) in enumerate(zip(tokens, left, strict=True)):
        ids[row, begin : begin + len(sequence)] = sequence
        mask[row, begin : begin + len(sequence)] = 1
    return ids, mask


@pytest.mark.parametrize("fill", [0, 7])
@pytest.mark.parametrize(
    ("left", "length"), [([0, 0, 0], 38), ([0, 9, 33], 38), ([5, 1, 2], 43), ([16, 25, 49], 54), ([0, 3, 1], 64)]
)
def test_neither_padding_nor_other_sequences_change_logits_in_evaluation(
    model: MultiplMoeForCausalLM, left: list[int], length: int, fill: int
):
    sequences = [random_tokens(1, n, seed=n)[0] for n in (38, 29, 5)]
    ids, mask = _padded(sequences, left, length, fill)
    together = _logits(model, ids, attention_mask=mask)
    for row, sequence in enumerate(sequences):
        alone = _logits(model, sequence[None])[0]
        assert (together[row][mask[row] == 1] - alone).abs().max() <= _TOLERANCE


def test_a_row_of_padding_beside_real_rows_changes_nothing(model: MultiplMoeForCausalLM):
    tokens = random_tokens(1, _NUM_TOKENS)
    ids, mask = _padded([tokens[0], tokens[0][:0]], [0, 0], _NUM_TOKENS, 0)
    for training in (False, True):
        together = _logits(model, ids, training=training, attention_mask=mask)
        assert together.isfinite().all()
        alone = _logits(model, tokens, training=training)
        assert (together[0] - alone[0]).abs().max() <= _TOLERANCE


@pytest.mark.parametrize("lengths", [(13, 25), (1, 8, 1, 28), (38,), (4, 4, 30)], ids=str)
def test_packed_documents_equal_the_documents_alone(model: MultiplMoeForCausalLM, lengths: tuple[int, ...]):
    documents = [random_tokens(1, n, seed=n)[0] for n in lengths]
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    packed = _logits(model, torch.cat(documents)[None], position_ids=positions)[0]
    for document, logits in zip(documents, packed.split(lengths), strict=True):
        assert (logits - _logits(model, document[None])[0]).abs().max() <= _TOLERANCE


def test_several_rows_of_packed_documents_equal_the_documents_alone(model: MultiplMoeForCausalLM):
    lengths = [(10, 6), (3, 13)]
    documents = [[random_tokens(1, n, seed=n)[0] for n in row] for row in lengths]
    positions = torch.stack([torch.cat([torch.arange(n) for n in row]) for row in lengths])
    packed = _logits(model, torch.stack([torch.cat(row) for row in documents]), position_ids=positions)
    for row, row_lengths in enumerate(lengths):
        for document, logits in zip(documents[row], packed[row].split(row_lengths), strict=True):
            assert (logits - _logits(model, document[None])[0]).abs().max() <= _TOLERANCE


@pytest.mark.parametrize("preset", ["causal", "segment-only"])
@pytest.mark.parametrize("num_experts", [3, 6])
def test_thresholds_on_the_gate_of_first_segments_do_not_make_logits_depend_on_the_batch(preset: str, num_experts: int):
    """All documents' first segments share a gate; a quantile often falls on it, and rounding differs by batch size."""
    model = tiny_hybrid(preset, num_segment_experts=num_experts, segment_max_experts=num_experts)
    for layer in model.hybrid_layers.values():
        with torch.no_grad():
            gates = layer.segment_router(layer.segment_start.expand(12, -1)).softmax(-1)
        layer.segment_threshold.copy_(quantile_threshold(gates, 1.0))
    tokens = random_tokens(24, 4)
    together = _logits(model, tokens)
    for row in range(24):
        assert (together[row] - _logits(model, tokens[row : row + 1])[0]).abs().max() <= _TOLERANCE
