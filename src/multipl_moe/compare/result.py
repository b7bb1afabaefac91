"""What a comparison found: a row for each run, and an answer to each question, as JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from multipl_moe.compare.run import METRICS_FILE, both_stages, read_scores
from multipl_moe.compare.schema import Claim, Comparison, common_recipe
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.runs.folder import read_json

_OF_A_RUN = (
    "method",
    "is_long",
    "learning_rate",
    "seed",
    "compute_dtype",
    "tokens",
    "seconds",
    "tokens_per_s",
    "parameters",
    "languages",
    "means",
    "environment",
)


def comparison_result(
    comparison: Comparison, finished: Mapping[str, Path], *, base_programs: dict[str, Any] | None
) -> dict[str, Any]:
    """The content of comparison.json.

    Args:
        comparison: what was asked for.
        finished: folder of each finished run by name.
        base_programs: the verdict on the base's programs, where there is one.
    """
    runs: dict[str, dict[str, Any]] = {}
    for name, folder in finished.items():
        metrics = read_json(folder / METRICS_FILE)
        runs[name] = _row(metrics)
        if "review" in metrics:
            review = metrics["review"]
            runs[f"{name}-reviewed"] = _row(metrics | review | both_stages(metrics, review), is_reviewed=True)
    return {
        "title": comparison.title,
        "tokens": comparison.tokens,
        "curve_tokens": comparison.curve_tokens,
        "methods": {name: method.title for name, method in comparison.methods.items()},
        "decontamination": _decontamination(finished),
        "base": None if base_programs is None else {"programs": _pass_at_1(base_programs)},
        "runs": runs,
        "undominated": {
            "long": undominated(runs, is_long=True),
            "short": undominated(runs, is_long=False),
        },
        "claims": [_answer(comparison, claim, runs, finished) for claim in comparison.claims],
    }


def undominated(runs: Mapping[str, dict[str, Any]], *, is_long: bool) -> list[str]:
    """Names of the long (or short) runs than which no other is better both on the languages to learn and to keep.

    Reviewed ones, which have read more tokens, are left out.
    """
    points = {
        name: tuple(run["means"][role]["change"] for role in ("learn", "keep") if role in run["means"])
        for name, run in runs.items()
        if run["is_long"] == is_long and not run["is_reviewed"]
    }

    def is_better(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return [name for name, point in points.items() if not any(is_better(other, point) for other in points.values())]


def _row(metrics: dict[str, Any], *, is_reviewed: bool = False) -> dict[str, Any]:
    row = {key: metrics[key] for key in _OF_A_RUN} | {"is_reviewed": is_reviewed}
    if "programs" in metrics and not is_reviewed:  # programs are those of the model before its review
        row["programs"] = _pass_at_1(metrics["programs"])
    return row


def _decontamination(finished: Mapping[str, Path]) -> dict[str, str]:
    """Of each benchmark whether the corpus, which all runs share, was checked for its problems."""
    verdicts = [read_json(folder / METRICS_FILE).get("programs", {}) for folder in finished.values()]
    return next((verdict["decontamination"] for verdict in verdicts if "decontamination" in verdict), {})


def _pass_at_1(verdict: dict[str, Any]) -> dict[str, Any]:
    """Passed and all problems by language, each with one sample or more, over the benchmarks."""
    counts = {}
    for language, entry in verdict["languages"].items():
        cells = entry["benchmarks"].values()
        tasks = sum(cell["tasks"] for cell in cells)
        passed = sum(cell["tasks"] * cell["pass_at_k"]["1"]["value"] for cell in cells)
        counts[language] = {"role": entry["role"], "tasks": tasks, "pass_at_1": passed / tasks}
    return counts


def _answer(
    comparison: Comparison, claim: Claim, runs: Mapping[str, dict[str, Any]], finished: Mapping[str, Path]
) -> dict[str, Any]:
    """How the bits per byte of one method's runs differ from another's, seed by seed; see `Claim`."""
    recipe, seeds = common_recipe(comparison), comparison.methods[claim.of].seeds
    for tokens, is_long in ((comparison.tokens, True), (comparison.curve_tokens, False)):
        pairs = {}
        for seed in seeds:
            both = (claim.of, claim.against)
            names = [_compared_run(comparison, runs, method, seed, is_long=is_long) for method in both]
            if None not in names:
                ours, theirs = (read_scores(finished[str(name)]) for name in names)
                pairs[str(seed)] = compare_scores(recipe, theirs, ours)["means"]
        if pairs:
            return claim.model_dump() | {"tokens": tokens, "seeds": pairs}
    return claim.model_dump() | {"tokens": None, "seeds": {}}


def _compared_run(
    comparison: Comparison, runs: Mapping[str, dict[str, Any]], method: str, seed: int, *, is_long: bool
) -> str | None:
    rate = comparison.methods[method].learning_rate
    for name, run in runs.items():
        if (run["method"], run["seed"], run["is_long"]) != (method, seed, is_long) or run["is_reviewed"]:
            continue
        if is_long or run["learning_rate"] == rate:
            return name
    return None
