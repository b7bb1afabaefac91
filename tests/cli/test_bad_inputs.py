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

from tests.fixtures import interrupt, tree

from .conftest import SHORT, TWO

_QUERY, _DOWN = "model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.down_proj.weight"
_CONFIG = "config.json cannot be used"
_MODELS: dict[str, Callable[[Path], object]] = {
    "without_weights": lambda model: (model / "model.safetensors").unlink(),
    "cut_weights": lambda model: os.truncate(model / "model.safetensors", 5000),
    "other_weights": lambda model: (model / "model.safetensors").write_bytes(b"<html>no such page</html>" * 200),
    "cut_config": lambda model: os.truncate(model / "config.json", 100),
    "other_config": lambda model: (model / "config.json").write_text('{"model_type": "nonsense"}'),
    "typed_config": lambda model: _configured(model, hidden_size="many"),
    "sized_config": lambda model: _configured(model, hidden_size=64),
    "negative_config": lambda model: _configured(model, vocab_size=-5),
    "empty_index": lambda model: _indexed(model),
    "cut_tokenizer": lambda model: os.truncate(model / "tokenizer.json", 100),
}
_SAYS = {
    "without_weights": "weights are missing or cannot be read, copy or download them again",
    "cut_weights": "weights are damaged, copy or download them again",
    "other_weights": "weights are damaged, copy or download them again",
    "cut_config": f"{_CONFIG} (It looks like the config file",
    "other_config": f"{_CONFIG} (The checkpoint you are trying to load has model type `nonsense`",
    "typed_config": f"{_CONFIG} (Validation error for field 'hidden_size'",
    "negative_config": "config.json: vocab_size is -5; must be 1 or more",
    "empty_index": "cannot be loaded ('metadata'); its weights are missing or cannot be read",
    "sized_config": "do not fit its config.json (of another shape: lm_head.weight",
    "cut_tokenizer": "has no tokenizer that can be read",
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
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_text('{"weight_map": {}}')


@pytest.fixture
def places(base, hybrid, corpus, sources):
    """What commands name: the tiny world."""
    return {"base": base, "hybrid": hybrid, "corpus": corpus, "sources": sources}


@pytest.fixture
def _bad_sources(tmp_path):
    """In the current folder, sources that nothing can be read from."""
    for name in ("empty", "fresh.git", "bare.git"):
        (tmp_path / name).mkdir()
    subprocess.run(["git", "init", "-q", tmp_path / "fresh.git"], check=True)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare.git"], check=True)
    for name in ("broken.parquet", "broken.zip", "broken.tar.gz"):
        (tmp_path / name).write_bytes(b"PAR1 or PK or so, cut in the mid")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "other.jsonl").write_text("[\n1,\n2\n]\n")


@pytest.mark.parametrize(
    ("kind", "broken"),
    [*(("base", broken) for broken in _MODELS), *(("hybrid", f"{what}_weights") for what in ("without", "cut"))],
)
def test_a_broken_model_is_named_with_what_is_wrong_with_it(refused, places, tmp_path, kind, broken):
    shutil.copytree(places[kind], tmp_path / "broken")
    _MODELS[broken](tmp_path / "broken")
    assert _SAYS[broken] in (told := refused("generate", "broken", "fn main() {"))
    assert "broken" in told


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
    if "corpus" in words:  # as a real process, which ends with the same line
        command = [sys.executable, "-m", "multipl_moe", *words.split(), *TWO]
        done = subprocess.run(command, cwd=tmp_path, input="y\n" * 9, capture_output=True, text=True, check=False)
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
        ended = run(*words.split())
        code, out, err = ended.code, ended.out, ended.err
    assert (code, err.count("\n")) == (2, 1), err
    assert err.startswith("error: ")
    assert "[y/N]" not in out + err
    assert tree(tmp_path) == before


_WEIGHTS: dict[str, tuple[Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], str]] = {
    "lacking": (
        lambda tensors: {name: value for name, value in tensors.items() if name != _QUERY},
        f"missing: {_QUERY}",
    ),
    "more": (lambda tensors: tensors | {"model.extra.weight": torch.ones(2)}, "unexpected: model.extra.weight"),
    "adapted": (lambda tensors: {f"base_model.model.{name}": value for name, value in tensors.items()}, "PEFT adapter"),
    "no_number": (lambda tensors: tensors | {_QUERY: tensors[_QUERY] * float("nan")}, f"{_QUERY} holds NaN"),
    "no_number_in_a_block": (lambda tensors: tensors | {_DOWN: tensors[_DOWN] / 0}, f"mine: tensor {_DOWN} holds NaN"),
}


