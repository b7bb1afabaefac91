"""Packs: what they hold, that PEFT and `compose` make of them what was trained, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.export.folder import ExportSettings, export_model
from multipl_moe.packs.card import told_base
from multipl_moe.packs.compose import compose
from multipl_moe.packs.files import Pack
from multipl_moe.packs.write import write_pack
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.train.methods import load_for_training
from tests.conftest import random_tokens, tiny_hybrid
from tests.fixtures import save_tokenizer
from tests.packs.conftest import pack_of, trained
from tests.upcycle.conftest import save_base


@pytest.fixture(scope="module", params=["ffn", "all"])
def packed(request: pytest.FixtureRequest, base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and its pack."""
    folder = tmp_path_factory.mktemp("packed")
    model = trained(folder / "model", base, ["rust"], targets=request.param)
    pack = write_pack(model, folder / "pack")
    assert (pack.languages, pack.moe.experts.targets) == (["rust"], request.param)
    return model, folder / "pack"


@torch.no_grad()
def logits(model: Any, **told: Any) -> torch.Tensor:
    return model.eval()(random_tokens(2, 23), **told).logits


def test_a_pack_put_on_its_base_is_the_model_that_was_trained_to_the_bit(tmp_path: Path, base: Path, packed):
    model, pack = packed
    compose(str(base), {"rust": pack}, tmp_path / "composed")
    found, expected, alone = load_hybrid(tmp_path / "composed"), load_hybrid(model), load_dense(base)
    assert torch.equal(logits(found), logits(expected))
    assert not torch.allclose(logits(found), logits(alone), atol=1e-3)
    assert torch.equal(logits(found, open_share=0.0), logits(alone))
    size = sum(file.stat().st_size for file in pack.iterdir())
    assert size < (model / "model.safetensors").stat().st_size
    modules = json.loads((pack / "adapter_config.json").read_text())["target_modules"]
    assert modules == sorted(modules), "not in the order of a set, which each process has its own of"
    lora = PeftModel.from_pretrained(alone, str(pack))  # as it is
    assert torch.equal(logits(lora), logits(expected, open_share=1.0))


def test_on_a_base_in_bfloat16_a_pack_is_pefts_lora_in_that_dtype(tmp_path: Path, base: Path):
    dense: Any = load_dense(base)
    dense.to(torch.bfloat16).save_pretrained(tmp_path / "base")
    save_tokenizer(tmp_path / "base")
    folder = trained(tmp_path / "model", tmp_path / "base", ["rust"])
    hybrid: Any = load_hybrid(folder)
    hybrid.to(torch.bfloat16).save_pretrained(folder)
    pack = write_pack(folder, tmp_path / "pack")
    assert pack.base.dtype == "bfloat16"
    alone = load_dense(tmp_path / "base")
    lora = PeftModel.from_pretrained(alone, str(tmp_path / "pack"), autocast_adapter_dtype=False)
    assert torch.equal(logits(lora), logits(load_hybrid(folder), open_share=1.0))


