"""Gates of packs and models by themselves say what the models' gates say."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.gate import TextGate
from multipl_moe.packs.compose import compose
from tests.packs import conftest

base, packs = conftest.base, conftest.packs
_TEXT = "fn main() { let x = 1; } and then some words of prose, and def f(x): return x + 1"


def test_it_says_what_the_composed_model_says(base: Path, packs: dict[str, Path], tokenizer: Any, tmp_path: Path):
    compose(str(base), packs, tmp_path / "both")
    model = load_hybrid(tmp_path / "both").eval()
    gates = TextGate.load(packs, base)
    for gate in (*gates.gates.values(), *model.model.gates.values()):
        gate.calibration.mul_(8)  # clearer than chance made them, so that some text opens them
    states, stride = set(), next(iter(gates.gates.values())).stride
    for length in range(1, len(_TEXT), 7):
        found, ids = gates.after(_TEXT[:length]), tokenizer(_TEXT[:length])["input_ids"]
        said = sum(gate.p_of_text(ids)[-1].item() for gate in model.model.gates.values())
        assert sum(opened.p for opened in found.values()) == pytest.approx(said)
        for opened in found.values():
            assert opened.since is not None or opened.p <= 0.5 or len(ids) <= stride
            assert opened.since is None or opened.p > 0
            assert opened.since is None or 0 <= opened.since <= length
            states.add(opened.since is None)
    assert states == {True, False}


class _Told:
    """A gate that says what it is given."""

    stride = 4

    def __init__(self, p: list[float]) -> None:
        self._p = p

    def p_of_text(self, ids: list[int], *, at_once: bool = False) -> torch.Tensor:
        shift = -len(ids) % self.stride if at_once else 0
        return torch.tensor([0.75 if place + shift < self.stride else p for place, p in enumerate(self._p)])


@given(p=st.lists(st.sampled_from([0.0, 0.06, 0.49, 0.51, 1.0]), min_size=2, max_size=40), at_once=st.booleans())
def test_a_pack_goes_on_above_a_half_and_off_where_its_gate_is_shut_whatever_a_gate_says_before_it_reads(
    p, at_once, tokenizer
):
    text = "a" * (len(p) - 1)
    assume(len(tokenizer(text)["input_ids"]) == len(text))
    told = _Told(p)
    said = told.p_of_text([0] * len(text), at_once=at_once).tolist()
    first = next((n for n in range(len(p)) if n + (-len(text) % 4 if at_once else 0) >= 4), len(p))
    since: int | None = None
    for place in range(first, len(p)):
        if said[place] == 0:
            since = None
        elif since is None and said[place] > 0.5:
            since = 0 if place == first else place
    found = TextGate({"lua": told}, tokenizer).after(text, at_once=at_once)["lua"]  # pyright: ignore[reportArgumentType]
    assert (found.p, found.since) == (said[-1], since)


def test_gates_are_read_from_a_models_folder_too(base: Path, packs: dict[str, Path], tmp_path: Path):
    compose(str(base), packs, tmp_path / "both")
    of_packs, of_model = TextGate.load(packs, base), TextGate.load(str(tmp_path / "both"))
    of_trained = TextGate.load({"lua": packs["lua"].parent / "lua-model"})
    assert of_model.tokenizer(_TEXT)["input_ids"] == of_packs.tokenizer(_TEXT)["input_ids"]
    for name, gate in of_packs.gates.items():
        for found in (of_model, of_trained) if name == "lua" else (of_model,):
            assert all(found.gates[name].get_buffer(key).equal(value) for key, value in gate.named_buffers())
    assert of_model.after(_TEXT) == of_packs.after(_TEXT)
    assert of_trained.after(_TEXT) == {"lua": of_packs.after(_TEXT)["lua"]}
    with pytest.raises(ConfigError, match="both has several, lua, rust; give the folder alone"):
        TextGate.load({"all": tmp_path / "both"})
    with pytest.raises(BaseModelError, match="has no domain gate"):
        TextGate.load(base)


def test_what_is_no_pack_of_one_base_is_told(base: Path, packs: dict[str, Path], tmp_path: Path):
    with pytest.raises(ConfigError, match="gate: they go with no base"):
        TextGate.load({})
    with pytest.raises(BaseModelError, match=r"which is not found by that name .*give the tokenizer"):
        TextGate.load(packs["lua"])
    broken = shutil.copytree(packs["lua"], tmp_path / "broken")
    (broken / "gate.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BaseModelError, match=r"gate\.safetensors cannot be read"):
        TextGate.load({"lua": broken}, base)
    (broken / "gate.safetensors").unlink()
    with pytest.raises(BaseModelError, match=r"pack: the gate in .*broken cannot be read"):
        TextGate.load({"lua": broken}, base)


def test_a_tokenizer_that_cannot_be_read_is_told_and_looked_for_nowhere_else(packs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    for content in (None, '{"version": "1.0", "trunc', "[]", '{"model": 1, "added_tokens": [1]}'):
        if content is not None:
            (tmp_path / "tokenizer").mkdir(exist_ok=True)
            (tmp_path / "tokenizer" / "tokenizer.json").write_text(content)
        with pytest.raises(BaseModelError, match="tokenizer has no tokenizer that can be read") as told:
            TextGate.load(packs, tokenizer=Path(tmp_path.name) / "tokenizer")
        assert "huggingface.co" not in str(told.value)


def test_at_once_it_is_what_the_model_decides_where_a_segment_begins(base: Path, packs: dict[str, Path]):
    gates = TextGate.load(packs, base)
    stride = next(iter(gates.gates.values())).stride
    differs = False
    for length in range(1, len(_TEXT), 3):  # a token each
        text = _TEXT[:length]
        now, later = gates.after(text, at_once=True), gates.after(text)
        assert length % stride or now == later
        differs |= now != later
    assert differs
