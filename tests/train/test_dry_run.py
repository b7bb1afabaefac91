"""A dry run of a step against the real one, tensor by tensor, and against operations counted by hand."""

from pathlib import Path

import pytest
import torch

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.dry_run import _Ledger
from multipl_moe.train.methods import load_for_training, prepare
from multipl_moe.train.plan import TrainingPlan
from multipl_moe.train.setup import TrainingSetup
from tests.train.conftest import plan_of
from tests.train.tiny import World, made_hybrid, tiny_recipe, with_train

_ROWS, _TOKENS = 4, 32
_HIDDEN, _INTERMEDIATE, _LAYERS, _HEADS, _HEAD_SIZE, _KV_SIZE = 32, 48, 3, 4, 8, 16
_FEED_FORWARD = 3 * _HIDDEN * _INTERMEDIATE
_ATTENTION = 2 * _HIDDEN * _HIDDEN + 2 * _HIDDEN * _KV_SIZE


def _real_step(recipe: Recipe, folder: Path) -> _Ledger:
    """What a step of the real model held, computed and moved."""
    setup, model = TrainingSetup.of(recipe), load_for_training(recipe.train, folder)
    setup.use_attention(model)
    prepare(model, recipe)
    setup.unify_dtype(model)
    model.train()
    setup.use_checkpointing(model)
    tokens = torch.randint(3, 200, (_ROWS, _TOKENS))
    positions = torch.arange(_TOKENS) % 20  # two documents a row
    inputs = {"input_ids": tokens, "labels": tokens, "position_ids": positions.expand(_ROWS, -1)}
    inputs |= {"skip_logits": True} if recipe.train.method == "experts" else {}
    ledger = _Ledger()
    ledger.ignore(model)
    with ledger, torch.autocast("cpu", setup.dtype, enabled=setup.dtype != torch.float32):
        loss = model(**inputs, num_items_in_batch=torch.tensor(tokens.numel()), use_cache=False)["loss"]
    with ledger:
        loss.backward()
    return ledger


@pytest.mark.parametrize(("method", "checkpointing"), [("dense", True), ("dense-ffn", False), ("lora", True)])
def test_a_dry_run_holds_and_moves_what_the_real_step_does(world: World, method: str, checkpointing: bool):
    recipe = with_train(world.recipe, method=method, gradient_checkpointing=checkpointing)
    planned, real = plan_of(recipe, world.base).step, _real_step(recipe, world.base)
    assert planned.activation_bytes == pytest.approx(real.peak_bytes, rel=0.01)
    assert planned.moved_bytes == pytest.approx(real.moved_bytes, rel=0.01)


def test_a_dry_run_of_a_hybrid_holds_and_moves_what_the_real_step_does_but_for_uneven_loads(world, plan_of_world):
    planned, real = plan_of_world.step, _real_step(world.recipe, world.hybrid)
    assert planned.activation_bytes == pytest.approx(real.peak_bytes, rel=0.1)
    assert planned.moved_bytes == pytest.approx(real.moved_bytes, rel=0.1)


def test_one_expert_in_the_frozen_blocks_place_is_dry_run_without_that_block(world: World, tmp_path: Path):
    moe = {"preset": "single", "num_token_experts": None, "num_segment_experts": None}
    train = {"compute_dtype": "bfloat16", "attention": "eager"}
    recipe = made_hybrid(world, tmp_path / "hybrid", moe=moe, train=train)
    planned, real = plan_of(recipe, tmp_path / "hybrid").step, _real_step(recipe, tmp_path / "hybrid")
    assert planned.flops == real.flops
    assert planned.activation_bytes == pytest.approx(real.peak_bytes, rel=0.02)
    assert planned.moved_bytes == pytest.approx(real.moved_bytes, rel=0.02)


