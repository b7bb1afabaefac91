"""A small comparison, made by hand."""

from typing import Any

from multipl_moe.compare.result import undominated


def change(value: float, low: float, high: float) -> dict[str, Any]:
    """A change with its interval."""
    return {"change": value, "interval": [low, high]}


def a_run(method: str, learn: float, keep: float, *, is_long: bool = True, rate: float = 1e-3) -> dict[str, Any]:
    """A run whose means and languages change by so much."""

    def language(role: str, value: float) -> dict[str, Any]:
        return {"role": role, "bpb_before": 1.25, **change(value, value - 0.01, value + 0.01)}

    return {
        "method": method,
        "is_long": is_long,
        "learning_rate": rate,
        "seed": 0,
        "compute_dtype": "bfloat16",
        "tokens": 250_000 if is_long else 125_000,
        "tokens_per_s": 1234.5,
        "processor_s": 1200.0,
        "peak_bytes": 4_500_000_000,
        "environment": {"machine": {"processor": "Xeon"}},
        "parameters": {"total": 262_000_000, "active": 187_600_000, "trained": 127_400_000},
        "languages": {"rust": language("learn", learn), "python": language("keep", keep)},
        "means": {"learn": change(learn, learn - 0.01, learn + 0.01), "keep": change(keep, keep - 0.01, keep + 0.01)},
        "programs": {
            "rust": {"role": "learn", "tasks": 10, "pass_at_1": 0.3},
            "python": {"role": "keep", "tasks": 10, "pass_at_1": 0.1},
        },
    }


def compared() -> dict[str, Any]:
    """Two methods with a long run each, and two rates of one of them."""
    runs = {
        "a": a_run("causal", -0.12, -0.03),
        "b": a_run("dense", -0.11, 0.02),
        "c": a_run("dense", -0.08, 0.0, is_long=False, rate=3e-4),
        "d": a_run("dense", -0.10, 0.01, is_long=False) | {"compute_dtype": "float32"},
    }
    means = {"learn": change(-0.02, -0.03, -0.01), "keep": change(0.01, -0.01, 0.03)}
    return {
        "title": "Ways",
        "tokens": 250_000,
        "curve_tokens": 125_000,
        "methods": {"causal": "hybrid", "dense": "dense, all weights"},
        "base": {"programs": runs["a"]["programs"]},
        "runs": runs,
        "undominated": {"long": undominated(runs, is_long=True), "short": undominated(runs, is_long=False)},
        "answers": [
            {"question": "Better?", "of": "causal", "against": "dense", "tokens": 4096, "seed": 0, "means": means}
        ],
    }
