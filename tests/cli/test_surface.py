"""What others rely on: verbs, arguments and flags, and how flags make a recipe; what every verb refuses alike."""

import shlex
import sys

import pytest
import typer

import multipl_moe
from multipl_moe import cli
from multipl_moe.cli.options import entered_run, recipe_from_flags
from multipl_moe.errors import OutputError
from multipl_moe.system.staging import held_folder

from .conftest import TWO

SURFACE = {  # arguments and flags of each verb
    "demo": "--output --tokens --minutes --seed --recipe --set",
    "corpus": "output --source --base --learn --keep --seed --recipe --set",
    "language": "name --output --kind --extensions --source --held-out --unsafe-no-sandbox",
    "inspect": "corpus --output --seed --documents --lines",
    "upcycle": "output --base --preset --layers --corpus --seed --learn --keep --recipe --set",
    "train": "model corpus output --resume --learn --keep --tokens --learning-rate --seed --recipe --set",
    "eval": "output --model --endpoint --endpoint-model --chat --completions --reference --against --metric --corpus "
    "--benchmark --languages --num-samples --temperature --max-new-tokens --pass-at --workers --unsafe-no-sandbox "
    "--resume --learn --keep --seed --recipe --set",
    "judge": "file output --workers --unsafe-no-sandbox --resume --recipe --set",
    "practice": "output --model --endpoint --endpoint-model --chat --tasks --trial --rounds --workers "
    "--unsafe-no-sandbox --learn --seed --recipe --set",
    "doctor": "--languages --unsafe-no-sandbox --plan --model --base --set --memory --device",
    "compare": "output what --tokens --only --keep-models",
    "generate": "model prompt --file --suffix --chat --max-new-tokens --temperature --top-p --stop --seed --language "
    "--show-routing --layer",
    "explore": "model --base --host --port",
    "serve": "model --name --host --port --token --engine --base --engine-url",
    "check": "url --canary --base --token",
    "pack": "model output --rank --metrics",
    "compose": "output --base --pack",
    "export": "models output --dtype --metrics --adapter --switch --base --native --merge --merge-for --corpus "
    "--anyway --full-experts --gguf --quantise --max-shard-size --recipe --set",
}
NAMES = {verb: set(names.split()) for verb, names in SURFACE.items()}
COMMANDS = typer.main.get_command(cli.app).commands  # pyright: ignore[reportAttributeAccessIssue]


def test_verbs_arguments_and_flags_are_frozen():
    found = {
        verb: {name for p in command.params for name in (p.opts if p.param_type_name == "option" else [p.name])}
        for verb, command in COMMANDS.items()
    }
    assert found == NAMES


def test_the_version_and_without_a_verb_the_help_are_printed_and_an_unknown_verb_is_refused(run, refused):
    assert run("--version").out == f"multipl-moe {multipl_moe.__version__}\n"
    outcome = run()
    assert outcome.err == ""
    assert all(verb in outcome.out for verb in SURFACE)
    assert "No such command 'upcicle'" in refused("upcicle", "out")


@pytest.mark.parametrize("verb", SURFACE)
def test_the_help_of_every_verb_has_all_flags_and_an_example_that_can_be_parsed(run, verb):
    outcome = run(verb, "--help")
    assert all(name in outcome.out for name in NAMES[verb] if name.startswith("--"))
    (line,) = [line for line in outcome.out.splitlines() if f"Example: multipl-moe {verb} " in line]
    words = shlex.split(line.partition(f"multipl-moe {verb} ")[2].rstrip(" │"))
    context = COMMANDS[verb].make_context(verb, words)
    assert all(context.params[name] is not None for name in NAMES[verb] if not name.startswith("--"))


def test_a_bad_recipe_is_refused_by_every_verb(refused, tmp_path):
    (tmp_path / "bad.yaml").write_text("lern: [go]\nseed: no\ntrain: {tokens: 0}")
    calls = {
        "demo": ["--output", "out"],
        "corpus": ["out"],
        "upcycle": ["out"],
        "train": ["model", "corpus", "out"],
        "eval": ["out"],
        "judge": ["rows.jsonl", "out"],
        "practice": ["out", "--model", "model"],
        "export": ["model", "out"],
    }
    assert calls.keys() == {verb for verb, names in NAMES.items() if "--recipe" in names}
    for verb, arguments in calls.items():
        problems = refused(verb, *arguments, "--recipe", "bad.yaml", num_problems=3)
        assert "did you mean 'learn'?" in problems
        assert problems.count("bad.yaml: ") == 3


def test_an_existing_output_is_refused_by_every_verb(refused, base, sources, hybrid, corpus, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("precious")
    assert "out exists" in refused("upcycle", "out", "--base", base)
    assert "out exists" in refused("corpus", "out", "--source", sources, "--base", base, *TWO)
    assert "out exists; choose another folder, or go on with --resume" in refused("train", hybrid, corpus, "out")
    assert "out exists" in refused("eval", "out", "--metric", "bpb", "--model", hybrid, "--corpus", corpus)
    assert "out exists; choose another folder, or go on with --resume" in refused("eval", "out", "--model", hybrid)
    assert "out exists" in refused("export", hybrid, "out")
    folder = ["--set", f"corpus.sources=[{{kind: folder, path: {sources}}}]"]
    assert "not a run of the demo" in refused("demo", "--output", "out", "--set", f"base={base}", *folder)


def test_missing_arguments_are_told_with_the_help_to_read(refused):
    for verb in (verb for verb, names in SURFACE.items() if not names.startswith("--")):
        assert f"see `multipl-moe {verb} --help`" in refused(verb)


def test_a_defect_keeps_its_traceback(run, base, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("multipl_moe.upcycle.convert.upcycle", fail)
    monkeypatch.setattr(sys, "argv", ["multipl-moe", "upcycle", "out", "--base", str(base)])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_other_processes_of_a_run_enter_the_folder_that_its_main_process_holds(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with held_folder(tmp_path / "out"):
        for rank in ("1", "0"):
            monkeypatch.setenv("RANK", rank)
            entered = entered_run(tmp_path / "out", False, "training.json", lambda recipe: "")
            if rank == "1":
                with entered:
                    assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
            else:
                with pytest.raises(OutputError, match="out exists"), entered:
                    pytest.fail("entered")


@pytest.mark.parametrize("named", ["train={tokens: 2048}", "train.tokens=2048"])
def test_of_settings_for_the_same_key_the_last_wins(named):
    flags, defaults = {"train.tokens": 1024}, {"train.tokens": 512, "train.learning_rate": 0.25}
    for settings, tokens in (
        ([named], 2048),
        ([named, "train.tokens=4096"], 4096),
        (["train.tokens=4096", named], 2048),
    ):
        train = recipe_from_flags(None, settings, flags, defaults).train
        assert (train.tokens, train.learning_rate) == (tokens, 0.25)
