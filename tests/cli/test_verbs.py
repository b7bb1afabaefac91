"""The whole way, verb by verb, and what each refuses."""

import json
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe.corpus import CorpusManifest
from multipl_moe.recipe.recipe import load_recipe

from .conftest import SHORT, SMALL, TWO, truncate


def test_upcycle_makes_a_checkpoint_and_tells_the_difference(run, base, tmp_path):
    outcome = run("upcycle", "out", "--base", base, "--layers", "0,2", "--seed", "3", *SMALL)
    assert outcome.code == 0, outcome.err
    assert "out: " in outcome.out
    assert "largest difference of a logit from the base's: " in outcome.out
    assert "(must be 0 but for rounding)" in " ".join(outcome.out.split())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    model: Any = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert list(model.hybrid_layers) == [0, 2]
    total = sum(parameter.numel() for parameter in model.parameters())
    assert f"{total:,} parameters" in outcome.out
    recipe = load_recipe(tmp_path / "out" / "recipe.yaml")
    assert (recipe.seed, recipe.moe.layers, model.config.moe["segment_window"]) == (3, "0,2", 8)


def test_upcycle_says_of_paper_that_it_does_not_start_at_the_base(run, base):
    outcome = run("upcycle", "out", "--base", base, "--preset", "paper", "--layers", "last:1")
    assert outcome.code == 0, outcome.err
    assert "(not meant to be 0 with these settings)" in " ".join(outcome.out.split())


def test_a_recipe_file_and_flags_on_top_of_it_decide(run, base, tmp_path):
    (tmp_path / "r.yaml").write_text(f"base: {base}\nseed: 1\nmoe: {{layers: 'last:1'}}\nupcycle: {{verify: true}}\n")
    outcome = run("upcycle", "out", "--recipe", "r.yaml", "--seed", "2", "--set", "upcycle.verify=false")
    assert outcome.code == 0, outcome.err
    assert "largest difference" not in outcome.out
    recipe = load_recipe(tmp_path / "out" / "recipe.yaml")
    assert (recipe.base, recipe.seed, recipe.moe.layers, recipe.upcycle.verify) == (str(base), 2, "last:1", False)


