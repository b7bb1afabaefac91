"""A training run: what moves, what does not, the same weights again, and a run that is stopped and goes on."""

import sys
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.cli.app import main
from multipl_moe.corpus import CorpusManifest
from multipl_moe.errors import HeldError, OutputError
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.decontamination import record_of_model
from multipl_moe.system.staging import held_folder
from multipl_moe.train.freezing import frozen_hashes, verify_frozen
from multipl_moe.train.methods import prepare
from multipl_moe.train.result import TrainResult
from multipl_moe.train.trainer import train_model
from tests.conftest import VOCABULARY, random_tokens
from tests.fixtures import interrupt
from tests.train.conftest import RUN_FILES, Interrupt, PowerCut, Run, Watcher, changed, train
from tests.train.tiny import World, gated_hybrid, made_hybrid, tensors, with_train

_GOLDEN = Path(__file__).with_name("golden_loss_cpu.txt")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the curve is a CPU's")
@pytest.mark.parametrize("kind", ["gated", "routed"])
def test_loss_curve_of_a_fixed_seed_is_the_stored_one(world: World, tmp_path: Path, kind: str):
    if kind == "gated":
        recipe = gated_hybrid(world, tmp_path / "hybrid", {}).with_settings("train", learning_rate=3e-3)
    else:  # experts that are exact copies are told apart by rounding alone, which processors do not share
        recipe = made_hybrid(world, tmp_path / "hybrid", upcycle={"noise": 1.0}, train={"learning_rate": 3e-3})
    watcher = Watcher()
    train_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run", callbacks=[watcher])
    lines = [line.split() for line in _GOLDEN.read_text().splitlines() if not line.startswith("#")]
    expected = [float(one if kind == "gated" else other) for one, other in lines]
    of_two_steps = [fmean(watcher.losses[:2]), *watcher.losses[2:]]
    assert of_two_steps == pytest.approx(expected, abs=1e-4)


def test_result_tells_what_was_done(run: Run, world: World):
    result = run.result
    assert (result.steps, result.tokens) == (12, 12 * 4 * 32)
    assert result.model_folder == run.folder / "model"
    assert result.seconds > 0
    assert result.audit == prepare(load_hybrid(world.hybrid), Recipe())
    assert result.corpus == str(world.corpus.resolve())
    assert result.licences["rust"] == CorpusManifest.load(world.corpus).languages["rust"].licences
    assert TrainResult.read(run.folder / "training.json") == result
    checks = CorpusManifest.load(world.corpus).decontamination
    assert checks["humaneval"].status == "checked"
    assert record_of_model(run.result.model_folder) == {name: asdict(check) for name, check in checks.items()}