def test_where_tokens_have_fixed_places_their_rows_are_held_and_the_work_is_that_of_the_experts_visited(
    world: World, plan_of_world: TrainingPlan, monkeypatch: pytest.MonkeyPatch
):
    for module in ("model.hybrid", "train.dry_run"):
        monkeypatch.setattr(f"multipl_moe.{module}.takes_places", lambda device: True)  # as on a GPU
    planned = plan_of(world.recipe, world.hybrid)
    assert planned.memory.activation_bytes > 1.1 * plan_of_world.memory.activation_bytes
    assert planned.memory.activation_bytes == pytest.approx(_real_step(world.recipe, world.hybrid).peak_bytes, rel=0.1)
    assert planned.step.flops == pytest.approx(plan_of_world.step.flops, rel=0.01)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_low_rank_experts_can_be_dry_run(world: World, tmp_path: Path, dtype: str):
    """Rank 4 in float32 takes grouped matmuls, in bfloat16 a loop over the experts."""
    moe = {"type": "lora", "rank": 4}
    recipe = made_hybrid(world, tmp_path / "hybrid", moe=moe, train={"compute_dtype": dtype})
    planned = plan_of(recipe, tmp_path / "hybrid").memory.activation_bytes
    assert planned == pytest.approx(_real_step(recipe, tmp_path / "hybrid").peak_bytes, rel=0.1)


def test_the_ledger_knows_what_is_alive():
    weight = torch.nn.Parameter(torch.ones(10, 10))
    module = torch.nn.ParameterList([weight])
    ledger = _Ledger()
    ledger.ignore(module)
    with ledger:
        x = torch.ones(5, 10)  # 200 bytes
        y = x @ weight.t()  # 200; the view of the weight is nothing new
        z = y.exp()  # 200
        del y
        total = z.sum()  # 4
        assert ledger._bytes["all"] == 404
        assert ledger.peak_bytes == 600
        total.backward()  # 404 and the gradients of z (expanded), of y, and of the weight
    assert ledger._bytes["of parameters"] == 400
    assert ledger.flops == 2 * (2 * 5 * 10 * 10)


def _forward_products(vocabulary: int) -> tuple[int, int, int]:
    """Operations of a token, forward: in linear maps of a layer, in the head, and in a layer's attention."""
    layer = 2 * (_FEED_FORWARD + _ATTENTION)
    return layer, 2 * _HIDDEN * vocabulary, 4 * _HEADS * _TOKENS * _HEAD_SIZE


def test_work_of_all_weights_is_three_times_the_forward_pass(world: World):
    recipe = with_train(world.recipe, method="dense", attention="eager")
    layer, head, attention = _forward_products(load_config(world.base).vocab_size)
    token = _LAYERS * (layer + attention) + head
    assert plan_of(recipe, world.base).step.flops == 3 * _ROWS * _TOKENS * token


def test_work_goes_backward_only_where_something_trains(world: World):
    recipe = tiny_recipe(world.base, world.sources, moe={"layers": "last:1"})
    recipe = with_train(recipe, method="dense-ffn", attention="eager")
    layer, head, attention = _forward_products(load_config(world.base).vocab_size)
    forward = _LAYERS * (layer + attention) + head
    backward = head + 2 * _FEED_FORWARD + 2 * _HIDDEN * _INTERMEDIATE  # no gradient of the block's input is needed
    plan = plan_of(recipe, world.base)
    assert plan.step.flops == _ROWS * _TOKENS * (forward + backward)
    again = plan_of(with_train(recipe, gradient_checkpointing=True), world.base).step.flops - plan.step.flops
    assert 0 < again <= _ROWS * _TOKENS * (layer + attention)


def test_accumulated_passes_cost_work_and_no_memory(world: World, plan_of_world: TrainingPlan):
    twice = plan_of(with_train(world.recipe, accumulation_steps=2), world.hybrid)
    assert twice.step.flops == 2 * plan_of_world.step.flops
    assert twice.memory == plan_of_world.memory
