"""Training of low-rank experts: the loss falls, nothing frozen moves, and the result can be written out in full."""

import torch

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.model.expert_use import ExpertUse
from multipl_moe.model.float32_buffers import FLOAT32_BUFFERS
from multipl_moe.model.parameters import trained_names
from multipl_moe.train.freezing import verify_frozen
from multipl_moe.train.methods import prepare
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import VOCABULARY, random_tokens
from tests.train.conftest import Watcher, changed
from tests.train.tiny import World, tiny_recipe


def test_the_loss_falls_and_only_factors_and_routers_move(world: World, tmp_path):
    recipe = tiny_recipe(world.base, world.sources, moe={"type": "lora", "rank": 4})
    upcycle(recipe, tmp_path / "hybrid")
    watcher = Watcher()
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