def test_run_leaves_the_model_its_companions_and_the_result_but_no_checkpoints(run: Run, world: World):
    assert {path.name for path in run.folder.iterdir()} == RUN_FILES | {"metrics.jsonl"}
    names = {path.name for path in (run.folder / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "upcycle.json"} <= names
    tokenizer = "tokenizer.json"
    assert (run.folder / "model" / tokenizer).read_bytes() == (world.base / tokenizer).read_bytes()


def test_frozen_weights_are_bit_for_bit_the_hybrids_and_the_bases(run: Run, world: World):
    model = load_hybrid(run.result.model_folder)
    prepare(model, Recipe())
    frozen = set(frozen_hashes(model))
    start, end, base = (tensors(folder) for folder in (world.hybrid, run.result.model_folder, world.base))
    assert {name.replace(".shared_expert.", ".") for name in frozen} == set(base)
    for name in frozen:
        assert torch.equal(end[name].view(torch.uint8), start[name].view(torch.uint8)), name
        assert torch.equal(end[name].view(torch.uint8), base[name.replace(".shared_expert.", ".")].view(torch.uint8))
    trained = {name for name in set(end) - frozen if not name.endswith("segment_mean")}
    assert {name for name in trained if torch.equal(end[name], start[name])} == set()


def test_frozen_weights_of_a_bfloat16_checkpoint_keep_dtype_and_bits(world: World, tmp_path: Path):
    recipe = made_hybrid(world, tmp_path / "hybrid", upcycle={"dtype": "bfloat16"}, train={"tokens": 2 * 4 * 32})
    model, start = load_hybrid(tmp_path / "hybrid"), tensors(tmp_path / "hybrid")
    trained = trained_names(model)
    prepare(model, recipe)
    for compute_dtype in ("float32", "bfloat16"):
        output = tmp_path / compute_dtype
        computing = with_train(recipe, compute_dtype=compute_dtype)
        result = train_model(computing, tmp_path / "hybrid", world.corpus, output)
        end = tensors(result.model_folder)
        assert end.keys() == start.keys()
        for name, tensor in end.items():
            is_float32 = name.endswith(FLOAT32_BUFFERS)
            assert tensor.dtype == (torch.float32 if is_float32 else torch.bfloat16), name
            moves = name in trained or (is_float32 and not name.endswith("segment_mean"))
            assert torch.equal(tensor, start[name]) != moves, name
        assert result.frozen_sha256 == verify_frozen(model, {})


def test_of_low_rank_experts_factors_and_routers_alone_move_and_can_be_written_out_in_full(world, tmp_path: Path):
    recipe, watcher = made_hybrid(world, tmp_path / "hybrid", moe={"type": "lora", "rank": 4}), Watcher()
    result = train_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run", callbacks=[watcher])
    assert watcher.losses[-1] < watcher.losses[0] - 0.1

    model = load_hybrid(result.model_folder)
    trained = trained_names(model)
    moved = changed(tmp_path / "hybrid", result.model_folder)
    assert {name for name in moved if not name.endswith(FLOAT32_BUFFERS)} == trained
    assert watcher.optimised == watcher.with_state == trained
    assert watcher.frozen_gradients == []
    assert result.audit == prepare(model, recipe)
    assert result.audit.num_trained == sum(model.get_parameter(name).numel() for name in trained)
    assert result.frozen_sha256 == verify_frozen(model, {})

    export_model(result.model_folder, tmp_path / "full", ExportSettings(full_experts=True))
    assert ExpertUse.load(tmp_path / "full") == ExpertUse.load(result.model_folder)
    tokens = random_tokens(2, 40) % VOCABULARY
    with torch.no_grad():
        logits = [load_hybrid(f).eval()(input_ids=tokens).logits for f in (result.model_folder, tmp_path / "full")]
    torch.testing.assert_close(logits[1], logits[0], rtol=0, atol=1e-4)


def test_gradients_and_moments_are_of_trained_parameters_and_none_below_the_first_hybrid_layer(run: Run, world: World):
    training = {index: True in seen for index, seen in run.watcher.needs_gradient.items()}
    assert training == {0: False, 1: True, 2: True}
    trained = trained_names(load_hybrid(world.hybrid))
    assert run.watcher.optimised == run.watcher.with_state == trained
    assert run.watcher.frozen_gradients == []


def test_a_folder_that_another_process_is_at_is_left_alone(world: World, tmp_path: Path):
    with held_folder(tmp_path / "run"):
        with pytest.raises(HeldError, match="run is being made by another process"):
            train_model(world.recipe, world.hybrid, world.corpus, tmp_path / "run")
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


# A batch of one row routes with the stored thresholds, a larger one with those of its other rows.
_SHAPES: dict[str, dict[str, Any]] = {
    "one row": {"tokens": 6 * 2 * 32, "batch_sequences": 1, "accumulation_steps": 2, "gradient_checkpointing": True},
    "lora": {"tokens": 6 * 4 * 32, "method": "lora"},
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_run_that_is_interrupted_and_goes_on_ends_with_the_same_weights(world: World, tmp_path: Path, shape: str):
    whole, broken = train(world, tmp_path / "whole", **_SHAPES[shape]), tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(world, broken, Interrupt(2), **_SHAPES[shape])
    assert (broken / "checkpoints" / "checkpoint-3").is_dir()
    assert not (broken / "model").exists()
    rest = Watcher()
    resumed = train(world, broken, rest, **_SHAPES[shape])
    assert len(rest.losses) == 2
    assert changed(resumed.model_folder, whole.model_folder) == set()
    assert resumed.frozen_sha256 == whole.frozen_sha256
    assert (resumed.tokens, resumed.steps) == (whole.tokens, whole.steps)


def test_a_run_that_goes_on_saves_as_often_as_its_recipe_says_now_and_ends_the_same(run: Run, world, tmp_path: Path):
    watcher = Watcher()
    with pytest.raises(KeyboardInterrupt):
        train(world, tmp_path, watcher, Interrupt(5), save_every_steps=3)
    resumed = train(world, tmp_path, watcher, save_every_steps=4)
    assert watcher.saves == [3, 6, 8, 12]
    assert changed(resumed.model_folder, run.result.model_folder) == set()


def test_training_on_answers_goes_on_to_the_same_weights(with_answers: World, tmp_path: Path):
    values = {"tokens": 6 * 4 * 32, "answers": 0.5, "eval_every_steps": 3, "eval_tokens": 640, "save_every_steps": 3}
    whole = train(with_answers, tmp_path / "whole", **values)
    read = whole.data["languages"]
    assert [*read] == ["rust", "rust.answers", "go"]
    assert whole.licences.keys() == read.keys()
    with pytest.raises(RuntimeError, match="power cut"):
        train(with_answers, tmp_path / "broken", PowerCut(4), **values)
    resumed = train(with_answers, tmp_path / "broken", **values)
    assert changed(resumed.model_folder, whole.model_folder) == set()
    assert (resumed.data, resumed.frozen_sha256) == (whole.data, whole.frozen_sha256)


def test_a_run_from_python_goes_on_from_the_command_line(run: Run, world: World, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train(world, tmp_path / "run", Interrupt(3))
    recipe = str(tmp_path / "run" / "recipe.yaml")
    folders = [str(folder) for folder in (world.hybrid, world.corpus, tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", ["multipl-moe", "train", *folders, "--recipe", recipe, "--resume"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert changed(tmp_path / "run" / "model", run.result.model_folder) == set()


def test_run_stopped_again_and_again_after_its_last_step_trains_no_more(run, world, tmp_path, monkeypatch):
    for place in ("calibrate_routing", "copy_companions", "TrainResult.write"):
        watcher = Watcher()
        with monkeypatch.context() as patch:
            patch.setattr(f"multipl_moe.train.trainer.{place}", interrupt)
            with pytest.raises(KeyboardInterrupt):
                train(world, tmp_path, watcher)
        assert (watcher.losses == []) == (place != "calibrate_routing")
    rest = Watcher()
    assert train(world, tmp_path, rest).seconds > 0
    assert rest.losses == []
    assert changed(tmp_path / "model", run.result.model_folder) == set()


def test_folder_that_holds_a_trained_model_is_refused_before_training(world: World, run: Run):
    watcher = Watcher()
    with pytest.raises(OutputError, match="exists; choose another folder"):
        train(world, run.folder, watcher)
    assert watcher.needs_gradient == {}


def test_audit_is_told_before_anything_trains(world: World, tmp_path: Path):
    def stop(audit) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train_model(world.recipe, world.hybrid, world.corpus, tmp_path / "run", on_audit=stop)
    assert not (tmp_path / "run").exists()
