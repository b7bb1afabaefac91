"""`export`: what it writes, prints and refuses."""

import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

from .conftest import SHORT, SMALL, TWO, truncate


def test_export_makes_a_folder_for_others_and_tells_how_to_load_it(run, hybrid, tmp_path):
    outcome = run("export", hybrid, "out", "--dtype", "bfloat16", "--max-shard-size", "50KB")
    assert outcome.code == 0, outcome.err
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert f"out: {len(list((tmp_path / 'out').iterdir()))} files, {size / 1e9:.2f} GB, bfloat16" in outcome.out
    assert 'AutoModelForCausalLM.from_pretrained("out", trust_remote_code=True)' in outcome.out
    assert len(list((tmp_path / "out").glob("*.safetensors"))) > 1
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype == torch.bfloat16


def test_export_merges_with_the_recipe_of_the_run_and_prints_the_cost(run, hybrid, corpus, tmp_path):
    outcome = run("train", hybrid, corpus, "run", *TWO, *SHORT)
    assert outcome.code == 0, outcome.err
    outcome = run("export", "run/model", "out", "--merge", "--corpus", corpus)
    assert outcome.code == 0, outcome.err
    assert "Bits per byte of the hybrid (before) and of the merged model (after)" in outcome.out
    assert all(title in outcome.out for title in ("Rust", "Python"))
    assert 'from_pretrained("out")' in outcome.out
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.model_type == "llama"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| trained on | 128 tokens" in card
    assert "| learning rate | 0.001" in card


def test_export_writes_low_rank_experts_out_as_full_ones(run, base, tmp_path):
    assert run("upcycle", "lora", "--base", base, "--set", "moe.expert_type=lora", *SMALL).code == 0
    outcome = run("export", "lora", "out", "--full-experts")
    assert outcome.code == 0, outcome.err
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "lora").config.moe["expert_type"] == "lora"
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.moe["expert_type"] == "full"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "int8"], "--dtype: 'int8' is not one of float32, bfloat16, float16"),
        (["--metrics", "none.json"], "--metrics: none.json is not a file"),
        (["--merge"], "--merge: needs --corpus FOLDER"),
        (["--corpus", "."], "--corpus: only --merge measures on it"),
        (["--merge", "--corpus", "nothing"], "corpus: nothing is not a folder"),
        (["--gguf"], "--gguf: no program reads a hybrid as GGUF; merge it as well: --merge --corpus FOLDER"),
        (["--full-experts"], "--full-experts: the model has no low-rank experts (moe.expert_type lora); leave it out"),
        (["--max-shard-size", "many"], "--max-shard-size: 'many' is not a size such as 500MB or 2GB"),
        (["--max-shard-size", "0"], "--max-shard-size: '0' is not a size"),
        (["--max-shard-size", "1GB", "--merge", "--corpus", "."], "--max-shard-size: a merged model is written"),
    ],
)
def test_export_refuses_flags_that_do_not_fit(refused, hybrid, arguments, message):
    assert message in refused("export", hybrid, "out", *arguments)


def test_export_tells_all_flags_that_are_wrong(refused, base):
    wrong = ["--dtype", "int8", "--metrics", "none", "--merge", "--max-shard-size", "x"]
    problems = refused("export", "none", "out", *wrong, num_problems=5)
    assert "model: none is not a folder" in problems


def test_export_refuses_models_that_it_cannot_read(refused, base, hybrid, corpus, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty has no config.json" in refused("export", "empty", "out")
    assert "--merge: the model is no hybrid (llama)" in refused("export", base, "out", "--merge", "--corpus", corpus)
    assert "has no expert_use.json" in refused("export", hybrid, "out", "--merge", "--corpus", corpus)
    shutil.copytree(hybrid, tmp_path / "broken")
    truncate(tmp_path / "broken")
    assert "model: broken/model.safetensors cannot be read" in refused("export", "broken", "out")
    (tmp_path / "wrong.json").write_text("[]")
    assert "wrong.json holds no record" in refused("export", hybrid, "out", "--metrics", "wrong.json")
