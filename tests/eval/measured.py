"""A small measured result, made by hand."""

from pathlib import Path
from typing import Any

import pytest

from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.eval.outcome import outcome_sentence
from multipl_moe.eval.score_changes import HybridScores, run_metrics
from multipl_moe.model.router_health import RouterHealth
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from multipl_moe.runs.result import Health, Moved, Movement, Parameters, RunResult
from multipl_moe.system.versions import environment
from multipl_moe.train.freezing import TrainableParameters
from multipl_moe.train.result import TrainResult
from tests.train.tiny import scores

SUMMARY: dict[str, Any] = {
    "token_load": [0.4, 0.35, 0.25, 1.0],
    "token_entropy": 0.9,
    "shared_share": 0.45,
    "dead_token_experts": 0,
    "segment_load": [0.3, 0.7],
    "segment_entropy": 0.8,
    "dead_segment_experts": 0,
    "threshold": [0.5, 0.4],
}


def only(kind: str) -> dict[str, Any]:
    """The summary of a layer that has experts of one kind."""
    other = {"token": "segment", "segment": "token"}[kind]
    lost = ("shared_share",) if kind == "segment" else ("threshold",)
    return {key: value for key, value in SUMMARY.items() if other not in key and key not in lost}


@pytest.fixture
def recipe() -> Recipe:
    """Two languages to learn; of those to keep one is a programming language."""
    return validate_recipe(
        {"seed": 4711, "learn": ["rust", "cpp"], "keep": ["python", "english"], "eval": {"bootstrap_samples": 300}}
    )


@pytest.fixture
def before() -> LanguageScores:
    files = {name: scores(100, 200, 300) for name in ("rust", "cpp", "python", "english")}
    return LanguageScores(files=files)


@pytest.fixture
def after() -> HybridScores:
    files = {
        "rust": scores(80, 160, 240),  # -20%
        "cpp": scores(90, 180, 270),  # -10%
        "python": scores(101, 202, 303),  # +1%
        "english": scores(150, 300, 450),  # +50%
    }
    layers = {6: SUMMARY | {"train_segment_load": [0.31, 0.69]}}
    health = RouterHealth({"token": [0.72, 1.31], "segment": [0.61, 1.73]}, 0.04, 0, layers)
    return HybridScores(
        files=files,
        routing={name: {6: dict(SUMMARY), 7: dict(SUMMARY)} for name in files},
        parameters=Parameters(total=4321, active=2222, trained=750),
        router_health=Health(**health.to_json()),
    )


@pytest.fixture
def training() -> TrainResult:
    audit = TrainableParameters({"experts": 700, "token routers": 50}, 3000)
    return TrainResult(
        model_folder=Path("run/model"),
        audit=audit,
        frozen_sha256="ab" * 32,
        tokens=12_345,
        seconds=67.0,
        steps=8,
        compute_dtype="float32",
    )


@pytest.fixture
def metrics(recipe, before, after, training) -> RunResult:
    measured = run_metrics(recipe, before, after, training, environment=environment())
    return measured.but(sentence=outcome_sentence(recipe, measured))


@pytest.fixture
def moved() -> Moved:
    """How far a model moved, where nothing is to be kept."""

    def row(nats: float, tokens: int) -> Movement:
        interval = (0.8 * nats, 1.2 * nats)
        whole = Movement(nats_per_token=nats, interval=interval, changed=nats / 5, tokens=tokens, texts=3)
        return whole.but(parts={"a": whole})

    sentence = "moved by 0.031 nats a token on the base's own answers"
    return Moved(answers=row(0.0312, 567), other=row(0.5, 12_345), compute_dtype="float32", sentence=sentence)


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """Lines of metrics.jsonl."""
    return [
        {"step": step, "tokens": 1000 * step, "loss": 3.0 - 0.1 * step, "routers": {"6": SUMMARY, "7": SUMMARY}}
        for step in (5, 10, 15)
    ]
