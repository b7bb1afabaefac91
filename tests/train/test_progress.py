"""metrics.jsonl and the bar: keys, values, and what a resumed run keeps."""

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.runs.journal import read_journal
from multipl_moe.train.progress import TrainingProgress
from tests.train.conftest import PowerCut, Run, train_told
from tests.train.tiny import World

_KEYS = {"step", "tokens", "loss", "losses", "learning_rate", "grad_norm", "tokens_per_s", "routers"}
_ROUTER_KEYS = {
    "token_load",
    "token_entropy",
    "shared_share",
    "dead_token_experts",
    "segment_load",
    "segment_entropy",
    "dead_segment_experts",
    "threshold",
}


def test_keys_of_a_line_are_frozen(run: Run):
    assert all(set(line) == _KEYS for line in run.lines)
    assert all(set(layer) == _ROUTER_KEYS for line in run.lines for layer in line["routers"].values())


def test_lines_have_the_values_of_the_run_after_the_first_step_and_every_so_many_steps(run: Run):
    steps = (1, 2, 4, 6, 8, 10, 12)
    assert [(line["step"], line["tokens"]) for line in run.lines] == [(step, 128 * step) for step in steps]
    assert [line["loss"] for line in run.lines] == run.watcher.losses
    assert all(line["tokens_per_s"] > 0 and line["grad_norm"] > 0 for line in run.lines)
    assert run.lines[1]["learning_rate"] > run.lines[-1]["learning_rate"] >= 0
    for line in run.lines:
        assert list(line["routers"]) == ["1", "2"]
        for layer in line["routers"].values():
            assert len(layer["token_load"]) == 4
            assert layer["token_load"][-1] == 1
            assert sum(layer["token_load"]) == pytest.approx(2)
            assert len(layer["segment_load"]) == 3


def test_statistics_start_anew_with_each_line(world: World, tmp_path: Path, run: Run):
    every_step = train_told(world, tmp_path / "run", log_every_steps=1)
    for line in run.lines[2:]:
        pair = every_step[line["step"] - 2 : line["step"]]
        expected = sum(one["routers"]["1"]["token_load"][0] for one in pair) / 2
        assert line["routers"]["1"]["token_load"][0] == pytest.approx(expected)
        assert line["loss"] == pytest.approx(sum(one["loss"] for one in pair) / 2, abs=1e-4)


def test_bar_shows_loss_speed_and_router_health(run: Run):
    for told in ("12/12", f"loss {run.lines[-1]['loss']:.3f}", "tokens/s", "token load", "segment load"):
        assert told in run.shown


@pytest.mark.extended
def test_resumed_run_drops_the_lines_after_its_checkpoint_and_adds_its_own(world: World, tmp_path: Path, run: Run):
    folder = tmp_path / "run"
    with pytest.raises(RuntimeError, match="power cut"):
        train_told(world, folder, PowerCut(9))
    assert [line["step"] for line in read_journal(folder / "metrics.jsonl")] == [1, 2, 4, 6, 8]  # saved at 5
    marked = [line | {"loss": 99.0} for line in read_journal(folder / "metrics.jsonl")]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in marked))
    (folder / "held_out.jsonl").write_text('{"step": 5, "loss": 1.0}\n{"step": 6, "loss": 1.0}\n')
    resumed = train_told(world, folder)
    assert (folder / "held_out.jsonl").read_text() == '{"step": 5, "loss": 1.0}\n'
    assert [line["step"] for line in resumed] == [1, 2, 4, 6, 8, 10, 12]
    assert [line["loss"] == 99.0 for line in resumed] == [True, True, True, False, False, False, False]
    assert [line["loss"] for line in resumed[4:]] == [line["loss"] for line in run.lines[4:]]


def test_a_run_from_the_beginning_drops_all_old_lines_and_ends_with_one_however_short_it_is(world, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 99.0}\n')
    lines = train_told(world, tmp_path, tokens=2 * 128, log_every_steps=5)
    assert [line["step"] for line in lines] == [1, 2]
    assert lines[0]["loss"] != 99.0


def test_bar_and_observers_are_taken_away_when_training_ends(world: World, tmp_path: Path):
    state: Any = SimpleNamespace(max_steps=3, global_step=0)
    model, console = load_hybrid(world.hybrid), Console(file=io.StringIO(), force_terminal=True)
    progress: Any = TrainingProgress(tmp_path, 1, console)
    progress.on_train_begin(None, state, None, model=model)
    assert all(layer.observer is not None for layer in model.hybrid_layers.values())
    progress.on_log(None, state, None, {"loss": 1.0, "learning_rate": 0.1})
    progress.on_train_end(None, state, None)
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
    assert not progress._progress.live.is_started


def test_logs_without_a_loss_write_no_line(tmp_path: Path):
    progress = TrainingProgress(tmp_path, 1, Console(quiet=True))
    progress.on_log(None, None, None, {"train_runtime": 3.0})
    progress.on_log(None, None, None, None)
    assert not (tmp_path / "metrics.jsonl").exists()
