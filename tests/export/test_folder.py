"""What goes into the exported folder, what is refused, and that a failure leaves nothing."""

import json
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.export import folder as module
from multipl_moe.export import gguf_architectures
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.system.staging import shutil as staging_shutil
from multipl_moe.upcycle.convert import upcycle
from tests.fixtures import save_tokenizer, tree
from tests.train.tiny import World
from tests.upcycle.conftest import recipe_for, save_base

from .conftest import random_use, refuse, save_hybrid


@pytest.fixture
def hybrid(tmp_path) -> Path:
    return save_hybrid(tmp_path / "model")


@pytest.fixture
def trained(world: World, tmp_path) -> Path:
    """The world's hybrid as if it had been trained: with the use of its experts."""
    model = staging_shutil.copytree(world.hybrid, tmp_path / "model")
    config: Any = load_config(model)
    random_use(config.moe_config, "rust").save(model)
    return model


def test_the_report_counts_what_was_written_and_the_model_stays_as_it_is(hybrid, tmp_path):
    before = tree(hybrid)
    told: list[tuple[int, int]] = []
    settings = ExportSettings(dtype=torch.bfloat16)
    report = export_model(hybrid, tmp_path / "out", settings, on_progress=lambda *values: told.append(values))
    assert told[-1][0] == told[-1][1] > 0
    assert tree(hybrid) == before
    files = tree(tmp_path / "out")
    assert (report.num_files, report.num_bytes) == (len(files), sum(len(content) for content in files.values()))
    assert (report.dtype, report.needs_remote_code, report.merge_cost) == (torch.bfloat16, True, None)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["dtype"] == config["text_config"]["dtype"] == "bfloat16"


def test_a_merged_model_is_dense_its_cost_is_measured_and_gguf_is_named_after_it(world, trained, tmp_path, monkeypatch):
    def write(dense: Path, file: Path, name: str) -> None:
        assert name == "out"
        assert all((dense / part).is_file() for part in ("model.safetensors", "tokenizer.json", "README.md"))
        file.write_bytes(b"GGUF")

    monkeypatch.setattr(module, "write_gguf", write)
    settings = ExportSettings(corpus=world.corpus, recipe=world.recipe, gguf=True, dtype=torch.float16, anyway=True)
    steps: list[str] = []
    report, out = export_model(trained, tmp_path / "out", settings, steps.append), tmp_path / "out"
    scored = [f"bits per byte of the {name} of 3" for name in ("base, 1", "hybrid, 2", "merged model, 3")]
    assert steps == ["weights", "merging", *scored, "GGUF"]
    model = AutoModelForCausalLM.from_pretrained(out)
    assert (model.config.model_type, model.dtype) == ("llama", torch.float16)
    assert report.merge_cost is not None
    assert set(report.merge_cost.from_hybrid.languages) == {"rust", "go", "python", "english"}
    record = json.loads((out / "merge.json").read_text())
    assert record["cost"] == report.merge_cost.to_json()
    assert set(record["layers"]) == {"1", "2"}
    card, cost = (out / "README.md").read_text(), report.merge_cost.from_hybrid.languages["rust"]
    assert f" | {cost.bpb_before:.4f} | {cost.bpb_after:.4f} | to learn |" in card
    assert "`out-F16.gguf`" in card
    names = {path.name for path in out.iterdir()}
    assert {"tokenizer.json", "generation_config.json", "upcycle.json"} <= names
    assert not {"expert_use.json", "modeling.py", "LICENSE-multipl-moe"} & names
    assert (report.gguf, report.needs_remote_code) == ((out / "out-F16.gguf",), False)
    assert (out / "out-F16.gguf").read_bytes() == b"GGUF"
    assert (out / "Modelfile").read_text() == "FROM ./out-F16.gguf\n"


def test_a_merged_model_that_is_no_better_than_its_base_is_refused_and_nothing_is_left(world, trained):
    why = "--merge: the merged model is not better .*dense-ffn.*--anyway"
    refuse(trained, ConfigError, why, corpus=world.corpus, recipe=world.recipe)


# --- refusals


def test_a_disk_that_is_too_small_is_found_first_and_a_dense_model_needs_no_code(tmp_path, monkeypatch):
    base, usage = save_base(tmp_path / "base"), namedtuple("usage", "total used free")
    weights = sum(value.nbytes for value in load_file(base / "model.safetensors").values())
    free = 64_000_000 + weights * 3 // 2  # room for the weights, but not for a GGUF file beside them
    monkeypatch.setattr(staging_shutil, "disk_usage", lambda path: usage(10**9, 10**9, free))
    monkeypatch.setattr(module, "require_writable", lambda dense: None)
    refuse(base, OutputError, "refused needs 65 MB but its disk has 64 MB free", gguf=True)
    report = export_model(base, tmp_path / "fits", ExportSettings())
    assert not report.needs_remote_code
    assert not list((tmp_path / "fits").glob("*.py"))
    assert "auto_map" not in json.loads((tmp_path / "fits" / "config.json").read_text())
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "fits").config.model_type == "llama"


def test_what_gguf_cannot_hold_is_refused_before_it_is_merged(world, trained, monkeypatch):
    monkeypatch.setattr(module, "merge_to_dense", lambda *arguments: pytest.fail("merged"))
    asked = {"corpus": world.corpus, "recipe": world.recipe, "gguf": True}
    with monkeypatch.context() as patch:
        patch.delitem(gguf_architectures._ARCHITECTURES, "llama")
        refuse(trained, BaseModelError, "GGUF for llama: it is not among", **asked)
    save_tokenizer(trained)  # it has no merges
    refuse(trained, BaseModelError, "GGUF: the tokenizer cannot be written", **asked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("model.layers.1.mlp.segment_start"), r"1 tensors do not .*mlp\.segment_start"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "1 tensors do not fit config.json, first extra"),
        (lambda weights: weights.update({"model.norm.weight": torch.ones(3)}), r"first model\.norm\.weight"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(hybrid, change, message):
    weights = load_file(hybrid / "model.safetensors")
    change(weights)
    save_file(weights, hybrid / "model.safetensors", {"format": "pt"})
    refuse(hybrid, BaseModelError, message)


def test_tied_embeddings_are_no_missing_tensor(tmp_path):
    base = save_base(tmp_path / "base", tie_word_embeddings=True)
    hybrid = upcycle(recipe_for(base, verify=False), tmp_path / "hybrid").output
    assert "lm_head.weight" not in load_file(hybrid / "model.safetensors")
    export_model(hybrid, tmp_path / "out", ExportSettings())
    assert (tmp_path / "out" / "model.safetensors").is_file()
