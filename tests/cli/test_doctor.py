"""`doctor`: what the machine has, and an exit code that says whether all languages can be judged."""

from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from multipl_judge.judge.preflight import LanguageCheck
from multipl_moe.model.parameters import ParameterCounts
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.train.machine import MachineSpeed
from multipl_moe.train.plan import plan_training, starting_config

LAYERS = "moe.experts.layers"


def test_a_language_that_works_is_ready(run, bubblewrap):
    outcome = run("doctor", "--languages", "python")
    for told in ("Python 3", "ready", "torch", "network", "system calls", "memory", "users"):
        assert told in outcome.out


@pytest.mark.usefixtures("bubblewrap")
def test_a_language_that_does_not_is_told_with_the_remedy(run, monkeypatch):
    check = LanguageCheck("", 0.0, "ruby: not found (Debian: apt install ruby)")
    monkeypatch.setattr("multipl_judge.judge.preflight.preflight", lambda languages, unsafe: {"ruby": check})
    outcome = run("doctor", code=1)
    assert "not found" in outcome.out
    assert "apt install ruby" in outcome.out


def write_recipe(file: Path, base: Path, layers: str = "all", preset: str = "single", **train: str) -> None:
    moe = {"preset": preset, "gate": {"languages": []}, "experts": {"layers": layers}}
    values = {"base": str(base), "moe": moe, "train": {"sequence_tokens": 32, **train}}
    file.write_text(yaml.safe_dump(values))


def parameters(file: Path, model: Path | None = None, overrides: dict | None = None) -> ParameterCounts:
    """What the plan of a recipe counts."""
    recipe = load_recipe(file, overrides)
    return plan_training(recipe, starting_config(recipe, model), runtime_bytes=0).parameters


def test_a_run_is_planned_from_its_recipe_alone(run, base, tmp_path):
    write_recipe(tmp_path / "run.yaml", base, layers="last:1", preset="causal")
    told = run("doctor", "--plan", "run.yaml").out
    assert all(f"{count:,}" in told for count in vars(parameters(tmp_path / "run.yaml")).values())
    parts = ("optimiser state", "memory at its peak", "tokens/s, roughly", "time for 300,000 tokens, roughly")
    for part in (*parts, "calibration, 32,768 tokens", "scoring base and model", "time in all, roughly"):
        assert part in told
    assert not any(note in told for note in ("What would help", "this machine is busy"))
    assert {path.name for path in tmp_path.iterdir()} == {"run.yaml"}


def test_a_model_that_exists_is_planned_as_it_is_and_a_busy_machine_told(run, base, hybrid, tmp_path, monkeypatch):
    monkeypatch.setattr("psutil.cpu_percent", lambda seconds: 75.0)
    write_recipe(tmp_path / "run.yaml", base, layers="last:1")
    told = run("doctor", "--plan", "run.yaml", "--model", hybrid).out
    assert f"{parameters(tmp_path / 'run.yaml', hybrid).trained:,}" in told
    assert "this machine is busy (other programs use 75% of its processors)" in told


def test_a_run_is_planned_for_another_memory_base_and_settings(run, base, tmp_path, monkeypatch):
    monkeypatch.setattr("multipl_moe.train.machine.runtime_bytes", lambda: 0)
    monkeypatch.setattr("multipl_moe.train.machine.measure_speed", lambda dtype, **sizes: MachineSpeed(1e6, 1e6))
    monkeypatch.setattr("multipl_moe.train.machine.busy_note", lambda: "it is busy")
    write_recipe(tmp_path / "run.yaml", tmp_path / "no-such-base", layers="last:2")
    plan = partial(run, "doctor", "--plan", "run.yaml", "--base", base)
    remedies = plan("--memory", "1MB", code=1).out.partition("What would help")[2]
    assert "--set train.gradient_checkpointing=true" in remedies
    assert f"--set {LAYERS}=last:1" in remedies
    mine = plan("--set", f"{LAYERS}=last:2", "--memory", "1MB", code=1).out
    assert mine.partition("What would help")[2] == remedies, "they win"
    counts = parameters(tmp_path / "run.yaml", overrides={"base": str(base), LAYERS: "last:1"})
    assert f"{counts.trained:,}" in plan("--set", f"{LAYERS}=last:1", "--memory", "900GB").out
    elsewhere = plan("--memory", "900GB", "--device", "cuda").out
    assert "memory at its peak" in elsewhere
    assert not any(told in elsewhere for told in ("tokens/s", "it is busy"))


def test_a_remedy_of_another_precision_is_timed_in_it(run, base, tmp_path, monkeypatch):
    def measure(dtype, **sizes):
        return MachineSpeed(flops_per_s=1e6, bytes_per_s=1e6) if dtype == torch.float32 else MachineSpeed(1e18, 1e18)

    monkeypatch.setattr("multipl_moe.train.machine.measure_speed", measure)
    monkeypatch.setattr("multipl_moe.train.plan.fast_dtype", lambda: torch.bfloat16)
    monkeypatch.setattr("multipl_moe.train.machine.usable_bytes", lambda: 2**20)
    write_recipe(tmp_path / "run.yaml", base, compute_dtype="float32")
    rows = run("doctor", "--plan", "run.yaml", code=1).out.partition("What would help")[2].splitlines()
    times = {row.split("=")[-1].split()[0]: " ".join(row.split()[-2:]) for row in rows if "--set" in row}
    assert [change for change, time in times.items() if time == "0 s"] == ["bfloat16"]
    assert len(times) > 2


def test_a_comparison_is_planned_as_the_sum_of_its_runs(run, base, tmp_path, monkeypatch):
    shared = {"base": str(base), "train": {"sequence_tokens": 32}}
    dense = {"title": "dense", "set": {"train.method": "dense"}, "seeds": [0, 1]}
    methods = {"dense": dense, "lora": {"title": "lora", "set": {"train.method": "lora"}}}
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({"tokens": 3200, "recipe": shared, "methods": methods}))
    rows = [line.split()[:2] for line in run("doctor", "--plan", "all.yaml").out.splitlines()]
    numbers = [["dense", "2"], ["lora", "1"], ["all", "3"]]
    assert [row for row in rows if row[:1] in (["dense"], ["lora"], ["all"])] == numbers
    monkeypatch.setattr("multipl_moe.train.machine.usable_bytes", lambda: 2**20)
    run("doctor", "--plan", "all.yaml", code=1)
