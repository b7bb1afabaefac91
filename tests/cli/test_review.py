"""`review` from end to end, stopped and gone on with, and what it refuses."""

import json
import signal

from multipl_moe.recipe.recipe import load_recipe

from .conftest import SHORT, TWO
from .test_interrupts import assert_interrupted, interrupt, terminate


def test_review_writes_the_model_and_what_changed(run, hybrid, corpus, tmp_path):
    outcome = run("review", hybrid, corpus, "run", *TWO, *SHORT)
    assert outcome.code == 0, outcome.err
    assert "token routers" in outcome.out
    assert "segment routers" in outcome.out
    assert "Routing on held-out files" in outcome.out
    assert "no frozen parameter changed" in outcome.out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    recipe = load_recipe(tmp_path / "run" / "recipe.yaml")
    assert metrics["tokens"] == recipe.review.tokens == 128
    assert recipe.train.tokens == 300_000
    assert {name: row["role"] for name, row in metrics["languages"].items()} == {"rust": "learn", "python": "keep"}
    assert {"bpb_before", "bpb_after", "interval", "shared_share_before", "shared_share_after"} <= set(
        metrics["languages"]["python"]
    )
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        *("model", "training.json", "metrics.json", "metrics.jsonl", "recipe.yaml", "environment.json"),
        "scores_before.json",
    }
    assert "holds a finished run" in run("review", hybrid, corpus, "run", "--resume", *TWO, *SHORT).err


def test_ctrl_c_while_training_and_while_scoring_leave_a_run_to_go_on_with(run, hybrid, corpus, tmp_path, monkeypatch):
    places = [
        "train.review.calibrate_after_review",
        "eval.language_scores.score_languages",
        "eval.run_metrics.review_metrics",
    ]
    for number, place in enumerate(places):
        with monkeypatch.context() as patch:
            patch.setattr(f"multipl_moe.{place}", interrupt)
            outcome = run("review", hybrid, corpus, "run", *(["--resume"] if number else []), *TWO, *SHORT)
        assert_interrupted(outcome)
        assert "--resume" in outcome.err
        assert (tmp_path / "run" / "model").exists() == (number > 0)
        assert not (tmp_path / "run" / "metrics.json").exists()
        assert not list(tmp_path.rglob("*.partial"))
    assert run("review", hybrid, corpus, "run", "--resume", *TWO, *SHORT).code == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_the_run_of_another_stage_is_no_review(run, hybrid, corpus, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.eval.language_scores.score_languages", interrupt)
        run("review", hybrid, corpus, "run", *TWO, *SHORT)
    file = tmp_path / "run" / "training.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"stage": "train"}))
    outcome = run("review", hybrid, corpus, "run", "--resume", *TWO, *SHORT)
    assert outcome.code == 2
    assert "run holds a run of `train`; choose another folder" in outcome.err
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_sigterm_while_scoring_asks_to_be_requeued(run, hybrid, corpus, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.eval.language_scores.score_languages", terminate)
        outcome = run("review", hybrid, corpus, "run", *TWO, *SHORT)
    assert outcome.code == 75
    assert "stopped by SIGTERM; the same command with --resume goes on" in outcome.err
    assert signal.getsignal(signal.SIGTERM) is before
    assert run("review", hybrid, corpus, "run", "--resume", *TWO, *SHORT).code == 0
