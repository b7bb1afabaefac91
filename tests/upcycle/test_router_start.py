"""Routers that begin at even loads: measured on text, written into the checkpoint, told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.model.router_health import measure_router_health
from multipl_moe.upcycle import convert
from multipl_moe.upcycle.convert import UpcycleReport, start_lines, upcycle
from multipl_moe.upcycle.router_start import without_direction
from tests.train.tiny import World, tensors, tiny_recipe


@pytest.fixture(scope="module")
def base(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base whose blocks read inputs with a large mean in common, as those of trained models do."""
    folder = tmp_path_factory.mktemp("base") / "base"
    model: Any = AutoModelForCausalLM.from_pretrained(world.base)
    with torch.no_grad():
        model.model.embed_tokens.weight += 2 * torch.randn(32, generator=torch.Generator().manual_seed(5))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(world.base).save_pretrained(folder)
    return folder


def _held_out(world: World, base: Path) -> list[dict[str, torch.Tensor]]:
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    texts = [path.read_text() for path in sorted(world.sources.glob("*"))]
    return [{"input_ids": torch.tensor(tokenizer(text)["input_ids"][:128])[None]} for text in texts]


@pytest.mark.parametrize("moe", [{"preset": "token-only", "num_segment_experts": 0}, {}], ids=["token-only", "causal"])
def test_every_expert_begins_with_a_fair_load(world: World, base: Path, moe: dict[str, Any], tmp_path: Path):
    recipe, text = tiny_recipe(base, world.sources, moe=moe), _held_out(world, base)
    report = upcycle(recipe, tmp_path / "measured", corpus=world.corpus)
    upcycle(recipe, tmp_path / "random")
    measured, random = (measure_router_health(load_hybrid(tmp_path / n), text) for n in ("measured", "random"))
    assert report.verification is not None
    assert report.verification.max_difference <= 1e-3
    assert 0.5 <= measured.min_load_ratio <= measured.max_load_ratio <= 2
    assert not 0.5 <= random.min_load_ratio <= random.max_load_ratio <= 2
    assert report.router_start is not None
    for low, high in report.router_start.load_ratios.values():
        assert 0.9 < low <= high < 1.1


def test_rows_are_orthogonal_to_the_mean_of_what_they_route(world: World, base: Path, tmp_path: Path):
    upcycle(tiny_recipe(base, world.sources), tmp_path / "out", corpus=world.corpus)
    model = load_hybrid(tmp_path / "out")
    inputs: list[torch.Tensor] = []
    model.hybrid_layers[1].register_forward_pre_hook(lambda module, args: inputs.append(args[0].flatten(0, 1)))
    with torch.no_grad():
        for batch in _held_out(world, base):
            model.eval()(**batch)
    x_NH, rows_EH = torch.cat(inputs), model.hybrid_layers[1].token_router.weight
    of_mean, of_tokens = rows_EH @ x_NH.mean(dim=0), (x_NH @ rows_EH.t()).std(dim=0)
    assert x_NH.mean(dim=0).norm() > 0.5 * x_NH.norm(dim=1).mean()
    assert (of_mean.abs() < 0.3 * of_tokens).all()


def test_a_direction_is_taken_out_of_rows():
    rows, direction = torch.randn(5, 7), torch.randn(7)
    rest = without_direction(rows, direction)
    torch.testing.assert_close(rest @ direction, torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(without_direction(rest, direction), rest)
    assert torch.equal(without_direction(rows, torch.zeros(7)), rows)


@pytest.fixture(scope="module")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, UpcycleReport]:
    """Two hybrids with routers placed by the same text, and one with random ones."""
    folder, corpora = tmp_path_factory.mktemp("made"), {"a": world.corpus, "b": world.corpus, "plain": None}
    recipe = tiny_recipe(world.base, world.sources)
    return {name: upcycle(recipe, folder / name, corpus=corpus) for name, corpus in corpora.items()}


def test_the_same_text_and_seed_give_the_same_routers_and_experts_stay_as_they_were(made: dict[str, UpcycleReport]):
    first, second, plain = (tensors(report.output) for report in made.values())
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first.keys() == plain.keys()
    changed = {name.rpartition(".mlp.")[2] for name in first if not torch.equal(first[name], plain[name])}
    assert {"token_router.weight", "segment_router.weight", "segment_threshold"} <= changed
    assert not any("expert" in name for name in changed)


def test_what_was_measured_is_recorded_and_told(made: dict[str, UpcycleReport], world: World, tmp_path, monkeypatch):
    report, plain = made["a"], made["plain"]
    record = json.loads((report.output / "upcycle.json").read_text())["router_start"]
    assert report.router_start is not None
    assert record == report.router_start.to_json()
    assert 1_000 < record["tokens"] <= 8192
    assert set(record["load_ratios"]) == {"token", "segment"}
    assert "times a fair load" in start_lines(report)[0]

    assert json.loads((plain.output / "upcycle.json").read_text())["router_start"] is None
    assert "give --corpus" in start_lines(plain)[0]

    size = (world.base / "model.safetensors").stat().st_size
    monkeypatch.setattr(convert, "_MEASUREMENT_BYTES_PER_BYTE", 4.2e9 / size)
    memory = convert.psutil.virtual_memory()._replace(available=3_800_000_000)
    monkeypatch.setattr(convert.psutil, "virtual_memory", lambda: memory)
    small = upcycle(tiny_recipe(world.base, world.sources), tmp_path / "small", corpus=world.corpus)
    assert small.router_start is None
    assert "it needs 4.2 GB of memory and 3.8 GB are free" in start_lines(small)[0]
