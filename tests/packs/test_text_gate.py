"""Gates of packs by themselves say what composed models' gates say."""

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.packs.compose import compose
from multipl_moe.packs.text_gate import TextGate
from multipl_moe.packs.write import write_pack
from tests.fixtures import save_tokenizer
from tests.packs.test_packs import trained
from tests.upcycle.conftest import save_base

_TEXT = "fn main() { let x = 1; } and then some words of prose, and def f(x): return x + 1"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("packs")
    base = save_base(folder / "base", "qwen2")
    save_tokenizer(base)
    made = {}
    for seed, name in enumerate(("lua", "rust")):
        made[name] = folder / name
        write_pack(trained(folder / f"{name}-model", base, [name], seed=seed), made[name])
    return base, made


def test_it_says_what_the_composed_model_says(packs: tuple[Path, dict[str, Path]], tmp_path: Path):
    base, folders = packs
    compose(str(base), folders, tmp_path / "both")
    model, tokenizer = load_hybrid(tmp_path / "both").eval(), AutoTokenizer.from_pretrained(base)
    gates = TextGate.load(folders, str(base))
    states = set()
    for length in range(1, len(_TEXT), 7):
        found, ids = gates.after(_TEXT[:length]), tokenizer(_TEXT[:length])["input_ids"]
        assert min(sum(opened.p for opened in found.values()), 1.0) == pytest.approx(model.model.p_after(ids))
        for opened in found.values():
            assert (opened.since is not None) == (opened.p > 0.5)
            assert opened.since is None or 0 <= opened.since <= length
            states.add(opened.since is None)
    assert states == {True, False}


def test_since_is_where_it_opened_last(packs: tuple[Path, dict[str, Path]]):
    base, folders = packs
    gates = TextGate.load(folders, str(base))
    for name, gate in gates.gates.items():
        p = gate.p_of_text(gates.tokenizer(_TEXT)["input_ids"])
        (ends,) = [[end for _, end in gates.tokenizer(_TEXT, return_offsets_mapping=True)["offset_mapping"]]]
        since = gates.after(_TEXT)[name].since
        if since is not None:
            first = ends.index(since) + 1 if since else 0
            assert (p[first:] > 0.5).all()
            assert first == 0 or p[first - 1] <= 0.5


def test_what_is_no_pack_of_one_base_is_told(packs: tuple[Path, dict[str, Path]], tmp_path: Path):
    with pytest.raises(ConfigError, match="packs: they go with no base"):
        TextGate.load({})
    base, folders = packs
    broken = shutil.copytree(folders["lua"], tmp_path / "broken")
    (broken / "gate.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BaseModelError, match=r"gate\.safetensors cannot be read"):
        TextGate.load({"lua": broken}, str(base))
