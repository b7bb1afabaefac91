"""What a comparison found: a row for each run, and an answer to each question."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from multipl_moe.compare.run import METRICS_FILE, count_solved, read_base_scores, read_scores
from multipl_moe.compare.schema import Claim, Comparison, common_recipe, family_of
from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.runs.comparison import Answer, ComparisonResult
from multipl_moe.runs.result import ComparedRun
from multipl_moe.runs.verdict import ProgramsResult


def comparison_result(comparison: Comparison, finished: Mapping[str, Path], base_folder: Path) -> ComparisonResult:
    """The content of comparison.json, from the folders of the finished runs by name, and the base's."""
    whole = {name: ComparedRun.read(folder / METRICS_FILE) for name, folder in finished.items()}
    runs = {name: _row(run) for name, run in whole.items()}
    judged = [run.programs for run in whole.values() if run.programs is not None]
    base_programs = base_folder / "programs" / METRICS_FILE
    base = count_solved(ProgramsResult.read(base_programs)) if base_programs.is_file() else None
    return ComparisonResult(
        title=comparison.title,
        tokens=comparison.tokens,
        curve_tokens=comparison.curve_tokens,
        methods={name: method.title for name, method in comparison.methods.items()},
        families={name: family_of(comparison, name) for name in comparison.methods},
        decontamination=judged[0].decontamination if judged else {},
        base=base and base.but(decontamination={}),  # of a base's training text nothing is known
        runs=runs,
        undominated={"long": undominated(runs, is_long=True), "short": undominated(runs, is_long=False)},
        answers=[
            answer for claim in comparison.claims for answer in _answers(comparison, claim, runs, finished, base_folder)
        ],
    )


def undominated(runs: Mapping[str, ComparedRun], *, is_long: bool) -> list[str]:
    """Names of the long (or short) runs than which no other is better both on the languages to learn and to keep."""
    points = {
        name: tuple(run.means[role].change for role in ("learn", "keep") if role in run.means)
        for name, run in runs.items()
        if run.is_long == is_long
    }

    def is_better(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    return [name for name, point in points.items() if not any(is_better(other, point) for other in points.values())]


def _row(run: ComparedRun) -> ComparedRun:
    """What of a run tells it from others."""
    brief = {name: found.brief() for name in MEASURES if (found := getattr(run, name)) is not None}
    programs = run.programs and run.programs.but(decontamination={})
    return run.but(**brief, programs=programs, frozen_sha256="", against=None)


def _answers(
    comparison: Comparison,
    claim: Claim,
    runs: Mapping[str, ComparedRun],
    finished: Mapping[str, Path],
    base_folder: Path,
) -> Iterator[Answer]:
    """How the bits per byte of one method's runs differ from another's, for each length and seed that both have."""
    recipe = common_recipe(comparison)
    for tokens, is_long in ((comparison.tokens, True), (comparison.curve_tokens, False)):
        for seed in comparison.methods[claim.of].seeds:
            both = (claim.of, claim.against)
            names = [_compared_run(comparison, runs, method, seed, is_long=is_long) for method in both]
            if tokens is not None and None not in names:
                base = read_base_scores(base_folder)
                ours, theirs = (read_scores(finished[str(name)], base) for name in names)
                means = compare_scores(recipe, theirs, ours).means
                yield Answer(**claim.model_dump(), tokens=tokens, seed=seed, means=means)


def _compared_run(
    comparison: Comparison, runs: Mapping[str, ComparedRun], method: str, seed: int, *, is_long: bool
) -> str | None:
    rate = comparison.methods[method].learning_rate
    for name, run in runs.items():
        is_asked = (run.method, run.seed, run.is_long) == (method, seed, is_long)
        if is_asked and (is_long or run.learning_rate == rate):
            return name
    return None