def test_corpus_collects_the_files_of_a_folder(run, base, sources, tmp_path):
    outcome = run("corpus", "out", "--source", sources, "--base", base, *TWO)
    assert outcome.code == 0, outcome.err
    manifest = CorpusManifest.load(tmp_path / "out")
    assert list(manifest.languages) == ["rust", "python"]
    for counts in manifest.languages.values():
        assert counts.train_files + counts.validation_files == 5
        assert counts.train_tokens == counts.train_bytes + counts.train_files  # one token a byte, one at each end
        assert f"{counts.train_files}" in outcome.out
    assert "Packing into sequences of 512 tokens" in outcome.out
    assert outcome.out.count("best fit") == outcome.out.count("windows") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_train_and_eval_go_on_from_there(run, base, hybrid, corpus, tmp_path):
    outcome = run("train", hybrid, corpus, "run", *TWO, *SHORT)
    assert outcome.code == 0, outcome.err
    assert "no frozen parameter changed" in outcome.out
    assert "packed by best fit into sequences of" in " ".join(outcome.out.split())
    assert load_recipe(tmp_path / "run" / "recipe.yaml").train.tokens == 128
    training = json.loads((tmp_path / "run" / "training.json").read_text())
    assert training["tokens"] == 128
    assert training["data"]["packing"] == "best_fit"
    assert (tmp_path / "run" / "environment.json").is_file()
    bpb = ["--metric", "bpb", "--corpus", corpus, "--against", base]
    outcome = run("eval", "deep/bpb", "--model", tmp_path / "run" / "model", *bpb, *TWO)
    assert outcome.code == 0, outcome.err
    languages = json.loads((tmp_path / "deep" / "bpb" / "metrics.json").read_text())["languages"]
    assert {name: values["role"] for name, values in languages.items()} == {"rust": "learn", "python": "keep"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--base", "/no/such/folder"], "/no/such/folder is neither a folder nor a GGUF file"),
        (["--base", "none.gguf"], "none.gguf does not exist"),
        (["--base", "nonsense"], "nonsense is neither"),
        (["--preset", "best"], "moe.preset: 'best' is not one of causal, paper"),
        (["--set", "train.tokenz=3"], "train.tokenz: unknown key; did you mean 'tokens'?"),
        (["--set", "train.tokens"], "--set: 'train.tokens' is not KEY=VALUE"),
        (["--set", "=3"], "--set: '=3' is not KEY=VALUE"),
        (["--set", "seed=many"], "seed: 'many'"),
        (["--set", "learn=[cobol]"], "unknown languages cobol"),
        (["--set", "learn=[english]"], "languages both to learn and to keep: english"),
        (
            ["--set", "moe.segment_window=50"],
            "moe.segment_window: 50 must be a multiple of segment_stride (16); use 48",
        ),
        (["--seed", "-1"], "seed: -1"),
        (["--seed", "many"], "Invalid value for '--seed'"),
        (["--zzz"], "No such option: --zzz; see `multipl-moe upcycle --help`"),
        (["--recipe", "none.yaml"], "none.yaml: cannot read the recipe"),
    ],
)
def test_upcycle_refuses_bad_arguments(refused, arguments, message):
    assert message in refused("upcycle", "out", *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", "last:9"], "moe.layers: 'last:9' outside the base's 3 layers; use last:1..3"),
        (["--layers", "3"], "moe.layers: [3] outside the base's layers 0..2"),
        (["--layers", "some"], "moe.layers: 'some' is not all, last:N, every:N or a list of indices"),
        (["--layers", ","], "moe.layers: ','"),
    ],
)
def test_upcycle_refuses_layers_that_the_base_has_not(refused, base, arguments, message):
    assert message in refused("upcycle", "out", "--base", base, *arguments)


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def drop_tensor(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (break_config, "config.json cannot be used"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no safetensors file"),
        (truncate, "download the file again"),
        (drop_tensor, "tensor model.layers.1.mlp.up_proj.weight is missing"),
        (lambda folder: AutoConfig.for_model("gpt2").save_pretrained(folder), "'gpt2' is not supported"),
        (lambda folder: AutoConfig.for_model("mixtral").save_pretrained(folder), "already a mixture of experts"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "nonsense"}'), "cannot be used"),
    ],
)
def test_upcycle_refuses_a_base_that_is_broken_or_unsupported(refused, base, tmp_path, damage, message):
    shutil.copytree(base, tmp_path / "base")
    damage(tmp_path / "base")
    assert message in refused("upcycle", "out", "--base", tmp_path / "base")


def test_a_disk_that_is_too_small_is_refused(refused, base, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10_000_000))
    assert "its disk has 0.01 GB free" in refused("upcycle", "out", "--base", base)


