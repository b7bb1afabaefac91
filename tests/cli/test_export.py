"""`export`: what it writes, prints and refuses."""

import re

import torch
from transformers import AutoModelForCausalLM

from tests.export.natives import NATIVE_CASES, save_native_source
from tests.export.test_gguf import save_dense

from .conftest import SHORT, TWO


def test_export_makes_a_folder_for_others_and_tells_how_to_load_it(run, hybrid, tmp_path):
    outcome = run("export", hybrid, "out", "--dtype", "bfloat16", "--max-shard-size", "50KB")
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert f"out: {len(list((tmp_path / 'out').iterdir()))} files, {size / 1e9:.2f} GB, bfloat16" in outcome.out
    assert 'AutoModelForCausalLM.from_pretrained("out", trust_remote_code=True)' in outcome.out
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


def test_export_merges_with_the_recipe_of_the_run_and_prints_the_cost(run, hybrid, corpus, tmp_path):
    run("train", hybrid, corpus, "run", *TWO, *SHORT)
    outcome = run("export", "run/model", "out", "--merge", "--anyway", "--corpus", corpus)
    assert "Bits per byte of the hybrid (before) and of the merged model (after)" in outcome.words
    assert all(title in outcome.out for title in ("Rust", "Python"))
    assert 'from_pretrained("out")' in outcome.out
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.model_type == "llama"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| trained on | 128 tokens" in card
    assert "| learning rate | 0.0005" in card


def test_export_writes_a_native_model_and_tells_how_near_it_is(run, tmp_path):
    save_native_source(tmp_path / "hybrid", NATIVE_CASES[0])
    outcome = run("export", "hybrid", "out", "--native")
    (told,) = re.findall(
        r"^ernie4_5_moe, equal to the hybrid: largest difference of a logit (\S+)$", outcome.out, re.MULTILINE
    )
    assert 0 < float(told) <= 1e-4
    assert 'from_pretrained("out")' in outcome.out
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.model_type == "ernie4_5_moe"


def test_export_writes_quantised_gguf_of_the_asked_kinds(run, tmp_path):
    save_dense(tmp_path / "dense")
    outcome = run("export", "dense", "out", "--gguf", "--quantise", "Q4_K_M, Q8_0")
    assert "for llama.cpp: out/out-F32.gguf, out/out-Q8_0.gguf, out/out-Q4_K_M.gguf" in outcome.out
    assert (tmp_path / "out" / "Modelfile").read_text() == "FROM ./out-Q4_K_M.gguf\n"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "ollama create out -f Modelfile" in card
    assert "llama-server -m out/out-Q4_K_M.gguf" in card
