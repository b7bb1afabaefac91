"""What transformers' own entrances make of a hybrid: AutoModel, and loading with a quantiser."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING, AUTO_QUANTIZER_MAPPING
from transformers.quantizers.base import HfQuantizer
from transformers.utils.quantization_config import QuantizationConfigMixin

from multipl_moe import MultiplMoeModel
from multipl_moe.errors import ConfigError
from tests.conftest import random_tokens, tiny_hybrid


@pytest.mark.parametrize(("family", "tied"), [("llama", False), ("gemma2", True)])
def test_auto_model_loads_the_decoder_of_a_causal_model(tmp_path: Path, family: str, tied: bool):
    model = tiny_hybrid(family=family, base={"tie_word_embeddings": tied})
    model.save_pretrained(tmp_path / "causal")
    decoder, info = AutoModel.from_pretrained(tmp_path / "causal", output_loading_info=True)
    assert type(decoder) is MultiplMoeModel
    assert info["unexpected_keys"] == (set() if tied else {"lm_head.weight"})
    assert not info["missing_keys"] | info["mismatched_keys"]
    tokens = random_tokens(2, 13)
    with torch.no_grad():
        expected = model.model(input_ids=tokens, output_hidden_states=True, use_cache=True)
        found = decoder(input_ids=tokens, output_hidden_states=True, use_cache=True)
        assert torch.equal(found.last_hidden_state, expected.last_hidden_state)
        assert len(found.hidden_states) == len(expected.hidden_states) == 4
        assert found.cache.get_seq_length() == 13

        decoder.save_pretrained(tmp_path / "decoder")
        again: Any = AutoModel.from_pretrained(tmp_path / "decoder")
        assert torch.equal(again(input_ids=tokens).last_hidden_state, expected.last_hidden_state)


class _Nothing(QuantizationConfigMixin):
    """The settings of a quantiser that leaves all as it is."""

    def __init__(self) -> None:
        self.quant_method: Any = "nothing"


class _LeaveAsItIs(HfQuantizer):
    requires_calibration = False

    @property
    def is_trainable(self) -> Any:
        return True

    def is_serializable(self) -> Any:
        return True


def test_loading_with_a_quantiser_is_told_that_experts_stay_as_they_are(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(AUTO_QUANTIZATION_CONFIG_MAPPING, "nothing", _Nothing)
    monkeypatch.setitem(AUTO_QUANTIZER_MAPPING, "nothing", _LeaveAsItIs)
    tiny_hybrid().save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, "multipl_moe"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
        assert "quantization_config" not in caplog.text
        AutoModelForCausalLM.from_pretrained(tmp_path, quantization_config=_Nothing())
    assert caplog.text.count("quantization_config: bitsandbytes, torchao, GPTQ") == 1
    tiny_hybrid("gated-single", type="lora").save_pretrained(tmp_path / "pack")
    with pytest.raises(ConfigError, match="a pack's adapters lie beside"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "pack", quantization_config=_Nothing())


@pytest.mark.parametrize("part", ["head", "decoder"])
def test_another_attention_reaches_the_base_and_nothing_is_said_about_it(part: str, caplog: pytest.LogCaptureFixture):
    model: Any = tiny_hybrid()
    model = model if part == "head" else model.model
    tokens, before = random_tokens(2, 13), model.config._attn_implementation
    wanted = "eager" if before == "sdpa" else "sdpa"
    expected = model(input_ids=tokens)[0]
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        model.set_attn_implementation(wanted)
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records
    assert model.config._attn_implementation == model.config.text_config._attn_implementation == wanted
    torch.testing.assert_close(model(input_ids=tokens)[0], expected, rtol=1e-4, atol=1e-5)
