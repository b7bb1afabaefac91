"""Stage 1: what moves, what does not, the same weights again, and a run that is stopped and goes on."""

import json
import shutil
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, TrainerCallback

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus import CorpusManifest
from multipl_moe.corpus.documents import read_documents
from multipl_moe.data.calibration_data import calibration_batches
from multipl_moe.data.training_data import mixture
from multipl_moe.errors import CorpusError, OutputError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.hybrid import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.decontamination import record_of_model
from multipl_moe.train.freezing import frozen_hashes, verify_frozen
from multipl_moe.train.methods import prepare
from multipl_moe.train.result import TrainResult
from multipl_moe.train.settings import compute_dtype, tokens_per_step, training_steps
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle
from tests.train.conftest import Interrupt, Run, Watcher
from tests.train.tiny import World, tensors, tiny_recipe, with_train

_GOLDEN = Path(__file__).with_name("golden_loss_cpu.txt")


def _train(world: World, folder: Path, *callbacks: TrainerCallback, **train) -> TrainResult:
    recipe = with_train(world.recipe, **train)
    return train_model(recipe, world.hybrid, world.corpus, folder, callbacks=callbacks)


def _assert_equal(folder: Path, other: Path) -> None:
    ours, theirs = tensors(folder), tensors(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_loss_falls(run: Run):
    assert len(run.watcher.losses) == 6
    assert run.watcher.losses[-1] < run.watcher.losses[0] - 0.3


@pytest.mark.skipif(torch.cuda.is_available(), reason="the curve is a CPU's")
def test_loss_curve_of_a_fixed_seed_is_the_stored_one(world: World, tmp_path: Path):
    # Experts that are exact copies are told apart by rounding alone, which processors do not share.
    recipe = tiny_recipe(world.base, world.sources, upcycle={"noise": 1.0}, train={"learning_rate": 3e-3})
    upcycle(recipe, tmp_path / "hybrid")
    watcher = Watcher()
    train_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run", callbacks=[watcher])
    expected = [float(line) for line in _GOLDEN.read_text().splitlines() if not line.startswith("#")]
    assert watcher.losses == pytest.approx(expected, abs=1e-4)


def test_result_tells_what_was_done(run: Run, world: World):
    result = run.result
    assert (result.steps, result.tokens) == (12, 12 * 4 * 32)
    assert result.model_folder == run.folder / "model"
    assert result.seconds > 0
    assert result.audit == prepare(load_hybrid(world.hybrid), Recipe())
    assert TrainResult.from_json(json.loads(json.dumps(result.to_json()))) == result


def test_a_trained_model_remembers_what_its_corpus_was_checked_for(run: Run, world: World):
    checks = CorpusManifest.load(world.corpus).decontamination
    assert checks["humaneval"].status == "checked"
    assert record_of_model(run.result.model_folder) == {name: asdict(check) for name, check in checks.items()}


def test_run_leaves_the_model_its_companions_and_the_result_but_no_checkpoints(run: Run, world: World):
    assert {path.name for path in run.folder.iterdir()} == {"model", "training.json"}
    assert json.loads((run.folder / "training.json").read_text()) == run.result.to_json()
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


@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16"])
def test_frozen_weights_of_a_bfloat16_checkpoint_keep_dtype_and_bits(world: World, tmp_path: Path, compute_dtype: str):
    train = {"tokens": 2 * 4 * 32, "compute_dtype": compute_dtype}
    recipe = tiny_recipe(world.base, world.sources, upcycle={"dtype": "bfloat16"}, train=train)
    upcycle(recipe, tmp_path / "hybrid")
    result = train_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run")
    trained = trained_names(load_hybrid(tmp_path / "hybrid"))
    start, end = tensors(tmp_path / "hybrid"), tensors(result.model_folder)
    assert end.keys() == start.keys()
    for name, tensor in end.items():
        is_float32 = name.endswith(FLOAT32_BUFFERS)
        assert tensor.dtype == (torch.float32 if is_float32 else torch.bfloat16), name
        moves = name in trained or (is_float32 and not name.endswith("segment_mean"))
        assert torch.equal(tensor, start[name]) != moves, name
    model = load_hybrid(tmp_path / "hybrid")
    prepare(model, Recipe())
    assert result.frozen_sha256 == verify_frozen(model, {})


def test_nothing_is_kept_for_gradients_below_the_first_hybrid_layer(run: Run):
    training = {index: True in seen for index, seen in run.watcher.needs_gradient.items()}
    assert training == {0: False, 1: True, 2: True}


def test_optimiser_holds_the_trained_parameters_and_no_frozen_one(run: Run, world: World):
    model = load_hybrid(world.hybrid)
    prepare(model, Recipe())
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert run.watcher.optimised == trained
    assert run.watcher.with_state == trained
    assert run.watcher.frozen_gradients == []


def test_two_runs_of_one_seed_end_with_the_same_weights(run: Run, world: World, tmp_path: Path):
    again = _train(world, tmp_path)
    _assert_equal(again.model_folder, run.result.model_folder)
    assert again.frozen_sha256 == run.result.frozen_sha256


def test_another_seed_ends_with_other_weights(run: Run, world: World, tmp_path: Path):
    recipe = world.recipe.model_copy(update={"seed": 4})
    other = train_model(recipe, world.hybrid, world.corpus, tmp_path)
    ours, theirs = tensors(run.result.model_folder), tensors(other.model_folder)
    name = "model.layers.2.mlp.experts.down_proj"
    assert not torch.equal(ours[name], theirs[name])
    assert other.frozen_sha256 == run.result.frozen_sha256


# A batch of one row routes with the stored thresholds, a larger one with those of its other rows.
_SHAPES = {
    "rows": {},
    "one-row": {"tokens": 12 * 32, "batch_sequences": 1},
    "one-row-accumulated": {"tokens": 12 * 3 * 32, "batch_sequences": 1, "accumulation_steps": 3},
    "checkpointing": {"tokens": 12 * 32, "batch_sequences": 1, "gradient_checkpointing": True},
}


@pytest.mark.parametrize(
    ("shape", "step"),
    [("rows", 0), ("rows", 6), ("one-row", 6), ("one-row-accumulated", 5), ("checkpointing", 6)],
)
def test_run_that_is_interrupted_and_goes_on_ends_with_the_same_weights(
    world: World, tmp_path: Path, shape: str, step: int
):
    whole = _train(world, tmp_path / "whole", **_SHAPES[shape])
    broken = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        _train(world, broken, Interrupt(step), **_SHAPES[shape])
    assert (broken / "checkpoints" / f"checkpoint-{step + 1}").is_dir()
    assert not (broken / "model").exists()
    rest = Watcher()
    resumed = _train(world, broken, rest, **_SHAPES[shape])
    assert len(rest.losses) == 6 - (step + 1) // 2
    _assert_equal(resumed.model_folder, whole.model_folder)
    assert resumed.frozen_sha256 == whole.frozen_sha256
    assert (resumed.tokens, resumed.steps) == (whole.tokens, whole.steps)


def test_interrupt_in_the_last_step_loses_nothing(run: Run, world: World, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        _train(world, tmp_path, Interrupt(11))
    resumed = _train(world, tmp_path)
    _assert_equal(resumed.model_folder, run.result.model_folder)


class _Crash(TrainerCallback):
    """The process dies, without a word, after a step."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 8:
            raise RuntimeError("power cut")


def test_killed_run_goes_on_from_the_last_regular_checkpoint(run: Run, world: World, tmp_path: Path):
    with pytest.raises(RuntimeError, match="power cut"):
        _train(world, tmp_path, _Crash())
    assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-5"]
    resumed = _train(world, tmp_path)
    _assert_equal(resumed.model_folder, run.result.model_folder)


@pytest.mark.parametrize("function", ["calibrate_routing", "copy_companions", "write_json"])
def test_run_stopped_after_its_last_step_goes_on_without_training_again(
    run: Run, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
):
    def interrupt(*args, **kwargs) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"multipl_moe.train.trainer.{function}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _train(world, tmp_path)
    rest = Watcher()
    assert _train(world, tmp_path, rest).seconds > 0
    assert rest.losses == []
    _assert_equal(tmp_path / "model", run.result.model_folder)


class _Saves(TrainerCallback):
    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_save(self, args, state, control, **kwargs):
        self.steps.append(state.global_step)


def test_a_run_that_goes_on_saves_as_often_as_its_recipe_says_now(world: World, tmp_path: Path):
    saves = _Saves()
    with pytest.raises(KeyboardInterrupt):
        _train(world, tmp_path, saves, Interrupt(5), save_every_steps=3)
    _train(world, tmp_path, saves, save_every_steps=4)
    assert saves.steps == [3, 6, 8, 12]


def test_folder_that_holds_a_trained_model_is_refused_before_training(world: World, run: Run):
    watcher = Watcher()
    with pytest.raises(OutputError, match="exists; choose another folder"):
        _train(world, run.folder, watcher)
    assert watcher.needs_gradient == {}


def test_handler_of_ctrl_c_is_given_back_also_after_a_failure(world: World, tmp_path: Path):
    before = signal.getsignal(signal.SIGINT)
    _train(world, tmp_path / "whole", tokens=tokens_per_step(world.recipe))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError, match="power cut"):
        _train(world, tmp_path / "failed", _Crash())
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_does_not_go_on_in_another_dtype(world: World, tmp_path: Path):
    with pytest.raises(KeyboardInterrupt):
        _train(world, tmp_path, Interrupt(2))
    (checkpoint,) = (tmp_path / "checkpoints").glob("checkpoint-*")
    run = json.loads((checkpoint / "run.json").read_text())
    other = {"float32": "bfloat16", "bfloat16": "float32"}[run["compute_dtype"]]
    (checkpoint / "run.json").write_text(json.dumps(run | {"compute_dtype": other}))
    with pytest.raises(OutputError, match=f"a run that computed in {other}, but train.compute_dtype means"):
        _train(world, tmp_path)


def test_audit_is_told_before_anything_trains(world: World, tmp_path: Path):
    def stop(audit) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train_model(world.recipe, world.hybrid, world.corpus, tmp_path / "run", on_audit=stop)
    assert not (tmp_path / "run").exists()


# Settings


@pytest.mark.parametrize(
    ("tokens", "steps"), [(1, 1), (128, 1), (191, 1), (193, 2), (1280, 10), (1343, 10), (1345, 11)]
)
def test_steps_are_the_nearest_whole_number_and_at_least_one(world: World, tokens: int, steps: int):
    recipe = with_train(world.recipe, tokens=tokens)
    assert tokens_per_step(recipe) == 128
    assert training_steps(recipe) == steps


def test_accumulation_makes_steps_larger(world: World):
    recipe = with_train(world.recipe, accumulation_steps=3, tokens=3840)
    assert tokens_per_step(recipe) == 384
    assert training_steps(recipe) == 10


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_compute_dtype_is_the_recipes(world: World, name: str, dtype: torch.dtype):
    assert compute_dtype(with_train(world.recipe, compute_dtype=name)) == dtype


@pytest.mark.parametrize(
    ("has_gpu", "gpu_has_it", "cpu_has_it", "dtype"),
    [
        (True, True, False, torch.bfloat16),
        (True, False, True, torch.float32),
        (False, False, True, torch.bfloat16),
        (False, False, False, torch.float32),
    ],
)
def test_auto_is_bfloat16_only_where_the_hardware_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch, has_gpu: bool, gpu_has_it: bool, cpu_has_it: bool, dtype: torch.dtype
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: gpu_has_it)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu_has_it})
    assert compute_dtype(with_train(world.recipe, compute_dtype="auto")) == dtype


def test_bfloat16_compute_changes_the_weights_that_come_out_but_no_frozen_one(run: Run, world: World, tmp_path: Path):
    result = _train(world, tmp_path, compute_dtype="bfloat16", tokens=2 * tokens_per_step(world.recipe))
    assert result.frozen_sha256 == run.result.frozen_sha256
    start, end = tensors(world.hybrid), tensors(result.model_folder)
    assert all(tensor.dtype == torch.float32 for tensor in end.values())
    assert not torch.equal(start["model.layers.1.mlp.experts.down_proj"], end["model.layers.1.mlp.experts.down_proj"])


# Data


def test_language_of_the_weights_that_the_corpus_lacks_is_refused(world: World, tmp_path: Path):
    with pytest.raises(CorpusError, match="ruby has no tokens"):
        _train(world, tmp_path / "run", weights={"rust": 1.0, "ruby": 1.0})
    assert not (tmp_path / "run").exists()


def test_corpus_without_tokens_is_refused(world: World, tmp_path: Path):
    with pytest.raises(CorpusError, match="rust has no tokens"):
        train_model(world.recipe, world.hybrid, tmp_path, tmp_path / "run")


def test_mixture_follows_the_weights_and_defaults_to_the_languages_to_learn(world: World):
    recipe = with_train(world.recipe, weights={"rust": 3.0, "go": 2.0, "python": 1.0})
    assert recipe.mixture_weights == {"rust": 3.0, "go": 2.0, "python": 1.0}
    assert with_train(world.recipe, replay=0.5).mixture_weights == {"rust": 1, "go": 1, "python": 0.5, "english": 0.5}
    assert world.recipe.mixture_weights == {"rust": 1.0, "go": 1.0}
    data = mixture(world.corpus, recipe.mixture_weights, num_sequences=40, sequence_tokens=32, seed=0)
    assert len(data) == 40
    assert data.epochs["rust"] == pytest.approx(3 * data.epochs["python"], rel=0.3)


@pytest.fixture(scope="module")
def tokenizer(world: World) -> Any:
    return load_tokenizer(world.base)


def test_calibration_reads_its_tokens_from_all_languages_alike(world: World, tokenizer):
    batches = list(calibration_batches(world.recipe, world.corpus, tokenizer))
    assert all(set(batch) == {"input_ids", "attention_mask"} for batch in batches)
    rows = [row[mask == 1].tolist() for batch in batches for row, mask in zip(*batch.values(), strict=True)]
    assert len(rows) == 1024 // 32
    for number, language in enumerate(world.recipe.languages):
        texts = [tokenizer(file.text)["input_ids"] for file in read_documents(world.corpus, "train", language)]
        windows = [text[begin : begin + 32] for text in texts for begin in range(0, len(text), 32)]
        assert all(row in windows for row in rows[number::4]), language


@pytest.mark.parametrize("batch_sequences", [1, 3, 64])
def test_calibration_batches_have_at_least_two_rows_of_each_language(world: World, tokenizer, batch_sequences: int):
    recipe = with_train(world.recipe, batch_sequences=batch_sequences, calibration_tokens=1)
    shapes = [batch["input_ids"].shape for batch in calibration_batches(recipe, world.corpus, tokenizer)]
    assert shapes == [(8, 32)]


def test_corpus_of_another_tokenizer_is_refused(world: World, tmp_path: Path):
    other = shutil.copytree(world.corpus, tmp_path / "corpus")
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"tokenizer_sha256": "0" * 64}))
    with pytest.raises(CorpusError, match="build the corpus with the same --base"):
        train_model(world.recipe, world.hybrid, other, tmp_path / "run")


def test_trained_model_loads_through_auto_classes_and_generates(run: Run):
    model: Any = AutoModelForCausalLM.from_pretrained(run.result.model_folder)
    tokens = model.generate(torch.tensor([[5, 6, 7]]), max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert tokens.shape == (1, 7)
