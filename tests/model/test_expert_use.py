"""The measured use of the experts: what the layer's own output says, its round trip, and what is broken."""

import pytest
import torch

from multipl_moe.errors import BaseModelError
from multipl_moe.model.expert_use import EXPERT_USE_FILE, ExpertUse, expert_names, measure_expert_use
from tests.conftest import random_tokens, tiny_hybrid


@torch.no_grad()
def make_outputs_tell_the_weights(layer):
    """Expert number e answers with the e-th unit vector, so that the layer's output is the list of weights."""
    num_experts = layer.experts.down_proj.shape[0]
    layer.experts.down_proj.zero_()
    layer.experts.down_proj_bias.copy_(torch.eye(num_experts, layer.experts.down_proj.shape[1]))
    layer.shared_expert.down_proj.weight.zero_()
    layer.shared_expert.down_proj.bias.zero_()[num_experts] = 1.0


@pytest.mark.parametrize("preset", ["causal", "paper"])
def test_measured_use_is_the_mean_weight_of_each_expert_in_the_output(preset):
    model = tiny_hybrid(preset)
    outputs: dict[int, list] = {1: [], 2: []}
    for index, layer in model.hybrid_layers.items():
        make_outputs_tell_the_weights(layer)
        layer.register_forward_hook(lambda module, args, output, index=index: outputs[index].append(output))
    rows = {"rust": [random_tokens(2, 19, seed=1), random_tokens(2, 9, seed=3)], "go": [random_tokens(1, 7, seed=2)]}
    model.train()
    use = measure_expert_use(model, {name: [{"input_ids": tokens} for tokens in parts] for name, parts in rows.items()})
    assert model.training
    names = expert_names(model.config.moe_config)
    for index in (1, 2):
        weights = [output.flatten(0, 1)[:, : len(names)] for output in outputs[index]]
        by_language = {"rust": torch.cat(weights[:2]).mean(dim=0), "go": weights[2].mean(dim=0)}
        for name, expected in by_language.items():
            torch.testing.assert_close(torch.tensor(use.languages[name][index]), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(
            use.mean()[index], (by_language["rust"] + by_language["go"]).double() / 2, rtol=1e-5, atol=1e-6
        )
        assert all(layer.observer is None for layer in model.hybrid_layers.values())


def test_the_languages_that_an_expert_serves_count_alike_and_come_by_share():
    use = ExpertUse({"rust": {3: [0.1, 0.0, 0.9]}, "go": {3: [0.3, 0.0, 0.7]}})
    first, never_used, shared = use.languages_served(3)
    assert list(first) == ["go", "rust"]
    assert first["go"] == pytest.approx(0.75)
    assert never_used == {"rust": 0.0, "go": 0.0}
    assert shared["rust"] == pytest.approx(0.9 / 1.6)


def test_it_is_read_back_as_written(tmp_path):
    use = ExpertUse({"rust": {1: [0.25, 0.75], 12: [0.5, 0.5]}})
    use.save(tmp_path)
    assert ExpertUse.load(tmp_path) == use
    assert ExpertUse.load(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"languages": {"rust": {"one": [1]}}}', '{"languages": {"rust": 3}}'])
def test_a_broken_file_is_refused(tmp_path, text):
    (tmp_path / EXPERT_USE_FILE).write_text(text)
    with pytest.raises(BaseModelError, match=r"expert_use\.json is broken"):
        ExpertUse.load(tmp_path)


@pytest.mark.parametrize("layers", [{1: [0.1] * 7}, {1: [0.1] * 7, 2: [0.1] * 6}, {0: [0.1] * 7, 2: [0.1] * 7}])
def test_other_layers_or_experts_than_those_of_the_model_are_refused(tmp_path, layers):
    moe = tiny_hybrid().config.moe_config
    fitting = {1: [0.1] * 7, 2: [0.1] * 7}
    ExpertUse({"rust": fitting}).require_fit(tmp_path, moe)
    with pytest.raises(BaseModelError, match=r"expert_use\.json does not fit config\.json; train the model again"):
        ExpertUse({"rust": fitting, "go": layers}).require_fit(tmp_path, moe)