def test_an_output_that_cannot_be_made_is_refused(refused, base, tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be created" in refused("upcycle", "file/out", "--base", base)


def test_corpus_refuses_bad_sources_and_languages(refused, base, sources, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.csv").touch()
    end = ["--base", base]
    assert "--source: none is no folder" in refused("corpus", "out", "--source", "none", *end)
    assert "--source: text.csv is no folder" in refused("corpus", "out", "--source", "text.csv", *end)
    assert "unknown languages cobol" in refused("corpus", "out", "--source", sources, "--learn", "cobol", *end)
    both = ["--learn", "rust,python", "--keep", "python"]
    assert "both to learn and to keep: python" in refused("corpus", "out", "--source", sources, *both, *end)
    assert "learn: []" in refused("corpus", "out", "--source", sources, "--learn", ",", *end)
    assert "no source file for rust" in refused("corpus", "out", "--source", "empty", *TWO, *end)
    assert "nonsense is neither" in refused("corpus", "out", "--source", sources, "--base", "nonsense")


def test_corpus_refuses_a_base_without_tokenizer(refused, base, sources, tmp_path):
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "base" / "tokenizer.json").unlink()
    assert "no tokenizer.json" in refused("corpus", "out", "--source", sources, "--base", tmp_path / "base", *TWO)


def test_train_refuses_what_it_cannot_train_on(refused, base, hybrid, corpus, tmp_path):
    both = refused("train", "none", "nothing", "out", num_problems=2)
    assert "model: none is not a folder" in both
    assert "corpus: nothing is not a folder" in both
    assert "is no hybrid (llama); run `multipl-moe upcycle` first" in refused("train", base, corpus, "out", *TWO)
    (tmp_path / "empty").mkdir()
    assert "empty has no config.json" in refused("train", "empty", corpus, "out", *TWO)
    assert "go has no tokens" in refused("train", hybrid, corpus, "out", "--learn", "go", "--keep", "python")
    assert "rust has no tokens" in refused("train", hybrid, "empty", "out", *TWO)
    assert "'--tokens'" in refused("train", hybrid, corpus, "out", "--tokens", "0")
    assert "train.learning_rate: 0.0" in refused("train", hybrid, corpus, "out", "--learning-rate", "0")


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
    assert (outcome.code, outcome.out.count("Rulings")) == (0, 3), outcome.err  # files, two ways of packing
    outcome = run("train", hybrid, "corpus", "run", "--recipe", "recipe.yaml", *SHORT)
    assert (outcome.code, outcome.out.count("Rulings")) == (0, 1), outcome.err
    assert json.loads((tmp_path / "run" / "training.json").read_text())["stage"] == "train"


def test_a_dense_base_is_trained_where_the_method_says_so(run, refused, base, corpus, tmp_path):
    lora = ("--set", "train.method=lora", *TWO, *SHORT)
    assert "nobody is neither a folder nor a GGUF file nor a hub id" in refused("train", "nobody", corpus, "run", *lora)
    assert run("train", base, corpus, "run", *lora).code == 0
    assert AutoConfig.from_pretrained(tmp_path / "run" / "model").model_type == "llama"


def test_train_goes_on_in_a_run_alone(refused, hybrid, corpus, tmp_path):
    for name in ("mine/checkpoints", "mine/model"):
        (tmp_path / name).mkdir(parents=True)
    assert "mine holds no run" in refused("train", hybrid, corpus, "mine", "--resume", *TWO)
    (tmp_path / "file").write_text("")
    assert "file is a file; choose a folder" in refused("train", hybrid, corpus, "file", "--resume", *TWO)


def test_train_refuses_a_model_without_tokenizer(refused, hybrid, corpus, tmp_path):
    shutil.copytree(hybrid, tmp_path / "hybrid")
    (tmp_path / "hybrid" / "tokenizer.json").unlink()
    assert "hybrid has no tokenizer.json" in refused("train", "hybrid", corpus, "out", *TWO)


def test_train_refuses_to_go_on_from_a_finished_run(refused, hybrid, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "training.json").write_text("{}")
    assert "holds a finished run" in refused("train", hybrid, corpus, "out", "--resume", *TWO)


def test_eval_refuses_what_it_cannot_measure(refused, hybrid, corpus, tmp_path):
    def bpb(model, corpus, *arguments):
        return refused("eval", "out", "--metric", "bpb", "--model", model, "--corpus", corpus, *arguments)

    (tmp_path / "empty").mkdir()
    assert "none is neither" in bpb("none", corpus)
    assert "empty has no config.json" in bpb("empty", corpus, *TWO)
    assert "empty" in bpb(hybrid, "empty", *TWO)
    assert "go" in bpb(hybrid, corpus, "--learn", "go", "--keep", "python")
    assert "nonsense is neither" in bpb(hybrid, corpus, "--against", "nonsense", *TWO)


def test_demo_refuses_bad_arguments(refused, sources):
    folder = ["--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]"]
    assert "'--minutes'" in refused("demo", "--minutes", "0")
    assert "nonsense is neither" in refused("demo", "--set", "base=nonsense", *folder)
    assert "unknown key" in refused("demo", "--set", "tokens=3")
