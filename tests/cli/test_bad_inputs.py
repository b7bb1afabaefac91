"""Files that are broken, cut, empty or of another kind: one line that names the file or key, and the remedy.

test_refusals.py holds the rest of the table: flags and settings that are wrong by themselves.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from multipl_moe.recipe.recipe import Recipe
from tests.fixtures import interrupt, tree

from .conftest import SHORT, TWO

_QUERY, _DOWN = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.down_proj.weight"
_CONFIG, _WEIGHTS_FILE = "config.json cannot be used", "model.safetensors"
_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "without_weights": (lambda model: (model / _WEIGHTS_FILE).unlink(), "weights are missing or cannot be read, copy"),
    "cut_weights": (lambda model: os.truncate(model / _WEIGHTS_FILE, 5000), "weights are damaged, copy or download"),
    "cut_config": (lambda model: os.truncate(model / "config.json", 100), f"{_CONFIG} (It looks like the config file"),
    "other_config": (lambda model: _configured(model, model_type="nonsense"), "has model type `nonsense`"),
    "typed_config": (lambda model: _configured(model, hidden_size="many"), f"{_CONFIG} (Validation error for field"),
    "sized_config": (lambda model: _configured(model, hidden_size=32), "(of another shape: lm_head.weight"),
    "negative_config": (lambda model: _configured(model, vocab_size=-5), "config.json: vocab_size is -5; must be 1"),
    "empty_index": (lambda model: _indexed(model), "cannot be loaded ('metadata'); its weights are missing or"),
    "cut_tokenizer": (lambda model: os.truncate(model / "tokenizer.json", 100), "has no tokenizer that can be read"),
}
_SOURCES = {
    "broken.parquet": "broken.parquet cannot be read as parquet",
    "broken.zip": "broken.zip cannot be read as archive",
    "broken.tar.gz": "broken.tar.gz cannot be read as archive",
    "other.jsonl": "other.jsonl cannot be read as jsonl (other.jsonl: no JSON Lines)",
    "empty.jsonl": "empty.jsonl cannot be read as jsonl (it is empty)",
    "empty": "empty: the folder holds no file; name another or leave it out",
    "fresh.git": "fresh.git: git tracks no file in the repository; commit some",
    "fresh.git@v1": "fresh.git: no revision 'v1'; name a commit, tag or branch",
    "bare.git": "bare.git: no revision 'HEAD'",
}


def _configured(model: Path, **values: object) -> None:
    file = model / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _indexed(model: Path) -> None:
    (model / _WEIGHTS_FILE).unlink()
    (model / "model.safetensors.index.json").write_text('{"weight_map": {}}')


@pytest.fixture
def places(base, hybrid, corpus, sources):
    """What commands name: the tiny world."""
    return {"base": base, "hybrid": hybrid, "corpus": corpus, "sources": sources}


def test_sources_that_nothing_can_be_read_from_are_all_named_with_the_reason(refused, places, tmp_path):
    for name in ("empty", "fresh.git", "bare.git"):
        (tmp_path / name).mkdir()
    subprocess.run(["git", "init", "-q", tmp_path / "fresh.git"], check=True)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare.git"], check=True)
    for name in ("broken.parquet", "broken.zip", "broken.tar.gz"):
        (tmp_path / name).write_bytes(b"PAR1 or PK or so, cut in the mid")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "other.jsonl").write_text("[\n1,\n2\n]\n")
    named = [word for source in (*_SOURCES, places["sources"]) for word in ("--source", source)]
    told = refused("corpus", "out", *named, "--base", places["base"], *TWO)
    reasons = [f"corpus.sources.{number}: {reason}" for number, reason in enumerate(_SOURCES.values())]
    assert [reason for reason in reasons if reason not in told] == []
    assert f"corpus.sources.{len(_SOURCES)}: " not in told, "it can be read"


@pytest.mark.parametrize(
    ("kind", "broken"),
    [*(("base", broken) for broken in _MODELS), ("hybrid", "without_weights"), ("hybrid", "cut_weights")],
)
def test_a_broken_model_is_named_with_what_is_wrong_with_it(refused, places, tmp_path, kind, broken):
    shutil.copytree(places[kind], tmp_path / "broken")
    breaks, expected = _MODELS[broken]
    breaks(tmp_path / "broken")
    told = refused("generate", "broken", "fn main() {")
    assert "broken" in told
    assert expected in told


@pytest.mark.parametrize(
    "words", ["generate mine x", "upcycle out --base mine", "corpus out --base mine --source mine"]
)
def test_python_in_a_models_folder_never_runs_whatever_is_typed(places, tmp_path, run, monkeypatch, words):
    shutil.copytree(places["base"], tmp_path / "mine")
    classes = {"AutoConfig": "evil.Config", "AutoTokenizer": ["evil.Tokenizer", None]}
    _configured(tmp_path / "mine", model_type="evil", auto_map=classes)
    tokenizer = tmp_path / "mine" / "tokenizer_config.json"
    told = json.loads(tokenizer.read_text()) | {"tokenizer_class": "Evil", "auto_map": classes}
    tokenizer.write_text(json.dumps(told))
    (tmp_path / "mine" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    before = tree(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    ended = run(*words.split(), *(TWO if "corpus" in words else ()), code=2)
    assert (ended.err.count("\n"), ended.err.startswith("error: ")) == (1, True), ended.err
    assert "[y/N]" not in ended.out + ended.err
    assert tree(tmp_path) == before


_Tensors = dict[str, torch.Tensor]
_WEIGHTS: dict[str, tuple[Callable[[_Tensors], _Tensors], str]] = {
    "lacking": (lambda tensors: {name: one for name, one in tensors.items() if name != _QUERY}, f"missing: {_QUERY}"),
    "more": (lambda tensors: tensors | {"model.extra.weight": torch.ones(2)}, "unexpected: model.extra.weight"),
    "adapted": (lambda tensors: {f"base_model.model.{name}": value for name, value in tensors.items()}, "PEFT adapter"),
    "no_number": (lambda tensors: tensors | {_QUERY: tensors[_QUERY] * float("nan")}, f"{_QUERY} holds NaN"),
    "no_number_in_a_block": (lambda tensors: tensors | {_DOWN: tensors[_DOWN] / 0}, f"mine: tensor {_DOWN} holds NaN"),
}


@pytest.mark.parametrize("name", _WEIGHTS)
def test_a_base_with_wrong_tensors_is_told_by_its_own_name(refused, places, tmp_path, name):
    shutil.copytree(places["base"], tmp_path / "mine")
    change, expected = _WEIGHTS[name]
    file = tmp_path / "mine" / _WEIGHTS_FILE
    save_file(change(load_file(file)), file, {"format": "pt"})
    told = refused("upcycle", "out", "--base", "mine", "--set", "moe.gate.languages=[]")
    assert expected in told
    assert "mine" in told
    assert ".partial" not in told


def test_an_output_that_is_a_link_to_nothing_is_refused_before_the_work(refused, places, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.upcycle.convert.write_beside_base", interrupt)
    (tmp_path / "out").symlink_to("gone")
    monkeypatch.setattr("multipl_moe.train.trainer.train_in_held_folder", interrupt)
    for words in (
        ["upcycle", "out", "--base", places["base"]],
        ["corpus", "out", "--base", places["base"]],
        ["train", places["hybrid"], places["corpus"], "out", *TWO],
    ):
        assert "out is a link to gone, which is not there" in refused(*words)


def test_tokens_of_another_vocabulary_are_refused_before_the_first_step(refused, places, tmp_path):
    shutil.copytree(places["corpus"], tmp_path / "damaged")
    (file,) = (tmp_path / "damaged/tokens/train/rust").glob("*.ds")
    file.write_bytes(file.read_bytes()[:-2] + b"\xff\xff")
    assert f"{file.name}: token 65535 is none of the model's" in refused(
        "train", places["hybrid"], "damaged", "out", *TWO
    )


def test_weights_that_overflow_in_the_last_step_are_not_stored(run, places, tmp_path):
    outcome = run(
        *("train", places["hybrid"], places["corpus"], "out", *TWO, *SHORT),
        *("--set", "train.learning_rate=1e300", "--set", "train.warmup_share=0", "--tokens", "64"),
        code=2,
    )
    assert "holds NaN or an infinity, so the weights are not written; there is no checkpoint" in outcome.err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_home_is_one_in_recipes_too(run, places, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(places["sources"], tmp_path / "src")
    (tmp_path / "mybase").symlink_to(places["base"])
    source = "corpus: {sources: [{kind: folder, path: ~/src, held_out: false}], decontaminate: none}"
    (tmp_path / "recipe.yaml").write_text(f"{{base: ~/mybase, learn: [rust], keep: [python], {source}}}")
    assert "few held-out files: 1 of Rust, 1 of Python" in run("corpus", "out", "--recipe", "recipe.yaml").out


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("manifest.json", "broken: not a corpus, manifest.json cannot be read"),
        ("tokens", "rust has no tokens in broken"),
        ("documents", "broken: no train documents in rust"),
    ],
)
def test_a_corpus_that_lacks_a_part_is_refused(refused, places, tmp_path, broken, told):
    shutil.copytree(places["corpus"], tmp_path / "broken")
    (tmp_path / "broken" / broken).rename(tmp_path / "gone")
    assert told in refused("train", places["hybrid"], "broken", "out", *TWO)


def test_a_folder_that_is_no_corpus_is_told_as_such(refused, places, tmp_path):
    (tmp_path / "notes").mkdir()
    told = refused("upcycle", "out", "--base", places["base"], "--corpus", "notes", *TWO)
    assert "notes: not a corpus, manifest.json cannot be read" in told


def test_a_missing_corpus_is_told_before_the_base_is_looked_for(refused):
    told = refused("upcycle", "out", "--base", "nowhere.gguf", "--corpus", "notes", *TWO)
    assert told.strip() == "error: corpus: notes is not a folder"


def test_resume_says_where_there_is_nothing_to_resume(run, places, tmp_path, monkeypatch):
    def begin(recipe: Recipe, *_, **__) -> None:
        (tmp_path / "out" / "recipe.yaml").write_text(recipe.to_yaml())
        interrupt()

    monkeypatch.setattr("multipl_moe.train.trainer.train_in_held_folder", begin)
    words = "train", places["hybrid"], places["corpus"], "out", "--resume", *TWO
    assert "--resume: out holds nothing to go on from; this is the start" in run(*words, code=130).out
    (tmp_path / "out" / "checkpoints" / "checkpoint-5").mkdir(parents=True)
    assert "nothing to go on" not in run(*words, code=130).out
