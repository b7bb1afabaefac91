"""`eval`: bits per byte, programs from a model, a file or references; what is refused; what is gone on with."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import pytest

from multipl_moe.cli.programs import show_verdict
from multipl_moe.codegen.endpoint import EndpointCompleter
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.verdict import Gate
from tests.fixtures import interrupt
from tests.report.judged import judged

from .conftest import TWO

PROMPT = "def double(n):\n"
RIGHT = {"id": "double", "language": "python", "prompt": PROMPT, "tests": "assert double(2) == 4\n"}
SHORT = ["--max-new-tokens", "4", "--workers", "1"]


@pytest.fixture
def own(tmp_path) -> Path:
    """A set of two problems."""
    file = tmp_path / "mine.jsonl"
    rows = [RIGHT | {"reference": "    return 2 * n\n"}, RIGHT | {"id": "again", "reference": "    return n + n\n"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def made(folder: Path, **completions: str) -> None:
    """Completions by problem, as a file of someone else's."""
    lines = [{"id": name, "completion": text} for name, text in completions.items()]
    (folder / "made.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def outcomes(folder: Path) -> list[str]:
    """Of an evaluation's programs."""
    return [json.loads(line)["outcome"] for line in (folder / "results.jsonl").read_text().splitlines()]


def test_a_model_s_programs_are_judged_and_compared(run, bubblewrap, base, hybrid, own, tmp_path):
    outcome = run("eval", "before", "--model", base, "--benchmark", own, *SHORT, "--seed", "3")
    assert load_recipe(tmp_path / "before" / "recipe.yaml").codegen.seed == 3, "the seed is that of the drawing"
    assert "Programs that pass their tests" in outcome.out
    assert "every program and its outcome: before/problems.html" in outcome.out
    outcome = run("eval", "after", "--model", hybrid, "--benchmark", own, "--against", "before", *SHORT)
    assert "pass@1 before and after" in outcome.out
    assert len((tmp_path / "after" / "samples.jsonl").read_text().splitlines()) == 2
    metrics = read_json(tmp_path / "after" / "metrics.json")
    assert metrics["comparison"]["languages"]["python"]["benchmarks"]["mine"]["tasks"] == 2


def test_a_model_is_asked_by_chat_and_compared_with_one_that_was(run, refused, bubblewrap, base, own, tmp_path):
    asked = ["--model", base, "--benchmark", own, *SHORT]
    run("eval", "plain", *asked)
    assert "has no chat template" in refused("eval", "none", *asked, "--chat")
    chatty = shutil.copytree(base, tmp_path / "chatty")
    (chatty / "chat_template.jinja").write_text("{% for one in messages %}{{ one.content }}{% endfor %}")
    by_chat = ["--model", chatty, *asked[2:], "--chat"]
    run("eval", "chat", *by_chat)
    assert read_json(tmp_path / "chat" / "codegen.json")["model"]["interface"] == "chat"
    plain, chat = ((tmp_path / name / "samples.jsonl").read_text() for name in ("plain", "chat"))
    assert plain != chat
    told = "holds chat, and this would be completions; ask both models the same way"
    assert told in refused("eval", "after", *asked, "--against", "chat")
    run("eval", "after", *by_chat, "--against", "chat")


def test_completions_made_elsewhere_are_judged(run, bubblewrap, own, tmp_path):
    made(tmp_path, double="    return 2 * n\n", again="    return n\n")
    outcome = run("eval", "out", "--completions", "made.jsonl", "--benchmark", own)
    assert "of 2 answers 0 were cut by a stop string, and 0 came out empty" in outcome.out
    assert outcomes(tmp_path / "out") == ["passed", "wrong_answer"]


def test_references_are_checked_and_an_interrupted_check_goes_on(run, refused, bubblewrap, own, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("multipl_moe.eval.programs.judge_samples", interrupt)
        outcome = run("eval", "out", "--reference", "--benchmark", own, code=130)
    assert "the same command with --resume goes on" in outcome.err
    assert "go on with --resume" in refused("eval", "out", "--reference", "--benchmark", own)
    told = refused("eval", "out", "--reference", "--resume")
    assert 'holds a run of another recipe (programs.benchmarks: ["/' in told
    assert 'there, ["starter"] here)' in told
    run("eval", "out", "--reference", "--benchmark", own, "--resume", "--workers", "1")
    assert read_json(tmp_path / "out" / "metrics.json")["flags"] == {}
    assert "holds a finished run" in refused("eval", "out", "--reference", "--benchmark", own, "--resume")


@pytest.mark.extended
def test_killed_while_it_writes_and_started_again_it_gives_the_same_results(bubblewrap, base, own, tmp_path):
    arguments = ["--model", str(base), "--benchmark", str(own), "--max-new-tokens", "60", "--workers", "1"]
    command = [sys.executable, "-m", "multipl_moe", "eval"]
    subprocess.run([*command, "whole", *arguments], cwd=tmp_path, check=True, capture_output=True)
    out = tmp_path / "killed"
    with subprocess.Popen([*command, out.name, *arguments], cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        while not (out / "samples.jsonl").is_file() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    subprocess.run([*command, out.name, *arguments, "--resume"], cwd=tmp_path, check=True, capture_output=True)
    for name in ("samples.jsonl", "results.jsonl"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_a_verdict_says_of_the_gate_is_printed_once(capsys, tmp_path):
    show_verdict(judged(gate=Gate(is_told=True)), tmp_path)
    assert " ".join(capsys.readouterr().out.split()).count("the model's domain gate was told") == 1


def test_bits_per_byte_leave_a_folder_of_their_own(run, base, hybrid, corpus, tmp_path):
    outcome = run("eval", "out", "--metric", "bpb", "--model", hybrid, "--corpus", corpus, "--against", base, *TWO)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"metrics.json", "recipe.yaml", "environment.json"}
    metrics = read_json(tmp_path / "out" / "metrics.json")
    languages = {name: values["role"] for name, values in metrics["languages"].items()}
    assert languages == {"rust": "learn", "python": "keep"}
    assert metrics["sentence"].startswith("Unclear whether anything was learnt: Rust needs 0.0% more bits per byte")
    told = outcome.words
    assert told.index(metrics["sentence"]) < told.index("Bits per byte: how many bits the model needs")


def test_how_far_a_model_moved_is_a_table_and_a_sentence(run, base, hybrid, corpus, tmp_path):
    given = ["--model", hybrid, "--against", base, "--corpus", corpus, *TWO, "--set", "eval.moved_share=0.02"]
    outcome = run("eval", "out", "--metric", "moved", *given)
    assert "kind of text" in outcome.out
    assert "moved by 0.000 nats a token on the base's own answers" in outcome.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"metrics.json", "recipe.yaml", "environment.json"}
    moved = read_json(tmp_path / "out" / "metrics.json")["moved"]
    assert set(moved) >= {"answers", "kept"}
    assert set(moved["answers"]) == {*("nats_per_token", "interval", "changed", "tokens", "texts", "sha256", "parts")}


def test_input_at_fault_leaves_no_folder(refused, bubblewrap, base, own, monkeypatch):
    monkeypatch.setitem(cast(dict, EndpointCompleter.__init__.__kwdefaults__), "max_retries", 0)
    for arguments, message in (
        (["--model", "nothing"], "nothing is neither a folder nor"),
        (["--completions", "none.jsonl"], "none.jsonl"),
        (["--model", base, "--against", "none"], "--against: none holds no results of an evaluation"),
        (["--endpoint", "http://127.0.0.1:9/v1", "--endpoint-model", "m"], "http://127.0.0.1:9/v1"),
    ):
        assert message in refused("eval", "out", *arguments, "--benchmark", own)


def test_too_few_completions_leave_no_folder(refused, run, bubblewrap, own, tmp_path):
    made(tmp_path, double="    return 2 * n\n", again="    return 2 * n\n")
    words = ["eval", "out", "--completions", "made.jsonl", "--benchmark", own]
    assert "pass@5 needs at least 5 samples" in refused(*words, "--pass-at", "5")
    run(*words)


def test_missing_completions_are_told_before_toolchains_are_tried(refused, bubblewrap, own, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.eval.eval_set.preflight", lambda *args, **options: pytest.fail("tried"))
    made(tmp_path, double="    return 2 * n\n")
    message = refused("eval", "out", "--completions", "made.jsonl", "--benchmark", own)
    assert "made.jsonl lacks completions of 1 problems: mine/python/again (0 of 1)" in message


def test_limits_are_the_recipes_and_both_models_have_the_same(run, refused, bubblewrap, own, tmp_path):
    made(tmp_path, **dict.fromkeys(("double", "again"), "    print('x' * 5000)\n    return 2 * n\n"))
    words = ["--completions", "made.jsonl", "--benchmark", own]
    run("eval", "out", *words, "--set", "programs.output_bytes=2000")
    assert set(outcomes(tmp_path / "out")) == {"output_limit"}
    told = refused("eval", "after", *words, "--against", "out")
    assert "ran with output_bytes 2000, these would with the usual limits" in told


def test_without_bubblewrap_programs_are_not_run(refused, monkeypatch):
    monkeypatch.setattr("multipl_judge.judge.sandbox.Sandbox.available", lambda *_: False)
    message = refused("eval", "out", "--model", "any", "--languages", "python")
    assert "apt install bubblewrap" in message
    assert "--unsafe-no-sandbox" in message