@pytest.fixture(scope="module")
def both(base: Path, packs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model put together of two packs."""
    folder = tmp_path_factory.mktemp("composed") / "both"
    compose(str(base), packs, folder)
    return folder


def test_packs_add_up_and_are_named_in_the_card_of_an_export(tmp_path: Path, both: Path, packs: dict[str, Path]):
    model: Any = AutoModelForCausalLM.from_pretrained(both)
    assert model.config.moe_config.gate.languages == ["lua", "rust"]
    for place, name in enumerate(sorted(packs)):
        alone = load_hybrid(packs[name].with_name(f"{name}-model"))
        told = torch.eye(2)[place : place + 1]
        assert torch.equal(logits(model, open_share=told), logits(alone, open_share=1.0))
        assert not torch.allclose(logits(model), logits(alone), atol=1e-3)
    export_model(both, tmp_path / "export", ExportSettings())
    card = (tmp_path / "export" / "README.md").read_text()
    assert "| pack lua | rank 4, opens for Lua |" in card
    assert "| pack rust | rank 4, opens for Rust |" in card


def test_a_model_of_packs_is_not_trained_on(both: Path):
    with pytest.raises(BaseModelError, match="is put together of packs; train one by itself"):
        load_for_training(Recipe().train, both)
    with pytest.raises(ValueError, match="open_share: in training gates are open"):
        load_hybrid(both).train()(random_tokens(2, 9))


def test_full_experts_are_cut_to_a_rank_and_the_whole_rank_loses_nothing(tmp_path: Path):
    base = save_base(tmp_path / "base", "qwen2")
    model = trained(tmp_path / "model", base, ["rust"], type="full")
    shares = []
    for rank in (4, 32):
        pack = write_pack(model, tmp_path / f"pack-{rank}", rank)
        assert (pack.moe.experts.type, pack.moe.experts.rank, pack.moe.experts.scale) == ("lora", rank, 1.0)
        shares.append(pack.kept["share"])
        card = (tmp_path / f"pack-{rank}" / "README.md").read_text()
        assert f"cut to rank {rank}, which left {shares[-1]:.1%}" in card
        compose(str(base), {"rust": tmp_path / f"pack-{rank}"}, tmp_path / f"composed-{rank}")
    assert shares[1] == pytest.approx(1.0)
    assert 0.1 < shares[0] < 0.9
    found, expected = load_hybrid(tmp_path / "composed-32"), load_hybrid(model)
    for told in (0.0, 1.0):
        torch.testing.assert_close(logits(found, open_share=told), logits(expected, open_share=told), rtol=0, atol=1e-3)


def test_a_pack_on_another_base_is_refused(tmp_path: Path, packs: dict[str, Path]):
    other = save_base(tmp_path / "other", "qwen2", seed=9)
    with pytest.raises(BaseModelError, match=r"--base: .* has other weights than rust"):
        compose(str(other), {"rust": packs["rust"]}, tmp_path / "composed")
    assert not (tmp_path / "composed").exists()


@pytest.mark.parametrize(("of_base", "of_model"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_a_base_and_a_model_of_unlike_types_find_each_other(tmp_path: Path, base: Path, of_base: str, of_model: str):
    rounded = load_dense(base).to(getattr(torch, of_base))
    rounded.save_pretrained(tmp_path / "base")
    save_tokenizer(tmp_path / "base")
    load_dense(tmp_path / "base").to(getattr(torch, of_model)).float().save_pretrained(tmp_path / "as-trained")
    model = load_hybrid(trained(tmp_path / "model", tmp_path / "as-trained", ["rust"]))
    model.to(getattr(torch, of_model)).save_pretrained(tmp_path / "typed")
    write_pack(tmp_path / "typed", tmp_path / "pack")
    compose(str(tmp_path / "base"), {"rust": tmp_path / "pack"}, tmp_path / "composed")
    found = load_hybrid(tmp_path / "composed")
    assert found.dtype == torch.float32
    expected = load_hybrid(tmp_path / "typed").float()
    torch.testing.assert_close(logits(found, open_share=1.0), logits(expected, open_share=1.0), rtol=0, atol=0.2)


@pytest.mark.parametrize(
    ("moe", "rank", "said"),
    [
        ({"languages": []}, None, "has no domain gate to open a pack"),
        ({}, 8, "--rank: the model's experts are of rank 4 already"),
        ({"type": "full"}, None, "--rank: the model's experts are full"),
        ({"type": "full"}, 33, "--rank: 33 must be between 1 and 32"),
        ({"preset": "gated"}, None, "no experts that a gate alone opens"),
        ({"family": "starcoder2"}, 4, "--rank: this base's feed-forward blocks have biases"),
    ],
)
def test_what_cannot_be_packed_is_refused(tmp_path: Path, base: Path, moe: dict[str, Any], rank: int | None, said: str):
    if moe.keys() & {"preset", "family"}:
        kind: dict[str, Any] = {"preset": "gated-single"} | moe
        tiny_hybrid(**kind).save_pretrained(tmp_path / "model")
    else:
        settings: dict[str, Any] = {"languages": ["rust"]} | moe
        trained(tmp_path / "model", base, **settings)
    with pytest.raises(ConfigError, match=said):
        write_pack(tmp_path / "model", tmp_path / "pack", rank)
    assert not (tmp_path / "pack").exists()


def test_packs_that_cannot_work_in_one_model_are_refused_with_all_reasons(tmp_path: Path, base: Path):
    changes: dict[str, dict[str, Any]] = {"ocaml": {}, "perl": {"stride": 8}, "rust": {"stride": 2, "layers": [1, 2]}}
    packs = {name: pack_of(tmp_path, base, name, **moe) for name, moe in changes.items()}
    with pytest.raises(ConfigError) as refused:
        compose(str(base), packs, tmp_path / "composed")
    assert len(refused.value.problems) == 2
    assert "gate.stride: ocaml has 4, perl 8" in str(refused.value)
    assert "gate.stride: ocaml has 4, rust 2" in str(refused.value)
    for name, why in {"a.b": "cannot be a name", "train": "means something to PyTorch; give another name"}.items():
        with pytest.raises(ConfigError, match=f"^pack: '{name}' {why}"):
            compose(str(base), {name: packs["rust"]}, tmp_path / "composed")
    with pytest.raises(OutputError):
        compose(str(base), {"rust": packs["rust"]}, tmp_path / "rust")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "has no pack.json"),
        (lambda file: file.write_text("{"), r"pack\.json: Invalid JSON: EOF"),
        (lambda file: file.write_text("[]"), r"pack\.json: \[\]: must be keys with values"),
        (lambda file: file.write_text(json.dumps({"format": 9})), r"pack\.json: format: 9: must be 1"),
        (lambda file: file.with_name("adapter_model.safetensors").unlink(), r"pack has no adapter_model\.safetensors"),
        (lambda file: file.with_name("gate.safetensors").unlink(), r"pack has no gate\.safetensors"),
        (lambda file: _put(file, base={"name": "x", "sha": "y"}), r"pack\.json: base\.sha256: is missing"),
        (lambda file: _put(file, base={"name": "x", "sha256": "y", "dtype": "banana"}), r"base\.dtype: 'banana'"),
        (lambda file: _put(file, endings={"rust": 5}), r"pack\.json: endings\.rust: 5: must be a list"),
        (lambda file: _put(file, languages=None), r"pack\.json: languages: empty: must be a list"),
        (lambda file: _put(file, languages="rust"), r"pack\.json: languages: 'rust': must be a list"),
        (lambda file: _put(file, languages=[1]), r"pack\.json: languages\.0: 1: must be text"),
        (lambda file: _put(file, moe={"gate": None}), r"pack\.json: moe: moe\.gate: None must be an object"),
        (lambda file: _put(file, moe=_moe(file, rank=8)), r"tensors do not fit the base and pack\.json, first "),
    ],
)
def test_a_broken_pack_is_told(tmp_path: Path, base: Path, packs: dict[str, Path], change: Any, said: str):
    change(shutil.copytree(packs["rust"], tmp_path / "pack") / "pack.json")
    with pytest.raises(BaseModelError, match=said):
        compose(str(base), {"rust": tmp_path / "pack"}, tmp_path / "composed")


def _put(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _moe(file: Path, **experts: Any) -> dict[str, Any]:
    moe = json.loads(file.read_text())["moe"]
    return moe | {"experts": moe["experts"] | experts}


def test_the_card_says_what_it_is_and_how_it_is_served_and_new_languages_bring_their_endings(
    tmp_path: Path, base: Path
):
    run, pack = tmp_path / "run", tmp_path / "my pack"
    model = trained(run / "model", base, ["rust", "mine"], rank=12)
    origin = {"base": "smollm2-135m", "base_hub_id": "HuggingFaceTB/SmolLM2-135M-Instruct"}
    (model / "upcycle.json").write_text(json.dumps(origin))
    (run / "training.json").write_text(json.dumps({"model_folder": str(model)}))
    (run / "recipe.yaml").write_text("learn: [rust, mine]\nown_languages: {mine: {extensions: [.mine, .mn]}}\n")
    written = write_pack(model, pack)
    text = (pack / "README.md").read_text()
    assert written.base.sha256 in text
    assert "teach it Rust and mine" in text
    assert "--max-lora-rank 16" in text
    assert "--base smollm2-135m" in text, "whose weights are those that it was trained on"
    assert "--pack 'my pack'" in text
    assert told_base(str(base), written) == told_base("smollm2-135m", written) == origin["base_hub_id"]
    assert "vllm serve HuggingFaceTB/SmolLM2-135M-Instruct" in text
    assert Pack.load(pack) == written
    assert written.endings == {"mine": [".mine", ".mn"]}
    older = json.loads((pack / "pack.json").read_text())
    del older["endings"]
    (pack / "pack.json").write_text(json.dumps(older))
    assert Pack.load(pack).endings == {}
