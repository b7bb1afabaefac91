"""`export --adapter`: what engines load is what was trained, off to the bit, and canaries tell which it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from tokenizers import Tokenizer
from transformers import AutoConfig

from benchmarks.llama_cpp_reader import LlamaCppModel
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError, OutputError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.packs.adapters import export_adapters, write_adapter_gguf
from multipl_moe.packs.canary import load_canaries
from multipl_moe.packs.card import adapters_card
from multipl_moe.packs.compose import compose
from multipl_moe.packs.files import Pack
from multipl_moe.packs.write import write_pack
from tests.export.test_gguf import QWEN2_SPLIT, digits_then_bytes, save_fast, split_by, trained_tokenizer
from tests.export.test_llama_cpp import WIDE
from tests.fixtures import tree
from tests.packs.conftest import trained
from tests.upcycle.conftest import save_base

TOKENS = [5, 17, 42, 9, 5, 5, 61, 30, 2, 8, 77]
FAMILIES = {"llama": digits_then_bytes(), "qwen2": split_by(QWEN2_SPLIT)}


def llama_cpp_base(root: Path, family: str, **overrides: Any) -> tuple[Path, Tokenizer]:
    """A base that llama.cpp loads, and its tokenizer."""
    tokenizer = trained_tokenizer(FAMILIES[family])
    wide: dict[str, Any] = WIDE | {"vocab_size": tokenizer.get_vocab_size() + 3}
    wide |= {"mlp_bias": False} if family == "llama" else {}
    base = save_base(root / "base", family, **wide | overrides)
    save_fast(tokenizer, base)
    return base, tokenizer


def two_packs(root: Path, family: str) -> tuple[Path, dict[str, Path]]:
    """A base that llama.cpp loads, and two packs of it, with attention and without."""
    base, tokenizer = llama_cpp_base(root, family)
    packs = {}
    for seed, (name, targets) in enumerate({"rust": "all", "ocaml": "ffn"}.items(), 1):
        model = trained(root / f"{name}-model", base, [name], seed, 0.5, targets=targets, rank=4 * seed)
        save_fast(tokenizer, model)
        write_pack(model, root / name)
        packs[name] = root / name
    return base, packs


@pytest.fixture(scope="module", params=FAMILIES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    return two_packs(tmp_path_factory.mktemp("adapters"), request.param)


of_one_family = pytest.mark.parametrize("made", ["llama"], indirect=True)


@pytest.fixture(scope="module")
def exported(made: tuple[Path, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    base, packs = made
    output = tmp_path_factory.mktemp("exports") / "both of them"
    report = export_adapters(packs, output, str(base), gguf=True, quantise=("Q4_K_M",))
    assert (list(report.canaries), report.without_gguf) == (["rust", "ocaml"], None)
    assert sorted(file.name for file in output.glob("base*")) == ["base-F32.gguf", "base-Q4_K_M.gguf"]
    return output


@torch.no_grad()
def logits(model: Any, **told: Any) -> np.ndarray:
    return model.eval()(torch.tensor([TOKENS]), **told).logits[0].float().numpy()


def test_llama_cpp_computes_what_was_trained_and_at_scale_0_its_base(made, exported: Path):
    base, _ = made
    for name in ("rust", "ocaml"):
        expected = logits(load_hybrid(made[1][name].with_name(f"{name}-model")), open_share=1.0)
        with LlamaCppModel(exported / "base-F32.gguf") as model:
            alone = model.logits(TOKENS)
            model.adapt((exported / f"{name}.gguf", 0.0))
            assert np.array_equal(model.logits(TOKENS), alone)
            model.adapt((exported / f"{name}.gguf", 1.0))
            on = model.logits(TOKENS)
        its_own = np.abs(alone - logits(load_dense(base))).max()
        assert np.abs(on - alone).max() > 100 * its_own
        assert np.abs(on - expected).max() <= max(2 * its_own, 1e-5 * np.abs(expected).max())


def test_on_a_quantised_base_scale_0_is_its_base_too(exported: Path):
    with LlamaCppModel(exported / "base-Q4_K_M.gguf") as model:
        alone = model.logits(TOKENS)
        model.adapt((exported / "rust.gguf", 0.0))
        assert np.array_equal(model.logits(TOKENS), alone)
        model.adapt((exported / "rust.gguf", 1.0))
        assert not np.allclose(model.logits(TOKENS), alone, atol=1e-2)


@of_one_family
def test_an_export_into_a_pack_s_folder_holds_the_pack_s_own_files(made, tmp_path: Path):
    base, packs = made
    pack = shutil.copytree(packs["rust"], tmp_path / "rust")
    (pack / "link").symlink_to("nothing")
    export_adapters({"rust": pack}, pack / "adapter", str(base))
    assert tree(pack / "adapter" / "rust") == tree(packs["rust"])


def test_canaries_are_log_probabilities_of_likely_tokens(made, exported: Path, tmp_path: Path):
    base, packs = made
    compose(str(base), packs, tmp_path / "both")
    model: Any = load_hybrid(tmp_path / "both").eval()
    tokenizer = load_tokenizer(base)
    for place, name in enumerate(sorted(packs)):
        canaries = load_canaries(exported / "canary.json")[name]
        assert canaries
        for one in canaries:
            ids = tokenizer(one.prompt, return_tensors="pt")["input_ids"]
            for told, expected in ((torch.eye(2)[place : place + 1], one.adapter), (torch.zeros(1, 2), one.base)):
                with torch.no_grad():
                    scores = model(ids, open_share=told).logits[0, -1].log_softmax(-1)
                near = {tokenizer.decode([token]): float(scores[token]) for token in scores.topk(5).indices.tolist()}
                assert near[one.token] == pytest.approx(expected, abs=1e-4)
        assert abs(canaries[0].adapter - canaries[0].base) == max(abs(one.adapter - one.base) for one in canaries)


def test_the_card_names_each_adapter_but_no_path_and_ollama_has_its_file(made, exported: Path):
    card = (exported / "README.md").read_text()
    assert "--max-loras 3 --max-lora-rank 8" in card, "one slot stays empty"
    assert "'rust=both of them/rust' 'ocaml=both of them/ocaml'" in card
    assert "vllm serve BASE --served" in card
    assert str(made[0]) not in card
    pack = Pack.load(made[1]["rust"])
    for name, is_rounded in {"qwen2.5-coder-0.5b-instruct": True, "Qwen/Qwen2.5-Coder-0.5B-Instruct": False}.items():
        of_named = {"rust": pack.but(base=pack.base.but(name=name))}
        assert ("in 4 bits" in adapters_card("x", name, of_named, None, with_gguf=False)) == is_rounded
    assert (exported / "ocaml.Modelfile").read_text() == "FROM ./base-Q4_K_M.gguf\nADAPTER ./ocaml.gguf\n"


@pytest.mark.parametrize("family", ["gemma3_text", "starcoder2", "qwen3", "mistral"])
def test_matrices_of_other_families_have_names_in_llama_cpp(tmp_path: Path, family: str):
    base = save_base(tmp_path / "base", family)
    write_pack(trained(tmp_path / "model", base, ["rust"], targets="all"), tmp_path / "pack")
    write_adapter_gguf(tmp_path / "pack", AutoConfig.from_pretrained(base), tmp_path / "a.gguf")
    reader = GGUFReader(tmp_path / "a.gguf")
    blocks = {tensor.name.split(".", 2)[2] for tensor in reader.tensors}
    expected = {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"}
    expected |= set() if family == "starcoder2" else {"ffn_gate"}
    assert blocks == {f"{name}.weight.lora_{factor}" for name in expected for factor in "ab"}
    stored = json.loads((tmp_path / "pack" / "adapter_config.json").read_text())
    assert reader.fields["adapter.lora.alpha"].contents() == stored["lora_alpha"]


@of_one_family
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(made, tmp_path: Path):
    base, packs = made
    other = save_base(tmp_path / "other", "llama", seed=5)
    with pytest.raises(BaseModelError, match="other weights"):
        export_adapters(packs, tmp_path / "out", str(other))
    with pytest.raises(BaseModelError, match=r"not found by that name .*give its folder \(--base\)"):
        export_adapters(packs, tmp_path / "out")
    with pytest.raises(ConfigError, match="base-x means something else here"):
        export_adapters({"base-x": packs["rust"]}, tmp_path / "out", str(base))
    write_pack(trained(tmp_path / "model", base, ["rust"], size=0.0), tmp_path / "nothing")
    with pytest.raises(BaseModelError, match=r"rust changes no likely token by 0\.05 nats"):
        export_adapters({"rust": tmp_path / "nothing"}, tmp_path / "out", str(base))
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="other exists"):
        export_adapters(packs, tmp_path / "other", str(base))
    (tmp_path / "canary.json").write_text('{"format": 1, "adapters": {}}')
    with pytest.raises(ConfigError, match="adapters: is empty"):
        load_canaries(tmp_path / "canary.json")


@of_one_family
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda settings: None, r"rust/adapter_config\.json, by which engines read it, cannot be read"),
        (lambda settings: [settings], r"rust/adapter_config\.json, by which engines read it, cannot be read"),
        (lambda settings: settings | {"r": 0}, r"rust/adapter_config\.json, by which engines read it, cannot be read"),
        (lambda settings: settings | {"lora_alpha": 3 * settings["r"]}, r"has lora_alpha / r 3, and pack\.json \d"),
    ],
    ids=["lost", "broken", "of no rank", "of another scale"],
)
def test_a_pack_that_engines_cannot_read_is_refused_before_anything_takes_long(made, tmp_path: Path, change, said: str):
    base, packs = made
    pack, steps = shutil.copytree(packs["rust"], tmp_path / "rust"), []
    file = pack / "adapter_config.json"
    changed = change(json.loads(file.read_text()))
    file.unlink() if changed is None else file.write_text(json.dumps(changed))
    with pytest.raises(BaseModelError, match=said):
        export_adapters({"rust": pack}, tmp_path / "out", str(base), on_step=steps.append)
    assert not steps
