"""Which expert a token is shown with, in which colour, and what the legend says."""

import pytest
import torch
from rich.console import Console

from multipl_moe.errors import ConfigError
from multipl_moe.generate.routing import colour_gate, colour_text, hybrid_layer, legend, pieces, route_text, routed_pass
from multipl_moe.model.expert_use import ExpertUse
from tests.conftest import random_tokens, tiny_hybrid


def printed(renderable) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def _routed(model, tokens, layer, **settings):
    return route_text(model, routed_pass(model, tokens, [layer], **settings), layer)


def test_each_token_is_shown_with_the_expert_of_its_largest_weight():
    model, tokens = tiny_hybrid(), random_tokens(1, 23)[0]
    layer = model.hybrid_layers[2]
    with torch.no_grad():
        by_token, by_segment = _routed(model, tokens, 2)
        inputs: list = []
        layer.register_forward_pre_hook(lambda module, args: inputs.append(args[0][0]))
        model(input_ids=tokens[None])
        scores = layer.token_router(inputs[0]).softmax(dim=-1)
    assert (by_token.kind, by_segment.kind) == ("token", "segment")
    assert by_token.names == ["token expert 0", "token expert 1", "token expert 2"]
    assert by_token.expert_of_token == scores[:, :-1].argmax(dim=1).tolist()
    segments = [by_segment.expert_of_token[begin : begin + 4] for begin in range(0, 23, 4)]
    assert all(len(set(experts)) == 1 for experts in segments)
    assert len(set(by_segment.expert_of_token)) > 1
    layer.segment_threshold.fill_(2.0)
    assert _routed(model, tokens, 2)[1].expert_of_token == [None] * 23
    for preset, kind in (("token-only", "token"), ("segments alone", "segment")):
        assert [routed.kind for routed in _routed(tiny_hybrid(preset), tokens, 1)] == [kind]


def test_where_nothing_routes_the_gate_alone_is_shown():
    model, tokens = tiny_hybrid("gated-single"), random_tokens(1, 23)[0]
    assert hybrid_layer(model, None) is None
    with pytest.raises(ConfigError, match="--layer: 1 is not a layer of this model with routers; it has none"):
        hybrid_layer(model, 1)
    found = routed_pass(model, tokens, [])
    assert found.weights == {}
    assert found.gate is not None
    assert found.gate[0] == pytest.approx(0.4), "two thirds of what a document starts with"
    assert len(set(found.gate.tolist())) > 2
    alone = routed_pass(tiny_hybrid("single"), tokens, []).gate
    assert alone is not None
    assert set(alone.tolist()) == {1.0}


def test_where_a_domain_gate_is_shut_no_expert_is_shown():
    model, tokens = tiny_hybrid("gated"), random_tokens(1, 23)[0]
    model.model.domain_gates["pack"].start = 0.0
    model.model.domain_gates["pack"].calibration.copy_(torch.tensor([[0.0, 9.0], [0.0, -9.0]]))
    for routed in _routed(model, tokens, 2):
        assert routed.expert_of_token[:4] == [None] * 4
        assert routed.kind == "segment" or None not in routed.expert_of_token[4:]
    assert _routed(model, tokens, 2)[-1].expert_of_token != [None] * 23


@pytest.mark.parametrize("offset", [9.0, -9.0])
def test_a_prompt_is_shown_as_it_was_read_before_the_rest_was_written(offset):
    model, tokens = tiny_hybrid("gated", start=0.7), random_tokens(1, 12)[0]
    model.model.domain_gates["pack"].calibration.copy_(torch.tensor([[0.0, offset], [0.0, -9.0]]))
    told = routed_pass(model, tokens, [2], open_share=float(offset > 0))
    read = routed_pass(model, tokens, [2], num_prompt=3)
    torch.testing.assert_close(read, told)
    unread = routed_pass(model, tokens, []).gate
    assert unread is not None
    assert unread.unique().tolist() != [float(offset > 0)]


def test_the_coloured_text_is_the_text_with_a_colour_for_each_token(tokenizer):
    content = "let naïve = '→';"
    tokens = tokenizer(content)["input_ids"]
    model = tiny_hybrid(family="llama")
    routed = _routed(model, torch.tensor(tokens) % 61, 1)[0]
    text = colour_text(routed, pieces(tokenizer, tokens), num_prompt=4)
    assert text.plain == content
    styles = [str(span.style) for span in text.spans]
    assert not any("bold" in style for style in styles[:4])
    assert all("bold" in style for style in styles[4:])
    assert len(set(styles[4:])) == len(set(routed.expert_of_token[4:]))


def test_the_gate_is_told_and_dims_what_the_base_reads_alone():
    text = colour_gate(torch.tensor([0.0, 0.5, 0.9, 1.0]), "abcd")
    assert text.plain.startswith("domain gate: open for 75% of the tokens")
    assert text.plain.endswith("abcd")
    shut, half, *bright = [str(span.style) for span in text.spans]
    assert (shut, len({half, *bright})) == ("dim", 2)


def test_the_legend_names_the_languages_that_an_expert_serves_most_of_the_last_layer_unless_another_is_asked_for():
    model, tokens = tiny_hybrid(), random_tokens(1, 20)[0]
    shares = {"rust": [0.3, 0.0, 0.1, 0, 0, 0, 0.6], "go": [0.1, 0.0, 0.3, 0, 0, 0, 0.6]}
    use = ExpertUse({name: {1: weights, 2: weights} for name, weights in shares.items()})
    table = printed(legend(_routed(model, tokens, 2)[0], use, 2, 0))
    lines = table.splitlines()
    assert "token experts of layer 2" in lines[0]
    assert "rust 75%, go 25%" in next(line for line in lines if "token expert 0" in line)
    assert "nothing" in next(line for line in lines if "token expert 1" in line)
    assert "go 75%, rust 25%" in next(line for line in lines if "token expert 2" in line)
    assert "not measured" in printed(legend(_routed(model, tokens, 2)[0], None, 2, 0))
    assert (hybrid_layer(model, None), hybrid_layer(model, 1)) == (2, 1)
    with pytest.raises(ConfigError, match="--layer: 0 is not a layer of this model with routers; those are 1, 2"):
        hybrid_layer(model, 0)
