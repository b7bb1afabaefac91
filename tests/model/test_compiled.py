"""Compiled and exported models equal the model itself, in one graph and with any number of rows and tokens."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import DynamicCache

from multipl_moe.model.statistics import observe_routing
from tests.conftest import random_tokens, tiny_hybrid

_PACKED = torch.tensor([[*range(6), *range(7)], [*range(13)]])
_MASK = torch.tensor([[0] * 3 + [1] * 10, [1] * 13])
_TOLERANCE: dict[torch.dtype, dict[str, Any]] = {
    torch.float32: {"rtol": 1e-4, "atol": 1e-5},
    torch.bfloat16: {"rtol": 0.05, "atol": 0.05},
}


@pytest.fixture(autouse=True)
def _no_graphs_of_others():
    torch.compiler.reset()


def _model(preset: str = "causal", dtype: torch.dtype = torch.float32, **moe: Any) -> Any:
    """One decoder layer: compilers are slow."""
    return tiny_hybrid(preset, base={"num_hidden_layers": 1}, layers=[0], **moe).to(dtype)


def _compile(model: Any, backend: str = "eager") -> Any:
    return torch.compile(model, fullgraph=True, dynamic=True, backend=backend)


def _assert_equal(actual: Tensor, expected: Tensor, mask: Tensor | None = None) -> None:
    real = torch.ones(expected.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
    torch.testing.assert_close(actual[real], expected[real], **_TOLERANCE[expected.dtype])


@torch.no_grad()
@pytest.mark.parametrize(
    ("preset", "expert_type", "dtype", "backend", "inputs"),
    [
        ("gated-single", "full", torch.float32, "eager", {}),
        ("gated-pack", "lora", torch.float32, "eager", {}),
        ("causal", "full", torch.float32, "eager", {"attention_mask": _MASK}),
        *(
            pytest.param(*values, marks=pytest.mark.extended)
            for values in (
                ("causal", "full", torch.bfloat16, "inductor", {"position_ids": _PACKED}),
                ("paper", "lora", torch.bfloat16, "eager", {"position_ids": _PACKED}),
                ("gated", "full", torch.bfloat16, "eager", {"attention_mask": _MASK}),
            )
        ),
    ],
)
def test_evaluation_in_one_graph_equals_evaluation_without(preset, expert_type, dtype, backend, inputs):
    model = _model(preset, dtype, type=expert_type)
    tokens = random_tokens(2, 13)
    logits = _compile(model, backend)(tokens, **inputs).logits
    _assert_equal(logits, model(tokens, **inputs).logits, inputs.get("attention_mask"))


@pytest.mark.extended
@torch.no_grad()
def test_one_graph_serves_batches_of_any_shape():
    model, graphs = _model(), CompileCounterWithBackend("eager")
    compiled = torch.compile(model, fullgraph=True, dynamic=True, backend=graphs)
    for shape in ((2, 13), (3, 21), (5, 37)):
        tokens = random_tokens(*shape)
        _assert_equal(compiled(tokens).logits, model(tokens).logits)
    assert graphs.frame_count == 1


@pytest.mark.extended
@torch.no_grad()
def test_decoding_with_a_compiled_model_and_a_cache_equals_the_full_pass():
    model, tokens, mask = _model(), random_tokens(2, 15), torch.ones(2, 15, dtype=torch.long)
    mask[1, :3] = 0
    compiled, cache, logits = _compile(model), DynamicCache(config=model.config.base_config), []
    for begin, end in ((0, 5), (5, 6), (6, 7), (7, 8), (8, 15)):  # each in a segment of 4, and over its end
        chunk = {"input_ids": tokens[:, begin:end], "attention_mask": mask[:, :end]}
        logits.append(compiled(**chunk, cache=cache, use_cache=True).logits)
    _assert_equal(torch.cat(logits, dim=1), model(tokens, attention_mask=mask).logits, mask)


def _train(model: Any, forward: Any, inputs: dict[str, Tensor], num_steps: int = 2) -> list[Tensor]:
    """Losses of some steps of two micro-batches each."""
    optimizer, losses = torch.optim.SGD(model.parameters(), lr=0.1), []
    for step in range(2 * num_steps):
        tokens = random_tokens(2, 13, seed=step)
        loss = forward(tokens, labels=tokens, **inputs).loss
        loss.backward()
        losses.append(loss.detach())
        if step % 2:
            optimizer.step()
            optimizer.zero_grad()
    return losses


@pytest.mark.parametrize(
    ("preset", "expert_type", "dtype", "inputs"),
    [
        ("causal", "full", torch.float32, {"position_ids": _PACKED}),
        *(
            pytest.param(*values, marks=pytest.mark.extended)
            for values in (
                ("causal", "lora", torch.bfloat16, {"attention_mask": _MASK}),
                ("token-only", "full", torch.bfloat16, {}),
            )
        ),
    ],
)
def test_training_in_one_graph_goes_to_the_same_weights_thresholds_and_biases(preset, expert_type, dtype, inputs):
    graphs = CompileCounterWithBackend("eager")
    model = _model(preset, dtype, type=expert_type).train()
    plain = copy.deepcopy(model)
    losses = _train(model, torch.compile(model, fullgraph=True, dynamic=True, backend=graphs), inputs)
    assert graphs.frame_count == 1
    for actual, expected in zip(losses, _train(plain, plain, inputs), strict=True):
        torch.testing.assert_close(actual, expected, **_TOLERANCE[dtype])
    started = _model(preset, dtype, type=expert_type).state_dict()
    for (name, actual), expected in zip(model.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(actual, expected, **_TOLERANCE[dtype], msg=lambda text, name=name: f"{name}: {text}")
        if name.endswith("token_bias") or (name.endswith("segment_threshold") and preset == "causal"):
            assert not torch.equal(actual, started[name])


@pytest.mark.extended
def test_a_compiled_backward_pass_yields_the_same_gradients_and_notes():
    model, tokens = _model().train(), random_tokens(3, 13)
    layer, found = model.hybrid_layers[0], []
    for forward in (model, _compile(model, "aot_eager")):
        model.zero_grad()
        forward(tokens, labels=tokens).loss.backward()
        gates = torch.cat(layer._noted_gates)
        found.append({name: parameter.grad for name, parameter in model.named_parameters()})
        found[-1] |= {"gates": gates[gates[:, 0] >= 0], "sums": layer._noted_sums}
        layer.forget_noted()
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.extended
@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_exported_model_takes_batches_of_any_shape(dtype: torch.dtype):
    model, any_shape = _model(dtype=dtype), {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    exported = torch.export.export(
        model, (), {"input_ids": random_tokens(2, 13)}, dynamic_shapes={"input_ids": any_shape}, strict=False
    ).module()
    tokens = random_tokens(3, 21)
    _assert_equal(exported(input_ids=tokens).logits, model(tokens).logits)


def test_observers_see_real_segments_alone_though_that_breaks_the_graph(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    model = _model()
    with torch.no_grad(), observe_routing(model) as statistics:
        model(random_tokens(2, 13), attention_mask=_MASK)
    assert (statistics[0].num_tokens, statistics[0].num_segments) == (23, 7)
