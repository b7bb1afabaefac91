"""The command line: frozen verbs and flags, one line for bad input, nothing left by a failure or Ctrl-C."""

import json
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import typer
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

import multipl_moe
from multipl_moe import cli
from multipl_moe.corpus import CorpusManifest
from multipl_moe.recipe import load_recipe
from multipl_moe.staging import shutil as staging_shutil
from multipl_moe.upcycle import checkpoint

from .conftest import randomise, tiny_base_config
from .corpus.conftest import write_files
from .fixtures import NUM_TOKENS, save_tokenizer, tree

RECIPE = {"--recipe", "--set"}
FLAGS = {
    "demo": (set(), {"--output", "--minutes", "--exact", "--seed"} | RECIPE),
    "corpus": ({"output"}, {"--source", "--base", "--learn", "--keep", "--seed"} | RECIPE),
    "upcycle": ({"output"}, {"--base", "--preset", "--layers", "--seed"} | RECIPE),
    "train": (
        {"model", "corpus", "output"},
        {"--resume", "--learn", "--keep", "--tokens", "--learning-rate", "--seed"} | RECIPE,
    ),
    "eval": ({"model", "corpus", "output"}, {"--against", "--metric", "--learn", "--keep", "--seed"} | RECIPE),
    "serve": ({"model"}, {"--name", "--host", "--port", "--token"}),
    "export": (
        {"model", "output"},
        {"--dtype", "--metrics", "--merge", "--corpus", "--gguf", "--max-shard-size"} | RECIPE,
    ),
}

SMALL = ["--set", "moe.num_token_experts=3", "--set", "moe.num_segment_experts=2"]
SMALL += ["--set", "moe.segment_window=8", "--set", "moe.segment_stride=4"]
SHORT = ["--set", "train.sequence_tokens=32", "--set", "train.batch_sequences=2", "--tokens", "128"]
SHORT += ["--set", "train.calibration_tokens=128", "--set", "train.compute_dtype=float32"]
TWO = ["--learn", "rust", "--keep", "python"]


