"""Stage 2: only routers move, languages to keep go to the frozen expert, and a stopped run goes on exactly."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import TrainerCallback

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.data.calibration_data import calibration_batches
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.language_scores import score_folder
from multipl_moe.eval.run_metrics import segment_experts, shared_share
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.selection import quantile_threshold
from multipl_moe.model.statistics import observe_routing
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.result import TrainResult
from multipl_moe.train.review import calibrate_after_review, review_model, review_stage, router_names
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import random_tokens, tiny_hybrid
from tests.train.conftest import RUN_FILES, Interrupt, Run, Watcher, changed
from tests.train.tiny import World, tensors, tiny_recipe, with_train

pytestmark = pytest.mark.extended  # tests/cli/test_review.py has what always runs

_SHORT = 6 * 4 * 32


def _recipe(world: World, train: dict[str, Any] | None = None, **review: Any) -> Recipe:
    recipe = with_train(world.recipe, **(train or {}))
    values = {"tokens": 12 * 4 * 32, "learning_rate": 1e-2} | review
    return recipe.model_copy(update={"review": recipe.review.model_copy(update=values)})


def _long(world: World, **review: Any) -> Recipe:
    """Long enough for routers to tell languages apart."""
    return _recipe(world, **({"tokens": 60 * 4 * 32, "learning_rate": 3e-2, "coefficient": 0.2} | review))


@pytest.fixture(scope="module")
def reviewed(world: World, run: Run, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    recipe = _long(world)
    return review_model(recipe, run.result.model_folder, world.corpus, tmp_path_factory.mktemp("review"))


def test_the_record_of_stage_1_is_kept_beside_the_reviewed_model(run: Run, reviewed: TrainResult):
    kept = json.loads((reviewed.model_folder / "stage1.json").read_text())
    assert kept["training"]["frozen_sha256"] == run.result.frozen_sha256
    assert kept["training"]["stage"] == "train"


def _names(*parts: str) -> set[str]:
    return {f"model.layers.{layer}.mlp.{part}" for layer in (1, 2) for part in parts}


def test_only_the_routers_and_the_thresholds_move(run: Run, reviewed: TrainResult):
    moved = changed(run.result.model_folder, reviewed.model_folder)
    assert moved == _names("token_router.weight", "token_bias", "segment_router.weight", "segment_threshold")
    assert reviewed.audit.trained == {"token routers": 2 * 4 * 32, "segment routers": 2 * 3 * 32}


def test_the_run_leaves_the_model_and_its_record_but_no_checkpoints(reviewed: TrainResult, world: World):
    folder = reviewed.model_folder.parent
    assert {path.name for path in folder.iterdir()} == RUN_FILES
    assert json.loads((folder / "training.json").read_text()) == reviewed.to_json()
    assert (reviewed.steps, reviewed.tokens) == (60, 60 * 4 * 32)
    names = {path.name for path in (folder / "model").iterdir()}
    assert {"config.json", "tokenizer.json", "upcycle.json", "expert_use.json"} <= names
    with pytest.raises(OutputError, match="exists; choose another folder"):
        review_model(_recipe(world), world.hybrid, world.corpus, folder)


def test_languages_to_keep_go_to_the_frozen_expert_and_leave_the_segment_experts(
    world: World, run: Run, reviewed: TrainResult
):
    before, after = (
        score_folder(world.recipe, folder, world.corpus).routing
        for folder in (run.result.model_folder, reviewed.model_folder)
    )
    gain = {name: _share(after[name]) - _share(before[name]) for name in world.recipe.languages}
    assert min(gain[name] for name in world.recipe.keep) > 0.2
    assert min(gain[name] for name in world.recipe.keep) > max(gain[name] for name in world.recipe.learn) + 0.1
    for name in world.recipe.keep:
        assert _experts(after[name]) < 0.6 * _experts(before[name])
    for name in world.recipe.learn:
        assert _experts(after[name]) > max(_experts(after[other]) for other in world.recipe.keep)


def _share(routing: Any) -> float:
    value = shared_share(routing)
    assert value is not None
    return value


def _experts(routing: Any) -> float:
    value = segment_experts(routing)
    assert value is not None
    return value


def test_without_the_routing_loss_the_share_does_not_rise(world: World, run: Run, tmp_path: Path):
    plain = review_model(_long(world, coefficient=0.0), run.result.model_folder, world.corpus, tmp_path)
    before, after = (
        score_folder(world.recipe, folder, world.corpus).routing["python"]
        for folder in (run.result.model_folder, plain.model_folder)
    )
    assert _share(after) < _share(before)


@pytest.mark.parametrize("keep_load", [0.1, 1.0])
def test_segments_to_keep_stay_below_the_bound_and_those_to_learn_have_their_share(
    world: World, run: Run, tmp_path: Path, keep_load: float
):
    recipe = _recipe(world, keep_load=keep_load, coefficient=1.0, tokens=_SHORT)
    result = review_model(recipe, run.result.model_folder, world.corpus, tmp_path)
    model, tokenizer = load_hybrid(result.model_folder).eval(), load_tokenizer(world.base)
    loads = {}
    for role in ("learn", "keep"):
        with torch.no_grad(), observe_routing(model) as statistics:
            for batch in calibration_batches(recipe, world.corpus, tokenizer, role):
                model.model(**batch)
        loads[role] = torch.tensor(statistics[1].segment_load)
        assert statistics[1].num_segments > 100
    if keep_load == 1:
        assert loads["learn"].tolist() == pytest.approx([1 / 3] * 3, abs=0.03)
        assert loads["keep"].sum() > 0
    else:
        assert loads["keep"].max() <= keep_load + 0.05
        assert loads["learn"].max() <= 1 / 3 + 0.03
        assert loads["learn"].sum() > loads["keep"].sum()


_SHAPES = {
    "rows": {},
    "one-row-accumulated": {"batch_sequences": 1, "accumulation_steps": 3},
    "checkpointing": {"gradient_checkpointing": True},
}


@pytest.mark.parametrize("shape", _SHAPES)
def test_run_that_is_interrupted_and_goes_on_ends_with_the_same_weights(
    world: World, run: Run, tmp_path: Path, shape: str
):
    recipe = _recipe(world, _SHAPES[shape], tokens=_SHORT)
    whole = review_model(recipe, run.result.model_folder, world.corpus, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        review_model(recipe, run.result.model_folder, world.corpus, tmp_path / "broken", callbacks=[Interrupt(2)])
    assert (tmp_path / "broken" / "checkpoints" / "checkpoint-3").is_dir()
    rest = Watcher()
    resumed = review_model(recipe, run.result.model_folder, world.corpus, tmp_path / "broken", callbacks=[rest])
    assert rest.losses
    assert changed(whole.model_folder, resumed.model_folder) == set()
    assert resumed.frozen_sha256 == whole.frozen_sha256


def test_gradient_checkpointing_changes_nothing(world: World, run: Run, tmp_path: Path):
    plain, checkpointed = (
        review_model(
            _recipe(world, {"gradient_checkpointing": flag}, tokens=_SHORT),
            run.result.model_folder,
            world.corpus,
            tmp_path / str(flag),
        )
        for flag in (False, True)
    )
    ours, theirs = tensors(plain.model_folder), tensors(checkpointed.model_folder)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "parts"),
    [
        ("causal", {"token_router.weight", "token_bias", "segment_router.weight", "segment_threshold"}),
        ("token-only", {"token_router.weight", "token_bias"}),
        ("moe-lpr", {"token_router.weight", "token_bias"}),
        ("segment-only", {"segment_router.weight", "segment_threshold"}),
        ("paper", {"token_router.weight"}),
    ],
)
def test_every_preset_is_reviewed_where_its_routing_can_keep(
    world: World, tmp_path: Path, preset: str, parts: set[str]
):
    moe: dict[str, Any] = {"preset": preset, "segment_stride": 8 if preset == "paper" else 4}
    if preset in ("token-only", "moe-lpr"):
        moe["num_segment_experts"] = 0
    if preset == "segment-only":
        moe["num_token_experts"] = 1
    world_recipe = tiny_recipe(world.base, world.sources, moe=moe, upcycle={"noise": 0.1})
    upcycle(world_recipe, tmp_path / "hybrid")
    recipe = world_recipe.model_copy(update={"review": _recipe(world, tokens=_SHORT).review})
    result = review_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run")
    assert changed(tmp_path / "hybrid", result.model_folder) == _names(*parts)


@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16"])
def test_frozen_weights_of_a_bfloat16_checkpoint_keep_dtype_and_bits(world: World, tmp_path: Path, compute_dtype: str):
    sections = {"upcycle": {"dtype": "bfloat16", "noise": 0.1}, "train": {"compute_dtype": compute_dtype}}
    world_recipe = tiny_recipe(world.base, world.sources, **sections)
    upcycle(world_recipe, tmp_path / "hybrid")
    recipe = world_recipe.model_copy(update={"review": _recipe(world, tokens=_SHORT).review})
    result = review_model(recipe, tmp_path / "hybrid", world.corpus, tmp_path / "run")
    moved = changed(tmp_path / "hybrid", result.model_folder)
    assert moved == _names("token_router.weight", "token_bias", "segment_router.weight", "segment_threshold")
    for name, tensor in tensors(result.model_folder).items():
        is_float32 = name.endswith(FLOAT32_BUFFERS)
        assert tensor.dtype == (torch.float32 if is_float32 else torch.bfloat16), name


def test_routers_that_train_are_named():
    assert router_names(tiny_hybrid()) == _names("token_router.weight", "segment_router.weight")
    assert router_names(tiny_hybrid("paper")) == _names("token_router.weight")
    assert router_names(tiny_hybrid("segment-only", segment_selection="expert_choice")) == set()


def test_what_cannot_be_reviewed_is_refused_before_anything_is_written(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = _recipe(world)
    nothing = recipe.model_copy(update={"keep": []})
    with pytest.raises(ConfigError, match=r"keep: \[\] leaves nothing to review"):
        review_model(nothing, world.hybrid, world.corpus, tmp_path / "run")
    moe = {"preset": "segment-only", "num_token_experts": 1, "segment_selection": "expert_choice"}
    routerless = recipe.model_copy(update={"moe": tiny_recipe(world.base, world.sources, moe=moe).moe})
    upcycle(routerless, tmp_path / "hybrid")
    with pytest.raises(ConfigError, match="no router that could learn"):
        review_model(routerless, tmp_path / "hybrid", world.corpus, tmp_path / "run")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="without torchrun"):
        review_model(recipe, world.hybrid, world.corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("distribution", ["ddp", "fsdp2"])
def test_a_recipe_for_several_processes_is_reviewed_by_one_also_in_a_scheduler_job(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str
):
    monkeypatch.setenv("WORLD_SIZE", "4")  # of a scheduler, without torchrun
    recipe = _recipe(world, {"distribution": distribution}, tokens=2 * 4 * 32)
    assert review_model(recipe, world.hybrid, world.corpus, tmp_path / "run").steps == 2


def test_the_stage_reads_the_mixture_of_the_review(world: World):
    recipe = _recipe(world, {"weights": {"rust": 1.0, "go": 1.0}, "skip_tokens": 320}, replay=0.5)
    stage = review_stage(recipe)
    assert stage.mixture_weights == {"rust": 1, "go": 1, "python": 0.5, "english": 0.5}
    assert (stage.train.skip_tokens, stage.train.tokens, stage.train.learning_rate) == (0, 12 * 4 * 32, 1e-2)
    assert stage.train.sequence_tokens == recipe.train.sequence_tokens


def test_hybrid_layers_route_on_stored_thresholds_while_they_train(world: World, run: Run, tmp_path: Path):
    modes = []

    class Modes(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            decoder: Any = kwargs["model"].model
            note = lambda *args: modes.append((decoder.training, decoder.routes_as_in_training))  # noqa: E731
            self.handle = decoder.register_forward_pre_hook(note)

        def on_train_end(self, args, state, control, **kwargs):
            self.handle.remove()

    review_model(_recipe(world, tokens=_SHORT), run.result.model_folder, world.corpus, tmp_path, callbacks=[Modes()])
    assert set(modes) == {(True, False)}


# Thresholds


_LEARN = [{"input_ids": random_tokens(8, 32, seed=seed)} for seed in (1, 2)]
_KEEP = [{"input_ids": random_tokens(8, 32, seed=3)}]


def _observe(model: MultiplMoeForCausalLM, batches: list[dict[str, Tensor]]) -> tuple[Tensor, list[float]]:
    """Gates and loads of the first hybrid layer, whose input no threshold changes."""
    with torch.no_grad(), observe_routing(model) as statistics:
        for batch in batches:
            model.model(**batch)
    return torch.cat(statistics[1].gates), statistics[1].segment_load


@pytest.mark.parametrize("keep_load", [0.05, 0.3, 1.0])
def test_a_threshold_is_the_higher_one_of_what_both_roles_ask_for(keep_load: float):
    model = tiny_hybrid()
    learn, keep = (_observe(model, batches)[0] for batches in (_LEARN, _KEEP))
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=keep_load)
    expected = torch.maximum(quantile_threshold(learn, 1.0), quantile_threshold(keep, 3 * keep_load))
    assert torch.equal(model.hybrid_layers[1].segment_threshold, expected)
    assert torch.equal(expected, quantile_threshold(learn, 1.0)) == (keep_load == 1)
    assert max(_observe(model, _KEEP)[1]) <= max(keep_load, 1 / 3) + 0.1
    if keep_load == 0.05:
        assert max(_observe(model, _KEEP)[1]) <= keep_load + 1 / 64


def test_deeper_layers_are_set_for_what_the_thresholds_before_them_let_through():
    model = tiny_hybrid()
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1, passes=1)
    with torch.no_grad(), observe_routing(model) as statistics:
        for batch in _LEARN:
            model.model(**batch)
    with torch.no_grad(), observe_routing(model) as kept:
        for batch in _KEEP:
            model.model(**batch)
    learn, keep = torch.cat(statistics[2].gates), torch.cat(kept[2].gates)
    expected = torch.maximum(quantile_threshold(learn, 1.0), quantile_threshold(keep, 0.3))
    assert not torch.equal(model.hybrid_layers[2].segment_threshold, expected)
    again = tiny_hybrid()
    calibrate_after_review(again, iter(_LEARN), iter(_KEEP), keep_load=0.1, passes=2)
    torch.testing.assert_close(again.hybrid_layers[2].segment_threshold, expected, rtol=0, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_but_the_thresholds_changes(training: bool):
    model = tiny_hybrid().train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed == {f"model.layers.{layer}.mlp.segment_threshold" for layer in (1, 2)}
    assert model.training == training
    assert all(layer.observer is None for layer in model.hybrid_layers.values())


@pytest.mark.parametrize("preset", ["token-only", "moe-lpr", "paper"])
def test_models_without_thresholds_stay_as_they_are_and_do_not_even_run(preset: str, monkeypatch: pytest.MonkeyPatch):
    model = tiny_hybrid(preset)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def fail(**kwargs) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr(model.model, "forward", fail)
    calibrate_after_review(model, _LEARN, _KEEP, keep_load=0.1)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
