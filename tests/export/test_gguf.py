"""GGUF: read back by transformers it is the same model and tokenizer; what cannot be written is refused with why."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFReader
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig, PreTrainedTokenizerFast

from multipl_moe.errors import BaseModelError
from multipl_moe.export.gguf import write_gguf
from tests import fixtures
from tests.conftest import tiny_dense
from tests.fixtures import save_tokenizer
from tests.train.tiny import SUFFIXES, source_text

END = "<|endoftext|>"
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
TEXTS = [source_text(language, 99) for language in SUFFIXES] + [
    "x = 12345\n    return  7  # It's 'é' — 你好\t🚀\r\n\n",
    END,
]


def split_by(regex: str) -> pre_tokenizers.PreTokenizer:
    isolated = pre_tokenizers.Split(Regex(regex), behavior="isolated")
    return pre_tokenizers.Sequence([isolated, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def digits_then_bytes() -> pre_tokenizers.PreTokenizer:
    digits = pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])


def trained_tokenizer(splitter: pre_tokenizers.PreTokenizer | None = None) -> Tokenizer:
    """A tokenizer of about 300 tokens, the end of text among them."""
    texts = [source_text(name, seed) for name in SUFFIXES for seed in range(2)]
    return fixtures.trained_tokenizer(texts, splitter)


def save_fast(tokenizer: Tokenizer, folder: Path, **special: Any) -> None:
    names = {"bos_token": END, "eos_token": END} | special
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)


def save_dense(folder: Path, family: str = "llama", dtype: torch.dtype = torch.float32, **overrides: Any) -> Path:
    """A random model whose vocabulary is a little larger than its tokenizer."""
    tokenizer = trained_tokenizer()
    values = {"vocab_size": tokenizer.get_vocab_size() + 3, "bos_token_id": 0, "eos_token_id": 0}
    if family == "llama":
        values["mlp_bias"] = False
    tiny_dense(family, **(values | overrides)).to(dtype).save_pretrained(folder)
    save_fast(tokenizer, folder)
    return folder


def written(dense: Path) -> Path:
    file = dense.parent / "model.gguf"
    write_gguf(dense, file)
    return file


def fields(file: Path) -> dict[str, Any]:
    return {key: field.contents() for key, field in GGUFReader(file).fields.items()}


def logits(model: torch.nn.Module) -> torch.Tensor:
    tokens = torch.randint(280, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(input_ids=tokens, use_cache=False).logits


def read_back(file: Path, **arguments: Any) -> torch.nn.Module:
    settings = {"quantization_config": GgufConfig(dequantize=True), "dtype": torch.float32} | arguments
    return AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, **settings)


@pytest.mark.parametrize(
    ("family", "tie_word_embeddings", "alone"),
    [
        ("llama", True, True),
        ("mistral", False, True),
        ("qwen2", True, True),
        *((family, False, False) for family in ("qwen3", "phi3", "starcoder2")),
    ],
)
def test_the_file_gives_the_same_logits(tmp_path, family, tie_word_embeddings, alone):
    """Alone where transformers reads every setting of a family from GGUF; else it gets the configuration."""
    dense = save_dense(tmp_path / "dense", family, tie_word_embeddings=tie_word_embeddings)
    expected = logits(AutoModelForCausalLM.from_pretrained(dense))
    assert expected.abs().max() > 0.1
    known = {} if alone else {"config": AutoConfig.from_pretrained(dense)}
    torch.testing.assert_close(logits(read_back(written(dense), **known)), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("splitter", "ignore_merges", "name"),
    [
        (None, False, "gpt-2"),
        (split_by(LLAMA3_SPLIT), True, "llama-bpe"),
        (split_by(LLAMA3_SPLIT), False, "dbrx"),
    ],
)
def test_the_way_of_splitting_text_gets_the_name_that_llama_cpp_knows(tmp_path, splitter, ignore_merges, name):
    """llama.cpp itself is asked in test_llama_cpp.py, of other ways too."""
    dense = save_dense(tmp_path / "dense")
    tokenizer = trained_tokenizer(splitter)
    tokenizer.model.ignore_merges = ignore_merges
    save_fast(tokenizer, dense)
    assert fields(written(dense))["tokenizer.ggml.pre"] == name


def test_tokenizer_and_metadata_are_what_llama_cpp_asks_for_and_the_model_card_goes_along(tmp_path):
    dense = save_dense(
        tmp_path / "dense", rms_norm_eps=1e-4, rope_parameters={"rope_type": "default", "rope_theta": 5e4}
    )
    (dense / "chat_template.jinja").write_text("{{ messages }}")
    data = {
        "license": "apache-2.0",
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "language": ["code", "en"],
        "tags": ["code", "rust"],
    }
    (dense / "README.md").write_text(f"---\n{json.dumps(data)}\n---\n# text\n")
    write_gguf(dense, tmp_path / "model.gguf", "Mine")
    found = fields(tmp_path / "model.gguf")
    size = found["llama.vocab_size"]
    assert found["tokenizer.ggml.tokens"][size - 4 :][1:] == [f"[PAD{index}]" for index in range(size - 3, size)]
    assert found["tokenizer.ggml.token_type"] == [3] + [1] * (size - 4) + [5] * 3
    merges = json.loads((dense / "tokenizer.json").read_text())["model"]["merges"]
    assert found["tokenizer.ggml.merges"] == [" ".join(pair) for pair in merges]
    num_parameters = sum(parameter.numel() for parameter in AutoModelForCausalLM.from_pretrained(dense).parameters())
    expected = {
        "general.architecture": "llama",
        "general.type": "model",
        "general.file_type": 0,
        "llama.context_length": 256,
        "llama.attention.layer_norm_rms_epsilon": pytest.approx(1e-4),
        "llama.rope.freq_base": 5e4,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.chat_template": "{{ messages }}",
        "general.name": "Mine",
        "general.size_label": f"{num_parameters / 1e3:.0f}K",
        "general.license": "apache-2.0",
        "general.base_model.count": 1,
        "general.base_model.0.name": "SmolLM2-135M-Instruct",
        "general.base_model.0.organization": "HuggingFaceTB",
        "general.base_model.0.repo_url": "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        "general.languages": ["code", "en"],
        "general.tags": ["code", "rust"],
    }
    assert {key: found.get(key) for key in expected} == expected
    before = AutoTokenizer.from_pretrained(dense)
    after = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    assert [after.encode(text) for text in TEXTS] == [before.encode(text) for text in TEXTS]
    assert (after.bos_token, after.eos_token) == (END, END)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (b"language: en\nlicense: [mit, 1]\ntags: code\nbase_model: [x/y]", (["en"], "mit", ["code"], "y")),
        (b"license: mit\nlanguage: no\nmodel-index: 3\nbase_model: []", (None, "mit", None, None)),
        (b"license: 1.0\nbase_model: 3\ntags: {a: b}\nlanguage: [1]", (None,) * 4),
        *((header, (None,) * 4) for header in (b"license: [a", b"- a", b"license: \xff", b"")),
    ],
)
def test_of_an_odd_model_card_only_texts_go_along(tmp_path, card, told):
    dense = save_dense(tmp_path / "dense")
    (dense / "README.md").write_bytes(b"---\n" + card + b"\n---\n")
    found = fields(written(dense))
    names = ("languages", "license", "tags", "base_model.0.name")
    assert tuple(found.get(f"general.{name}") for name in names) == told


def test_a_begin_token_is_noted_and_a_sliding_window_bounds_the_context(tmp_path):
    dense = save_dense(tmp_path / "dense", "mistral", sliding_window=100)
    around = processors.TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    save_fast(spoilt("post_processor", around), dense)
    found = fields(written(dense))
    assert (found["tokenizer.ggml.add_bos_token"], found["tokenizer.ggml.add_eos_token"]) == (True, False)
    assert (found["llama.context_length"], found["general.name"]) == (100, "model")


@pytest.mark.parametrize(
    ("dtype", "form"), [(torch.bfloat16, GGMLQuantizationType.BF16), (torch.float16, GGMLQuantizationType.F16)]
)
def test_matrices_keep_their_dtype_and_norms_become_float32(tmp_path, dtype, form):
    dense = save_dense(tmp_path / "dense", "qwen2", dtype)
    file = written(dense)
    forms = {tensor.name: tensor.tensor_type for tensor in GGUFReader(file).tensors}
    assert forms["blk.0.ffn_up.weight"] == forms["token_embd.weight"] == form
    assert forms["blk.0.attn_norm.weight"] == forms["blk.0.attn_q.bias"] == GGMLQuantizationType.F32
    before = AutoModelForCausalLM.from_pretrained(dense).state_dict()
    after = read_back(file).state_dict()
    assert all(torch.equal(value.float(), after[name]) for name, value in before.items())


def test_granite_has_its_multipliers_and_its_rotation(tmp_path):
    multipliers: dict[str, Any] = {"attention": 0.5, "embedding": 6.0, "residual": 0.25}
    dense = save_dense(
        tmp_path / "dense", "granite", **{f"{name}_multiplier": value for name, value in multipliers.items()}
    )
    file = written(dense)
    found, names = fields(file), ("attention.scale", "embedding_scale", "residual_scale", "logit_scale")
    assert [found[f"granite.{name}"] for name in names] == [*multipliers.values(), 3.0]
    key = AutoModelForCausalLM.from_pretrained(dense).model.layers[1].self_attn.k_proj.weight.detach().numpy()
    order = [head * 8 + half * 4 + row for head in range(2) for row in range(4) for half in range(2)]
    values = {tensor.name: tensor.data for tensor in GGUFReader(file).tensors}
    np.testing.assert_array_equal(values["blk.1.attn_k.weight"], key[order])


def test_llama_3_has_its_frequencies(tmp_path):
    dense = save_dense(tmp_path / "dense", rope_parameters=LLAMA3_ROPE, head_dim=32)
    values = {tensor.name: tensor.data for tensor in GGUFReader(written(dense)).tensors}
    lengths = 2 * np.pi * 10000.0 ** (np.arange(16) / 16)
    smooth = (64 / lengths - 1) / 3
    between = 1 / ((1 - smooth) / 8 + smooth)
    expected = np.where(lengths < 16, 1, np.where(lengths > 64, 8, between))
    assert {1.0, 8.0} < set(expected.tolist())
    np.testing.assert_allclose(values["rope_freqs.weight"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "overrides", "message"),
    [
        ("gemma2", {}, "GGUF for gemma2: it is not among .*llama.*convert_hf_to_gguf.py"),
        ("llama", {"hidden_act": "gelu"}, "GGUF for llama: llama.cpp computes it only with hidden_act silu, not gelu"),
        ("starcoder2", {"use_bias": False}, "only with use_bias True, not False"),
        ("qwen3", {"attention_bias": True}, "only with attention_bias False, not True"),
        ("olmo2", {"tie_word_embeddings": True}, "only with tie_word_embeddings False"),
        ("qwen2", {"rope_parameters": LLAMA3_ROPE}, "rotary embedding is scaled by llama3"),
    ],
)
def test_a_model_that_llama_cpp_would_compute_otherwise_is_refused(tmp_path, family, overrides, message):
    dense = save_dense(tmp_path / "dense", family, **overrides)
    with pytest.raises(BaseModelError, match=message):
        written(dense)
    assert list(tmp_path.iterdir()) == [dense]


def spoilt(name: str, value: Any) -> Tokenizer:
    tokenizer = trained_tokenizer()
    setattr(tokenizer.model if name == "byte_fallback" else tokenizer, name, value)
    return tokenizer


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("byte_fallback", True, "it is not byte-level BPE"),
        ("normalizer", normalizers.Lowercase(), "it normalises text by Lowercase"),
        ("pre_tokenizer", split_by(r"\w+"), r"it splits text by \\w\+"),
        ("pre_tokenizer", None, r"it splits text by {\"type\": null}"),
        ("pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=True), "add_prefix_space"),
        (
            "post_processor",
            processors.TemplateProcessing(single="! $A", special_tokens=[("!", 1)]),
            r"it puts \['!', 'a'\] around a text",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_written_is_refused(tmp_path, part, value, message):
    dense = save_dense(tmp_path / "dense")
    save_fast(spoilt(part, value), dense)
    with pytest.raises(BaseModelError, match=message):
        written(dense)
    assert list(tmp_path.iterdir()) == [dense]


def test_a_tokenizer_without_merges_end_or_files_or_with_too_many_tokens_is_refused(tmp_path):
    dense = save_dense(tmp_path / "dense", vocab_size=280)
    with pytest.raises(BaseModelError, match=r"it has \d+ tokens, the model's embedding 280"):
        written(dense)
    save_tokenizer(dense)
    with pytest.raises(BaseModelError, match="it has no merges"):
        written(dense)
    dense = save_dense(tmp_path / "dense")
    save_fast(trained_tokenizer(), dense, eos_token=None)
    (dense / "config.json").write_text((dense / "config.json").read_text().replace('"eos_token_id": 0', '"x": 0'))
    with pytest.raises(BaseModelError, match="no end-of-sequence token"):
        written(dense)
    (dense / "tokenizer.json").unlink()
    (dense / "tokenizer_config.json").unlink()
    with pytest.raises(BaseModelError, match="no tokenizer"):
        written(dense)
