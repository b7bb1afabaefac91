"""No token sees what comes after it, and in evaluation nothing outside its own document.

The suffix test: other tokens after position t leave everything up to t as it was, the output of every hybrid layer and
the logits. `paper` fails it, and so does each half of the causal rule without the other. In training with several rows
one way back is left, by way of the other rows' thresholds; the tests show that there is no second one.
"""

from contextlib import ExitStack
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from multipl_moe import MultiplMoeForCausalLM
from multipl_moe.model import segment_moe
from tests.conftest import CAUSAL_PRESETS, VOCABULARY, random_tokens, randomise, tiny_hybrid

from .layouts import lay_out, logits_in_chunks

_OTHER_FAMILIES = ["qwen3", "gemma2", "gemma3_text"]
_NUM_TOKENS = 38  # nine segments of four tokens and a partial one
_POSITIONS = [1, 3, 4, 5, 8, 13, 24, 37]  # the first token that changes: at, before and after segment borders, the last
_TOLERANCE = 1e-5

Outputs = dict[str, Tensor]


def _outputs(
    model: MultiplMoeForCausalLM, tokens: Tensor, *, training: bool = False, chunk: int | None = None, **inputs: Tensor
) -> Outputs:
    """Logits and the output of every hybrid layer, (B, T, .) each; in chunks of so many tokens from a cache."""
    seen: dict[str, list[Tensor]] = {"logits": []}
    model.train(training)
    with torch.no_grad(), ExitStack() as hooks:
        for index in model.config.moe_config.layers:
            parts, block = seen.setdefault(f"layer {index}", []), cast(Any, model.model.layers)[index].mlp
            hook = block.register_forward_hook(lambda module, args, output, parts=parts: parts.append(output))
            hooks.callback(hook.remove)
        if chunk is None:
            seen["logits"].append(model(input_ids=tokens, **inputs).logits)
        else:
            seen["logits"].append(logits_in_chunks(model, tokens, [chunk], inputs.get("attention_mask")))
    return {name: torch.cat(parts, dim=1) for name, parts in seen.items()}


def _change_from(tokens: Tensor, position: int, *, only_one: bool = False) -> Tensor:
    """Row 0 with other tokens from `position` on, or there alone."""
    changed = tokens.clone()
    end = position + 1 if only_one else None
    changed[0, position:end] = 3 + (changed[0, position:end] - 3 + 17) % (VOCABULARY - 3)
    return changed


def _largest_changes(before: Outputs, after: Outputs, end: int) -> dict[str, float]:
    """Largest difference in row 0 before `end`; from there on everything must differ, or nothing is tested."""
    for name in before:
        assert not torch.equal(before[name][0, end:], after[name][0, end:]), name
    return {name: (before[name][0, :end] - after[name][0, :end]).abs().max().item() for name in before}


def _largest_changes_over(
    model: MultiplMoeForCausalLM, positions: list[int], *, training: bool, rows: int, only_one: bool = False
) -> dict[str, float]:
    """The suffix test at several positions: the largest change of each output."""
    tokens = random_tokens(rows, _NUM_TOKENS)
    before = _outputs(model, tokens, training=training)
    changes = [
        _largest_changes(before, _outputs(model, _change_from(tokens, t, only_one=only_one), training=training), t)
        for t in positions
    ]
    return {name: max(change[name] for change in changes) for name in before}


@pytest.fixture(params=CAUSAL_PRESETS)
def model(request: pytest.FixtureRequest) -> MultiplMoeForCausalLM:
    return tiny_hybrid(request.param)


@pytest.mark.parametrize(
    ("family", "preset", "training", "rows"),
    [
        *((family, "causal", True, 1) for family in _OTHER_FAMILIES),
        *(("llama", preset, False, 3) for preset in CAUSAL_PRESETS),
        ("llama", "token-only", True, 3),  # which knows no thresholds
    ],
)
def test_later_tokens_change_no_layer_before_them(family: str, preset: str, training: bool, rows: int):
    changes = _largest_changes_over(tiny_hybrid(preset, family), _POSITIONS, training=training, rows=rows)
    assert set(changes) == {"layer 1", "layer 2", "logits"}
    assert max(changes.values()) <= _TOLERANCE, changes


@pytest.mark.parametrize(("training", "rows"), [(False, 3), (True, 1)])
def test_paper_sees_later_tokens_so_the_tests_above_can_fail(training: bool, rows: int):
    for only_one in (False, True):
        changes = _largest_changes_over(
            tiny_hybrid("paper"), _POSITIONS, training=training, rows=rows, only_one=only_one
        )
        assert min(changes.values()) > 100 * _TOLERANCE, changes


@pytest.mark.parametrize(("preset", "seed"), [("causal", 0), ("causal", 1), ("segments alone", 2)])
def test_the_first_hybrid_layer_in_training_sees_no_later_token_with_several_rows(preset: str, seed: int):
    """Its thresholds come from the other rows, and nothing of the own row is in these yet."""
    model = tiny_hybrid(preset, layers=[1])
    randomise(model, seed)
    changes = _largest_changes_over(model, _POSITIONS, training=True, rows=3)
    assert set(changes) == {"layer 1", "logits"}
    assert max(changes.values()) <= _TOLERANCE, changes


