"""A small comparison, made by hand."""

from collections.abc import Mapping
from typing import Any

from multipl_moe.compare.result import undominated
from multipl_moe.runs.comparison import Answer, ComparisonResult
from multipl_moe.runs.result import Change, ComparedRun, LanguageChange, Parameters
from multipl_moe.runs.verdict import Solved, SolvedPrograms


def change(value: float, low: float, high: float) -> Change:
    """A change with its interval."""
    return Change(change=value, interval=(low, high))


def a_run(method: str, learn: float, keep: float, *, is_long: bool = True, rate: float = 1e-3) -> ComparedRun:
    """A run whose means and languages change by so much."""

    def language(role: str, value: float) -> LanguageChange:
        whole = change(value, value - 0.01, value + 0.01)
        return LanguageChange(role=role, files=8, bytes=99, bpb_before=1.25, bpb_after=1.0, **vars(whole))

    return ComparedRun(
        method=method,
        is_long=is_long,
        learning_rate=rate,
        seed=0,
        compute_dtype="bfloat16",
        tokens=250_000 if is_long else 125_000,
        seconds=200.0,
        tokens_per_s=1234.5,
        processor_s=1200.0,
        peak_bytes=4_500_000_000,
        environment={"machine": {"processor": "Xeon"}},
        parameters=Parameters(total=262_000_000, active=187_600_000, trained=127_400_000),
        languages={"rust": language("learn", learn), "python": language("keep", keep)},
        means={"learn": change(learn, learn - 0.01, learn + 0.01), "keep": change(keep, keep - 0.01, keep + 0.01)},
        programs=SolvedPrograms(
            languages={
                "rust": Solved(role="learn", tasks=10, pass_at_1=0.3),
                "python": Solved(role="keep", tasks=10, pass_at_1=0.1),
            }
        ),
    )


def compared() -> ComparisonResult:
    """Two methods with a long run each, and two rates of one of them."""
    runs = {
        "a": a_run("causal", -0.12, -0.03),
        "b": a_run("dense", -0.11, 0.02),
        "c": a_run("dense", -0.08, 0.0, is_long=False, rate=3e-4),
        "d": a_run("dense", -0.10, 0.01, is_long=False).but(compute_dtype="float32"),
    }
    means = {"learn": change(-0.02, -0.03, -0.01), "keep": change(0.01, -0.01, 0.03)}
    return ComparisonResult(
        title="Ways",
        tokens=250_000,
        curve_tokens=125_000,
        methods={"causal": "hybrid", "dense": "dense, all weights"},
        families={"causal": "gated", "dense": "dense"},
        decontamination={},
        base=runs["a"].programs,
        runs=runs,
        undominated=_best(runs),
        answers=[Answer(question="Better?", of="causal", against="dense", tokens=4096, seed=0, means=means)],
    )


def with_runs(runs: Mapping[str, ComparedRun], **others: Any) -> ComparisonResult:
    """The same of other runs."""
    return compared().but(runs=dict(runs), undominated=_best(runs), **others)


def _best(runs: Mapping[str, ComparedRun]) -> dict[str, list[str]]:
    return {"long": undominated(runs, is_long=True), "short": undominated(runs, is_long=False)}