@pytest.mark.parametrize("name", _WEIGHTS)
def test_a_base_with_wrong_tensors_is_told_by_its_own_name(refused, places, tmp_path, name):
    shutil.copytree(places["base"], tmp_path / "mine")
    change, expected = _WEIGHTS[name]
    save_file(
        change(load_file(tmp_path / "mine/model.safetensors")), tmp_path / "mine/model.safetensors", {"format": "pt"}
    )
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


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.tokens=100", "100 are less than one step reads, 2,048"),
        (f"train.tokens=1{26 * '0'}", "sequences are more than the 100,000,000 whose order can be drawn"),
        ("train.skip_tokens=1000000000000", "sequences are more than the 100,000,000 whose order can be drawn"),
    ],
)
def test_a_length_that_cannot_be_trained_is_refused_at_once(refused, places, setting, expected):
    assert expected in refused("train", places["hybrid"], places["corpus"], "out", *TWO, "--set", setting)


def test_weights_that_overflow_in_the_last_step_are_not_stored(run, places, tmp_path):
    outcome = run(
        *("train", places["hybrid"], places["corpus"], "out", *TWO, *SHORT),
        *("--set", "train.learning_rate=1e300", "--set", "train.warmup_share=0", "--tokens", "64"),
    )
    assert outcome.code == 2
    assert "holds NaN or an infinity, so the weights are not written; there is no checkpoint" in outcome.err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_home_is_one_in_recipes_too(run, places, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(places["sources"], tmp_path / "src")
    (tmp_path / "mybase").symlink_to(places["base"])
    source = "corpus: {sources: [{kind: folder, path: ~/src, held_out: false}], decontaminate: none}"
    (tmp_path / "recipe.yaml").write_text(f"{{base: ~/mybase, learn: [rust], keep: [python], {source}}}")
    outcome = run("corpus", "out", "--recipe", "recipe.yaml")
    assert outcome.code == 0, outcome.err
    assert "few held-out files: 1 of Rust, 1 of Python" in outcome.out


def test_nothing_but_held_out_files_is_told_as_such(refused, places, tmp_path):
    sources = f"[{{kind: folder, path: {places['sources']}, held_out: true}}]"
    told = refused("corpus", "out", "--base", places["base"], *TWO, "--set", f"corpus.sources={sources}")
    assert "rust: all 5 files are of held_out sources, none to learn from" in told


@pytest.mark.usefixtures("_bad_sources")
def test_sources_that_nothing_can_be_read_from_are_all_named_with_the_reason(refused, places):
    named = [word for source in _SOURCES for word in ("--source", source)]
    told = refused("corpus", "out", *named, "--base", places["base"], *TWO)
    reasons = [f"corpus.sources.{number}: {reason}" for number, reason in enumerate(_SOURCES.values())]
    assert [reason for reason in reasons if reason not in told] == []


@pytest.mark.usefixtures("_bad_sources")
def test_all_sources_are_looked_at_before_any_is_read(refused, places, tmp_path):
    kinds = {"/path/to/project.git": "git", "empty": "folder", "broken.parquet": "parquet", "none.zip": "archive"}
    chosen = [{"kind": kind, "path": path} for path, kind in kinds.items()]
    chosen.append({"kind": "folder", "path": str(places["sources"])})
    (tmp_path / "recipe.yaml").write_text(json.dumps({"corpus": {"sources": chosen}}))
    told = refused("corpus", "out", "--recipe", "recipe.yaml", "--base", places["base"], *TWO)
    assert [f"corpus.sources.{number}: " in told for number in range(5)] == [True, True, True, True, False]
    assert "/path/to/project.git: no such folder; name one of yours" in told


@pytest.mark.parametrize("broken", ["manifest.json", "tokens", "documents"])
def test_a_corpus_that_lacks_a_part_is_refused(refused, places, tmp_path, broken):
    shutil.copytree(places["corpus"], tmp_path / "broken")
    part = tmp_path / "broken" / broken
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.write_text("{")
    told = refused("train", places["hybrid"], "broken", "out", *TWO)
    assert "broken" in told or "rust" in told


def test_resume_says_where_there_is_nothing_to_resume(run, places, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.train.trainer.train_in_held_folder", interrupt)
    outcome = run("train", places["hybrid"], places["corpus"], "out", "--resume", *TWO)
    assert outcome.code == 130
    assert "--resume: out holds nothing to go on from; this is the start" in outcome.out
    (tmp_path / "out" / "checkpoints" / "checkpoint-5").mkdir(parents=True)
    (tmp_path / "out" / "recipe.yaml").write_text(f"{{learn: [rust], keep: [python], base: {places['base']}}}")
    outcome = run("train", places["hybrid"], places["corpus"], "out", "--resume", *TWO)
    assert "nothing to go on" not in outcome.out