class Outcome(SimpleNamespace):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["multipl-moe", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            cli.main()
        printed = capsys.readouterr()
        return Outcome(code=caught.value.code or 0, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def refused(run, tmp_path):
    """Runs what must be refused: exit code 2, one line per problem, no traceback, nothing written."""

    def refused(*arguments: str | Path, num_problems: int = 1) -> str:
        before = tree(tmp_path)
        outcome = run(*arguments)
        lines = outcome.err.splitlines()
        assert outcome.code == 2, outcome
        assert len(lines) == num_problems, outcome.err
        assert all(line.startswith("error: ") for line in lines), outcome.err
        assert "Traceback" not in outcome.out + outcome.err
        assert tree(tmp_path) == before
        return outcome.err

    return refused


@pytest.fixture(scope="session")
def base(tmp_path_factory) -> Path:
    """A tiny random base with a tokenizer."""
    folder = tmp_path_factory.mktemp("cli") / "base"
    model = AutoModelForCausalLM.from_config(tiny_base_config(vocab_size=NUM_TOKENS))
    randomise(model)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "sources"
    write_files(folder, ".rs", 5)
    write_files(folder, ".py", 5, first_seed=50)
    return folder


@pytest.fixture(scope="session")
def hybrid(base) -> Path:
    from multipl_moe.upcycle.convert import upcycle

    moe = {"num_token_experts": 3, "num_segment_experts": 2, "segment_window": 8, "segment_stride": 4}
    recipe = load_recipe(overrides={"base": str(base), **{f"moe.{key}": value for key, value in moe.items()}})
    return upcycle(recipe, base.parent / "hybrid").output


@pytest.fixture(scope="session")
def corpus(base, sources) -> Path:
    from multipl_moe.corpus import build_corpus

    values = {"learn": ["rust"], "keep": ["python"], "corpus.sources": [{"kind": "folder", "path": str(sources)}]}
    build_corpus(load_recipe(overrides=values), base, base.parent / "corpus")
    return base.parent / "corpus"


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


# --- what others rely on


def test_verbs_arguments_and_flags_are_frozen():
    commands = typer.main.get_command(cli.app).commands  # pyright: ignore[reportAttributeAccessIssue]
    found = {}
    for verb, command in commands.items():
        options = {option for p in command.params if p.param_type_name == "option" for option in p.opts}
        arguments = {p.name for p in command.params if p.param_type_name == "argument"}
        found[verb] = (arguments, options)
    assert found == FLAGS


def test_the_version_is_printed(run):
    outcome = run("--version")
    assert (outcome.code, outcome.out) == (0, f"multipl-moe {multipl_moe.__version__}\n")


def test_without_a_verb_the_help_is_printed(run):
    outcome = run()
    assert outcome.code == 0
    assert all(verb in outcome.out for verb in FLAGS)
    assert outcome.err == ""


@pytest.mark.parametrize("verb", FLAGS)
def test_the_help_of_every_verb_has_an_example_and_all_flags(run, verb):
    outcome = run(verb, "--help")
    assert outcome.code == 0
    assert f"Example: multipl-moe {verb} " in outcome.out
    assert all(flag in outcome.out for flag in FLAGS[verb][1])


@pytest.mark.parametrize("verb", FLAGS)
def test_the_example_of_every_verb_uses_only_its_flags_and_arguments(run, verb):
    (line,) = [line for line in run(verb, "--help").out.splitlines() if "Example: " in line]
    words = line.partition(f"multipl-moe {verb} ")[2].replace("│", "").split()
    arguments, flags = FLAGS[verb]
    used = {word for word in words if word.startswith("--")}
    assert used <= flags
    assert len(words) == len(arguments) + 2 * len(used)


# --- the whole way


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
    assert (recipe.seed, recipe.moe.layers, model.config.moe["segment_window"]) == (3, [0, 2], 8)


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
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_train_and_eval_go_on_from_there(run, base, hybrid, corpus, tmp_path):
    outcome = run("train", hybrid, corpus, "run", *TWO, *SHORT)
    assert outcome.code == 0, outcome.err
    assert "no frozen parameter changed" in outcome.out
    assert load_recipe(tmp_path / "run" / "recipe.yaml").train.tokens == 128
    assert json.loads((tmp_path / "run" / "training.json").read_text())["tokens"] == 128
    assert (tmp_path / "run" / "environment.json").is_file()
    outcome = run("eval", tmp_path / "run" / "model", corpus, "deep/bpb.json", "--against", base, *TWO)
    assert outcome.code == 0, outcome.err
    languages = json.loads((tmp_path / "deep" / "bpb.json").read_text())["languages"]
    assert {name: values["role"] for name, values in languages.items()} == {"rust": "learn", "python": "keep"}


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


# --- bad input


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


@pytest.mark.parametrize(
    ("content", "message", "num_problems"),
    [
        ("a: [1", "not valid YAML", 1),
        ("- seed", "a recipe is a mapping of keys to values, not a list", 1),
        ("lern: [go]\nseed: no\ntrain: {tokens: 0}", "did you mean 'learn'?", 3),
    ],
)
def test_a_bad_recipe_is_refused_by_every_verb(refused, tmp_path, content, message, num_problems):
    (tmp_path / "bad.yaml").write_text(content)
    calls = {
        "demo": ["--output", "out"],
        "corpus": ["out"],
        "upcycle": ["out"],
        "train": ["model", "corpus", "out"],
        "eval": ["model", "corpus", "out"],
        "export": ["model", "out"],
    }
    assert calls.keys() == FLAGS.keys()
    for verb, arguments in calls.items():
        problems = refused(verb, *arguments, "--recipe", "bad.yaml", num_problems=num_problems)
        assert message in problems
        assert problems.count("bad.yaml: ") == num_problems


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def truncate(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-10])


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
    staging_shutil.copytree(base, tmp_path / "base")
    damage(tmp_path / "base")
    assert message in refused("upcycle", "out", "--base", tmp_path / "base")


def test_an_existing_output_is_refused_by_every_verb(refused, base, sources, hybrid, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    assert "out exists" in refused("upcycle", "out", "--base", base)
    assert "out exists" in refused("corpus", "out", "--source", sources, "--base", base, *TWO)
    assert "out exists; choose another folder, or go on with --resume" in refused("train", hybrid, corpus, "out")
    assert "out exists" in refused("eval", hybrid, corpus, "out")
    assert "out exists" in refused("export", hybrid, "out")
    folder = ["--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]"]
    assert "no run of the demo" in refused("demo", "--output", "out", "--set", f"base={base}", *folder)


def test_a_disk_that_is_too_small_is_refused(refused, base, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(staging_shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10_000_000))
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
    staging_shutil.copytree(base, tmp_path / "base")
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


def test_train_refuses_to_go_on_from_a_finished_run(refused, hybrid, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "training.json").write_text("{}")
    assert "holds a finished run" in refused("train", hybrid, corpus, "out", "--resume", *TWO)


def test_eval_refuses_what_it_cannot_measure(refused, hybrid, corpus, tmp_path):
    assert "--metric: 'best' is not known; use bpb" in refused("eval", hybrid, corpus, "out", "--metric", "best")
    refused("eval", "none", "nothing", "out", num_problems=2)
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("eval", "empty", corpus, "out", *TWO)
    assert "empty" in refused("eval", hybrid, "empty", "out", *TWO)
    assert "go" in refused("eval", hybrid, corpus, "out", "--learn", "go", "--keep", "python")
    assert "nonsense is neither" in refused("eval", hybrid, corpus, "out", "--against", "nonsense", *TWO)


def test_demo_refuses_bad_arguments(refused, sources):
    folder = ["--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]"]
    assert "'--minutes'" in refused("demo", "--minutes", "0")
    assert "nonsense is neither" in refused("demo", "--set", "base=nonsense", *folder)
    assert "unknown key" in refused("demo", "--set", "tokens=3")


@pytest.mark.parametrize("verb", ["corpus", "upcycle", "train", "eval"])
def test_missing_arguments_are_told_with_the_help_to_read(refused, verb):
    assert f"see `multipl-moe {verb} --help`" in refused(verb)


def test_an_unknown_verb_is_refused(refused):
    assert "No such command 'upcicle'" in refused("upcicle", "out")


def test_a_defect_keeps_its_traceback(run, base, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(checkpoint, "_write_shard", fail)
    monkeypatch.setattr(sys, "argv", ["multipl-moe", "upcycle", "out", "--base", str(base)])
    with pytest.raises(ZeroDivisionError):
        cli.main()


# --- Ctrl-C


def assert_interrupted(outcome: Outcome) -> None:
    assert outcome.code == 130
    assert "interrupted" in outcome.err
    assert "Traceback" not in outcome.out + outcome.err


def test_ctrl_c_in_upcycle_leaves_nothing(run, base, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.upcycle.plan.UpcyclePlan._expert_part", interrupt)
    assert_interrupted(run("upcycle", "out", "--base", base))
    assert tree(tmp_path) == {}


def test_ctrl_c_in_corpus_leaves_nothing(run, base, sources, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.corpus.split.SplitByFile._is_held_out", interrupt)
    assert_interrupted(run("corpus", "out", "--source", sources, "--base", base, *TWO))
    assert tree(tmp_path) == {}


def test_ctrl_c_before_training_leaves_nothing(run, hybrid, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.train.trainer.load_hybrid", interrupt)
    assert_interrupted(run("train", hybrid, corpus, "out", *TWO, *SHORT))
    assert tree(tmp_path) == {}


def test_ctrl_c_while_training_leaves_a_run_to_go_on_with(run, hybrid, corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.train.trainer.calibrate_thresholds", interrupt)
        assert_interrupted(run("train", hybrid, corpus, "out", *TWO, *SHORT))
    assert not (tmp_path / "out" / "model").exists()
    assert not (tmp_path / "out" / "training.json").exists()
    assert not list(tmp_path.rglob("*.partial"))
    assert load_recipe(tmp_path / "out" / "recipe.yaml").train.tokens == 128
    assert run("train", hybrid, corpus, "out", "--resume", *TWO, *SHORT).code == 0
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


def test_ctrl_c_in_eval_leaves_nothing(run, hybrid, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.eval.compare.score_languages", interrupt)
    assert_interrupted(run("eval", hybrid, corpus, "deep/out.json", *TWO))
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("step", ["_score_base", "_train"])
def test_ctrl_c_in_demo_leaves_only_whole_steps(run, base, sources, tmp_path, monkeypatch, step):
    folder = ["--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]", "--set", f"base={base}", "--exact"]
    layers = ["--set", "moe.layers=last:1", "--set", "learn=[rust]", "--set", "keep=[python]"]
    monkeypatch.setattr(f"multipl_moe.demo.Demo.{step}", interrupt)
    assert_interrupted(run("demo", "--output", "out", *folder, *layers))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    whole = {"recipe.yaml", "environment.json", "corpus", "hybrid"}
    assert names == (whole if step == "_score_base" else whole | {"scores_before.json", "budget.json"})
    assert CorpusManifest.load(tmp_path / "out" / "corpus").languages.keys() == {"rust", "python"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "int8"], "--dtype: 'int8' is not one of float32, bfloat16, float16"),
        (["--metrics", "none.json"], "--metrics: none.json is not a file"),
        (["--merge"], "--merge: needs --corpus FOLDER"),
        (["--corpus", "."], "--corpus: only --merge measures on it"),
        (["--merge", "--corpus", "nothing"], "corpus: nothing is not a folder"),
        (["--gguf"], "--gguf: no program reads a hybrid as GGUF; merge it as well: --merge --corpus FOLDER"),
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
    assert "empty/config.json cannot be used" in refused("export", "empty", "out")
    assert "--merge: the model is no hybrid (llama)" in refused("export", base, "out", "--merge", "--corpus", corpus)
    assert "has no expert_use.json" in refused("export", hybrid, "out", "--merge", "--corpus", corpus)
    staging_shutil.copytree(hybrid, tmp_path / "broken")
    truncate(tmp_path / "broken")
    assert "model: broken/model.safetensors cannot be read" in refused("export", "broken", "out")
    (tmp_path / "wrong.json").write_text("[]")
    assert "wrong.json holds no record" in refused("export", hybrid, "out", "--metrics", "wrong.json")