def test_deeper_layers_in_training_see_later_tokens_only_by_way_of_the_other_rows_thresholds(monkeypatch):
    """A row's future moves the thresholds of the other rows; what these choose then moves its own, a layer deeper."""
    computed, found = segment_moe.threshold_from_other_rows, []
    for seed in range(4):
        model = tiny_hybrid("causal", layers=[0, 1, 2])
        randomise(model, seed)
        tokens, thresholds = random_tokens(3, _NUM_TOKENS, seed=seed), []

        def recorded(*arguments: Any, thresholds: list[Tensor] = thresholds, **options: Any) -> Tensor:
            thresholds.append(computed(*arguments, **options))
            return thresholds[-1]

        def replayed(*_: Any, thresholds: list[Tensor] = thresholds, **__: Any) -> Tensor:
            return thresholds.pop(0)

        changed = _change_from(tokens, 24)
        monkeypatch.setattr(segment_moe, "threshold_from_other_rows", computed)
        after = _outputs(model, changed, training=True)
        monkeypatch.setattr(segment_moe, "threshold_from_other_rows", recorded)
        before = _outputs(model, tokens, training=True)
        found.append(max(_largest_changes(before, after, 24).values()))
        monkeypatch.setattr(segment_moe, "threshold_from_other_rows", replayed)
        after = _outputs(model, changed, training=True)
        assert max(_largest_changes(before, after, 24).values()) <= _TOLERANCE
    assert max(found) > 100 * _TOLERANCE


@pytest.mark.parametrize("change", [{"segment_lookahead": True}, {"segment_selection": "expert_choice"}])
def test_each_half_of_the_causal_rule_is_needed(change: dict):
    changes = _largest_changes_over(tiny_hybrid("causal", **change), _POSITIONS, training=False, rows=1)
    assert min(changes.values()) > 100 * _TOLERANCE, changes


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
def test_the_tokens_so_far_give_what_they_give_within_a_longer_text(model: MultiplMoeForCausalLM, training: bool):
    """At every position of several segments, and so whatever comes after it."""
    tokens = random_tokens(1, 22)
    whole = _outputs(model, tokens, training=training)
    for end in range(1, 22):
        for name, output in _outputs(model, tokens[:, :end], training=training).items():
            assert (output - whole[name][:, :end]).abs().max() <= _TOLERANCE, (name, end)


@pytest.mark.parametrize("chunk", [3, 8])
def test_later_tokens_change_no_layer_before_them_with_the_cache(model: MultiplMoeForCausalLM, chunk: int):
    """The later tokens come in the same chunk, in chunks of their own, and in a row that is padded on the left."""
    tokens = random_tokens(2, _NUM_TOKENS)
    mask = torch.ones_like(tokens)
    mask[0, :3] = 0
    before = _outputs(model, tokens, chunk=chunk, attention_mask=mask)
    for position in (8, 24):
        after = _outputs(model, _change_from(tokens, position), chunk=chunk, attention_mask=mask)
        for name, change in _largest_changes(before, after, position).items():
            assert change <= _TOLERANCE, (name, position)


_documents = st.lists(st.integers(1, 13), min_size=1, max_size=3)
_rows = st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(1, 13), max_size=3)), max_size=2)


@settings(max_examples=40)
@given(
    st.sampled_from([*CAUSAL_PRESETS, "segments alone"]),
    st.tuples(st.integers(0, 5), _documents),
    _rows,
    st.integers(1, 49),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 10_000),
    st.data(),
)
def test_in_evaluation_a_token_depends_on_its_own_past_alone(
    preset: str, first: Any, rows: list, length: int, stride: int, blocks: int, max_experts: int, seed: int, data: Any
):
    """Whatever the segments, the packing and the padding: everything else may change or be missing, other rows too."""
    routing: dict[str, Any] = {"segment_window": stride * blocks, "segment_max_experts": max_experts}
    model = tiny_hybrid(preset, stride=stride, **({} if preset in ("gated-single", "gated-pack") else routing))
    positions, mask = lay_out([first, *rows], length)
    left, documents = first
    document = data.draw(st.integers(0, len(documents) - 1))
    begin = left + sum(documents[:document])
    end = begin + data.draw(st.integers(1, documents[document]))
    tokens, others = (random_tokens(*mask.shape, seed=number) for number in (seed, seed + 1))
    others[0, begin:end] = tokens[0, begin:end]
    before, after = (_outputs(model, ids, attention_mask=mask, position_ids=positions) for ids in (tokens, others))
    alone = _outputs(model, tokens[:1, begin:end])
    assert before["logits"].isfinite().all()
    for name, output in before.items():
        assert (output[0, begin:end] - after[name][0, begin:end]).abs().max() <= _TOLERANCE, name
        assert (output[0, begin:end] - alone[name][0]).abs().max() <= _TOLERANCE, name


def test_in_training_packed_documents_of_one_row_equal_the_documents_alone(model: MultiplMoeForCausalLM):
    lengths = (1, 8, 1, 28)
    documents = [random_tokens(1, length, seed=length) for length in lengths]
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    packed = _outputs(model, torch.cat(documents, dim=1), training=True, position_ids=positions)["logits"]
    for document, logits in zip(documents, packed.split(lengths, dim=1), strict=True):
        assert (logits - _outputs(model, document, training=True)["logits"]).abs().max() <= _TOLERANCE
