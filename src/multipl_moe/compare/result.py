"""What a comparison found: a row for each run, and an answer to each question, as JSON."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from multipl_moe.compare.run import METRICS_FILE, count_solved, read_base_scores, read_scores
from multipl_moe.compare.schema import Claim, Comparison, common_recipe
from multipl_moe.eval.movement.panel import KINDS
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.runs.folder import read_json

_OF_A_RUN = (
    *("method", "is_long", "learning_rate", "seed", "compute_dtype", "tokens", "seconds", "tokens_per_s"),
    *("parameters", "languages", "means", "environment"),
)


def comparison_result(comparison: Comparison, finished: Mapping[str, Path], base_folder: Path) -> dict[str, Any]:
    """The content of comparison.json, from the folders of the finished runs by name, and the base's."""
    all_metrics = {name: read_json(folder / METRICS_FILE) for name, folder in finished.items()}
    runs: dict[str, dict[str, Any]] = {}
    for name, metrics in all_metrics.items():
        runs[name] = _row(metrics)
        if "programs" in metrics:
            runs[name]["programs"] = metrics["programs"]["languages"]
    judged = [metrics["programs"] for metrics in all_metrics.values() if "programs" in metrics]
    base_programs = base_folder / "programs" / METRICS_FILE
    return {
        "title": comparison.title,
        "tokens": comparison.tokens,
        "curve_tokens": comparison.curve_tokens,
        "methods": {name: method.title for name, method in comparison.methods.items()},
        "decontamination": judged[0]["decontamination"] if judged else {},  # of the corpus, which all runs share
        "base": {"programs": count_solved(read_json(base_programs))} if base_programs.is_file() else None,
        "runs": runs,
        "undominated": {
            "long": undominated(runs, is_long=True),
            "short": undominated(runs, is_long=False),
        },
        "answers": [
            answer for claim in comparison.claims for answer in _answers(comparison, claim, runs, finished, base_folder)
        ],
    }


def undominated(runs: Mapping[str, dict[str, Any]], *, is_long: bool) -> list[str]:
    """Names of the long (or short) runs than which no other is better both on the languages to learn and to keep."""
    points = {
        name: tuple(run["means"][role]["change"] for role in ("learn", "keep") if role in run["means"])
        for name, run in runs.items()
        if run["is_long"] == is_long
    }

    def is_better(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return [name for name, point in points.items() if not any(is_better(other, point) for other in points.values())]


def _row(metrics: dict[str, Any]) -> dict[str, Any]:
    row = {key: metrics[key] for key in _OF_A_RUN}
    row |= {key: metrics.get(key) for key in ("processor_s", "peak_bytes")}  # earlier versions did not record them
    if "load_ratios" in metrics:  # runs whose routers have no choice, and those of earlier versions, have none
        row["load_ratios"] = metrics["load_ratios"]
    if "moved" in metrics:  # runs of earlier versions have none
        kinds = {kind: values for kind, values in metrics["moved"].items() if kind in KINDS}
        row["moved"] = {kind: {k: v for k, v in values.items() if k != "parts"} for kind, values in kinds.items()}
    return row


def _answers(
    comparison: Comparison,
    claim: Claim,
    runs: Mapping[str, dict[str, Any]],
    finished: Mapping[str, Path],
    base_folder: Path,
) -> Iterator[dict[str, Any]]:
    """How the bits per byte of one method's runs differ from another's, for each length and seed that both have."""
    recipe = common_recipe(comparison)
    for tokens, is_long in ((comparison.tokens, True), (comparison.curve_tokens, False)):
        for seed in comparison.methods[claim.of].seeds:
            both = (claim.of, claim.against)
            names = [_compared_run(comparison, runs, method, seed, is_long=is_long) for method in both]
            if None not in names:
                base = read_base_scores(base_folder)
                ours, theirs = (read_scores(finished[str(name)], base) for name in names)
                means = compare_scores(recipe, theirs, ours)["means"]
                yield claim.model_dump() | {"tokens": tokens, "seed": seed, "means": means}


def _compared_run(
    comparison: Comparison, runs: Mapping[str, dict[str, Any]], method: str, seed: int, *, is_long: bool
) -> str | None:
    rate = comparison.methods[method].learning_rate
    for name, run in runs.items():
        if (run["method"], run["seed"], run["is_long"]) != (method, seed, is_long):
            continue
        if is_long or run["learning_rate"] == rate:
            return name
    return None
