"""What sharded processes trained, put together: equal to what whole ones trained, and in the dtype that is stored.

On a base with tied ends, names that stand for one tensor, and bfloat16 weights.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from multipl_moe.errors import FrozenParameterError
from multipl_moe.system.launch import is_main
from multipl_moe.train import trainer
from multipl_moe.train.trainer import train_model
from tests.conftest import randomise
from tests.distributed import run_processes
from tests.train.tiny import World, assert_close, made_hybrid, tensors, with_train

pytestmark = pytest.mark.extended

_COMPUTED_IN = {"experts": "float32", "dense": "bfloat16"}
_FEW = {"tokens": 3 * 4 * 32, "batch_sequences": 2}
_ROUNDING = torch.finfo(torch.bfloat16).eps


@pytest.fixture(scope="module")
def tied(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tied")
    shutil.copytree(world.base, folder / "base")
    config = AutoConfig.from_pretrained(world.base, tie_word_embeddings=True, dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_config(config)
    randomise(model)
    model.save_pretrained(folder / "base")
    tied = replace(world, base=folder / "base", hybrid=folder / "hybrid")
    return replace(tied, recipe=made_hybrid(tied, tied.hybrid, train=_FEW, upcycle={"noise": 1.0}))


def _model(tied: World, method: str) -> Path:
    return tied.hybrid if method == "experts" else tied.base


def _runs(tied: World, folder: Path) -> dict[str, Any]:
    """Frozen hashes of all runs; of sharded ones how often a model was loaded, and in what it came to its device."""
    loads, seen, moved = [], {}, trainer.move_to_best_device
    load = trainer.load_for_training
    trainer.load_for_training = lambda *args: loads.append(args) or load(*args)
    trainer.move_to_best_device = lambda model: (
        seen.update(dtypes={p.dtype for p in model.parameters()}) or moved(model)
    )
    result = {}
    for method, dtype in _COMPUTED_IN.items():
        for distribution in ("ddp", "fsdp2"):
            loads.clear()
            seen.clear()
            recipe = with_train(tied.recipe, method=method, distribution=distribution, compute_dtype=dtype)
            output = folder / f"{method}-{distribution}"
            done = train_model(recipe, _model(tied, method), tied.corpus, output)
            result[output.name] = {"hash": done.frozen_sha256, "loads": len(loads), **seen}
    return result


@pytest.fixture(scope="module")
def runs(tied: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder, run_processes(_runs, tied, folder)


@pytest.mark.parametrize("method", _COMPUTED_IN)
def test_it_is_what_whole_processes_trained(method: str, tied: World, runs):
    folder, results = runs
    sharded, whole = (folder / f"{method}-{kind}" / "model" for kind in ("fsdp2", "ddp"))
    assert_close(sharded, whole, rtol=_ROUNDING, atol=1e-4)
    ours, start = tensors(sharded), tensors(_model(tied, method))
    moved = [name for name in ours if name not in start or not torch.equal(ours[name], start[name])]
    assert ("model.embed_tokens.weight" in moved) == (method == "dense")
    assert len(moved) > 5
    assert len({result[f"{method}-{kind}"]["hash"] for result in results for kind in ("fsdp2", "ddp")}) == 1


@pytest.mark.parametrize("method", _COMPUTED_IN)
def test_it_is_moved_where_routing_is_calibrated_as_it_is_stored_and_the_others_load_nothing_more(method: str, runs):
    main, other = (result[f"{method}-fsdp2"] for result in runs[1])
    assert main.get("dtypes") == {"experts": {torch.bfloat16}, "dense": None}[method]
    assert (main["loads"], other["loads"]) == (2, 1)
    assert "dtypes" not in other


def _with_a_frozen_weight_changed(tied: World, folder: Path) -> str:
    gather = trainer.full_weights

    def spoilt(model: Any) -> dict[str, Any]:
        weights = gather(model)
        if is_main():
            weights["model.layers.0.mlp.up_proj.weight"][3, 4] += 1
        return weights

    trainer.full_weights = spoilt
    if not is_main():
        trainer.wait_for_all = lambda: None  # torchrun would end this process
    try:
        train_model(with_train(tied.recipe, distribution="fsdp2"), tied.hybrid, tied.corpus, folder / "spoilt")
    except FrozenParameterError as error:
        return str(error)
    return ""


def test_a_frozen_weight_that_changed_is_found(tied: World, tmp_path: Path):
    main, _ = run_processes(_with_a_frozen_weight_changed, tied, tmp_path)
    assert "1 frozen parameters changed" in main
    assert not (tmp_path / "spoilt" / "model").exists()
