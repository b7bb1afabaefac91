"""GGUF files in llama.cpp itself: dense and native models compute there what they do in transformers.

Models are tiny and random, but wide enough for K-quants (256 columns); tokenizers are trained, and split text as those
of SmolLM2, Qwen and Llama 3 do.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.llama_cpp_reader import LlamaCppModel
from multipl_judge.extras import install_hint
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.export.llama_cpp import QUANTISED, load_llama_cpp, quantise
from tests.train.tiny import SUFFIXES, source_text

from .conftest import refuse
from .natives import NativeCase
from .test_gguf import LLAMA3_SPLIT, QWEN2_SPLIT, digits_then_bytes, save_dense, save_fast, split_by, trained_tokenizer

WIDE = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64, "bos_token_id": 0, "eos_token_id": 0}
TEXTS = [
    *("", " ", "a", "  \t\t x", "\n\n\n", "\r\n\r\nx\r\n"),
    *("x = 12345", "0x1F + 3.14e-10", "1234567890 " * 3, "don't I'll WE'RE"),
    *("é è ü ñ", "e\u0301 vs \u00e9", "你好\uff0c世界", "こんにちは カタカナ", "Привет, мир", "مرحبا بالعالم"),
    *(
        "नमस्ते दुनिया",
        "🚀🎉👩\u200d👧",
        "a\u200bb\u00a0c\u3000d",
        "<|endoftext|>fn main() {}<|endoftext|>",
        "<|not_special|>",
    ),
    *("{}[]();:'\"\\/`~!@#$%^&*", "CamelCase snake_case SCREAMING_CASE"),
    *("def f(x):\n\treturn x\n", source_text("rust", 7)),
]


@dataclass(frozen=True)
class Exported:
    """A native or dense export with its GGUF files, and the same model in transformers."""

    files: dict[str, Path]
    model: Any
    tokenizer: Any

    def prompts(self) -> Iterator[list[int]]:
        """Tokens of prompts in two languages."""
        for language in list(SUFFIXES)[:2]:
            yield self.tokenizer.encode(source_text(language, 5))[:16]


CASES = [
    (NativeCase("llama"), digits_then_bytes()),
    (NativeCase("llama", layers=(0, 1, 2)), split_by(LLAMA3_SPLIT)),
    (NativeCase("qwen2", base={"tie_word_embeddings": True}), split_by(QWEN2_SPLIT)),
]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case[0].name)
def exported(request, tmp_path_factory) -> Exported:
    case, splitter = request.param
    root, tokenizer = tmp_path_factory.mktemp("gguf"), trained_tokenizer(splitter)
    base = WIDE | case.base | {"vocab_size": tokenizer.get_vocab_size() + 3}
    replace(case, base=base).model().save_pretrained(root / "hybrid")
    save_fast(tokenizer, root / "hybrid")
    settings = ExportSettings(native=True, gguf=True, quantise=tuple(QUANTISED))
    report = export_model(root / "hybrid", root / "tiny", settings)
    names = ("F32", *QUANTISED)
    assert report.native == "ernie4_5_moe"
    assert [file.name for file in report.gguf] == [f"tiny-{name}.gguf" for name in names]
    files = dict(zip(names, report.gguf, strict=True))
    model = AutoModelForCausalLM.from_pretrained(root / "tiny").eval()
    return Exported(files, model, AutoTokenizer.from_pretrained(root / "tiny"))


def test_llama_cpp_splits_awkward_texts_as_the_tokenizer_does(exported):
    assert len(TEXTS) == 25
    with LlamaCppModel(exported.files["F32"]) as model:
        found = {text: model.tokenise(text) for text in TEXTS}
    assert found == {text: exported.tokenizer.encode(text) for text in TEXTS}


def test_llama_cpp_computes_the_logits_of_transformers(exported):
    tokens = next(exported.prompts())
    with LlamaCppModel(exported.files["F32"]) as model, torch.no_grad():
        expected = exported.model(torch.tensor([tokens])).logits[0].numpy()
        np.testing.assert_allclose(model.logits(tokens), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_llama_cpp_writes_the_50_tokens_that_transformers_writes(exported):
    with LlamaCppModel(exported.files["F32"]) as model:
        for prompt in exported.prompts():
            settings: dict[str, Any] = {"do_sample": False, "min_new_tokens": 50, "max_new_tokens": 50}
            expected = exported.model.generate(torch.tensor([prompt]), eos_token_id=None, **settings)[0, len(prompt) :]
            assert model.greedy(prompt, 50) == expected.tolist()


def test_quantised_files_are_smaller_and_foresee_nearly_the_same(exported):
    """Random weights are as hard to round as any; a trained model's perplexity changes less."""
    tokens = exported.tokenizer.encode(source_text("rust", 9))[:300]
    found = {}
    for name, file in exported.files.items():
        with LlamaCppModel(file) as model:
            found[name] = np.log(model.perplexity(tokens)), file.stat().st_size
    loss, size = found["F32"]
    for name, (most_change, most_size) in {"Q8_0": (0.01, 0.28), "Q6_K": (0.04, 0.23), "Q4_K_M": (0.08, 0.18)}.items():
        assert found[name][0] == pytest.approx(loss, rel=most_change), name
        assert found[name][1] < most_size * size
    types = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(exported.files["Q4_K_M"]).tensors}
    assert types["blk.2.ffn_gate_exps.weight"] == "Q4_K"
    assert types["blk.2.ffn_gate_inp.weight"] == "F32", "routers stay as they are"


def test_layers_that_llama_cpp_cannot_have_are_refused_before_anything_is_written(tmp_path):
    for case in (NativeCase("llama", layers=(1, 3), base={"num_hidden_layers": 4}), NativeCase("llama", layers=(0, 1))):
        hybrid = tmp_path / case.name
        case.model().save_pretrained(hybrid)
        save_fast(trained_tokenizer(), hybrid)
        refuse(hybrid, BaseModelError, "^GGUF for ernie4_5_moe: ", native=True, gguf=True)


def test_without_llama_cpp_quantised_files_are_refused_before_anything_is_written(tmp_path, monkeypatch):
    dense = save_dense(tmp_path / "dense")
    monkeypatch.setitem(sys.modules, "llama_cpp_py_sync._cffi_bindings", None)
    load_llama_cpp.cache_clear()
    why = rf"^llama\.cpp: .* {re.escape(install_hint('llamacpp'))}$"
    refuse(dense, ConfigError, why, gguf=True, quantise=("Q8_0",))
    assert export_model(dense, tmp_path / "out", ExportSettings(gguf=True)).gguf


def test_what_llama_cpp_cannot_quantise_leaves_nothing(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(OutputError, match=r"llama\.cpp could not quantise broken\.gguf to Q8_0"):
        quantise(tmp_path / "broken.gguf", tmp_path / "out.gguf", "Q8_0")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]
