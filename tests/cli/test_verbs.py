"""The whole way, verb by verb."""

import json
from io import BytesIO, TextIOWrapper
from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe.corpus import CorpusManifest
from multipl_moe.model.decoder import tell_not_causal
from multipl_moe.recipe.recipe import load_recipe

from .conftest import SHORT, SMALL, TWO, UNGATED


def test_upcycle_makes_a_checkpoint_and_tells_the_difference(run, base, tmp_path):
    outcome = run("upcycle", "out", "--base", base, "--layers", "0,2", "--seed", "3", *SMALL)
    assert "out: " in outcome.out
    assert "largest difference of a logit from the base's: " in outcome.out
    assert "(must be 0 but for rounding)" in outcome.words
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert list(model.hybrid_layers) == [0, 2]
    total = sum(parameter.numel() for parameter in model.parameters())
    assert f"{total:,} parameters" in outcome.out
    recipe = load_recipe(tmp_path / "out" / "recipe.yaml")
    assert (recipe.seed, recipe.moe.experts.layers, model.config.moe["routing"]["segment_window"]) == (3, "0,2", 8)


def test_a_terminal_of_another_encoding_gets_escapes(run, base, monkeypatch):
    out, err = (TextIOWrapper(BytesIO(), "ascii") for _ in range(2))
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.stderr", err)
    run("upcycle", "out…", "--base", base, "--layers", "last:1", *UNGATED)
    out.seek(0)
    assert r"out\u2026: " in out.read()
    run("upcycle", "out…", "--base", base, code=2)
    err.seek(0)
    assert err.read().startswith(r"error: output: out\u2026 exists")


def test_upcycle_says_of_paper_that_it_does_not_start_at_the_base(run, base, caplog):
    tell_not_causal.cache_clear()
    outcome = run("upcycle", "out", "--base", base, "--preset", "paper", "--layers", "last:1", *UNGATED)
    assert caplog.text.count("it is there to reproduce and to compare") == 1
    assert "(not meant to be 0 with these settings)" in outcome.words


def test_a_recipe_file_and_flags_on_top_of_it_decide(run, base, tmp_path):
    moe = "{gate: {languages: []}, experts: {layers: 'last:1'}}"
    (tmp_path / "r.yaml").write_text(f"base: {base}\nseed: 1\nmoe: {moe}\nupcycle: {{verify: true}}\n")
    outcome = run("upcycle", "out", "--recipe", "r.yaml", "--seed", "2", "--set", "upcycle.verify=false")
    assert "largest difference" not in outcome.out
    recipe = load_recipe(tmp_path / "out" / "recipe.yaml")
    found = recipe.base, recipe.seed, recipe.moe.experts.layers, recipe.upcycle.verify
    assert found == (str(base), 2, "last:1", False)


def test_corpus_collects_the_files_of_a_folder(run, base, sources, tmp_path):
    outcome = run("corpus", "out", "--source", sources, "--base", base, *TWO)
    manifest = CorpusManifest.load(tmp_path / "out")
    assert list(manifest.languages) == ["rust", "python"]
    for counts in manifest.languages.values():
        assert counts.train_files + counts.validation_files == 5
        assert counts.train_tokens == counts.train_bytes + counts.train_files  # one token a byte, one at each end
        assert f"{counts.train_files}" in outcome.out
    assert "Packing into sequences of 512 tokens" in outcome.out
    assert outcome.out.count("best fit") == outcome.out.count("windows") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_train_says_where_segments_have_no_other_sequence_to_learn_from(run, hybrid, corpus):
    outcome = run("train", hybrid, corpus, "run", *TWO, *SHORT, "--set", "train.batch_sequences=1")
    assert "the other sequences of a step, and there is one" in outcome.words


def test_train_goes_on_from_there(run, hybrid, corpus, tmp_path):
    outcome = run("train", hybrid, corpus, "run", *TWO, *SHORT)
    assert "the model will forget some of them" in outcome.words
    assert "the other sequences of a step" not in outcome.out
    assert "no frozen parameter changed" in outcome.out
    assert "packed by best fit into sequences of" in outcome.words
    assert load_recipe(tmp_path / "run" / "recipe.yaml").train.tokens == 128
    training = json.loads((tmp_path / "run" / "training.json").read_text())
    assert training["tokens"] == 128
    assert training["data"]["packing"] == "best_fit"
    assert (tmp_path / "run" / "environment.json").is_file()


def test_a_language_of_ones_own_goes_through_corpus_and_training(run, base, hybrid, sources, tmp_path):
    for number in range(5):
        lines = "".join(f"rule r{line} when x{line * number} then y\n" for line in range(40))
        (tmp_path / f"{number}.rules").write_text(lines)
    recipe = {
        "learn": ["rules"],
        "keep": ["python"],
        "own_languages": {"rules": {"title": "Rulings", "extensions": [".rules"]}},
        "corpus": {"sources": [{"kind": "folder", "path": str(path)} for path in (tmp_path, sources)]},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    outcome = run("corpus", "corpus", "--recipe", "recipe.yaml", "--base", base, "--set", "corpus.validation_share=0.3")
    assert outcome.out.count("Rulings") == 4  # files, few held out, two packings
    assert run("train", hybrid, "corpus", "run", "--recipe", "recipe.yaml", *SHORT).out.count("Rulings") == 1
    assert (tmp_path / "run" / "training.json").is_file()


def test_a_dense_base_is_trained_where_the_method_says_so(run, base, corpus, tmp_path):
    run("train", base, corpus, "run", "--set", "train.method=lora", *TWO, *SHORT)
    assert AutoConfig.from_pretrained(tmp_path / "run" / "model").model_type == "llama"
