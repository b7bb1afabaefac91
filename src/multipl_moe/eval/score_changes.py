"""Bits per byte of one model, or of two and the change between them, by language and role; the result of a run."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from multipl_moe.errors import ConfigError
from multipl_moe.eval.bits_per_byte import FileScore, bits_per_byte
from multipl_moe.eval.intervals import Estimate, resampled
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import (
    Change,
    Changes,
    Health,
    LanguageChange,
    LanguageScore,
    Measures,
    Parameters,
    RunResult,
    Scores,
)
from multipl_moe.train.result import TrainResult

_Pair = tuple[list[FileScore], list[FileScore]]
"""Scores of the same files in the same order, before and after."""


class HybridScores(LanguageScores, Measures):
    """All that is measured of a trained hybrid while it is loaded."""

    parameters: Parameters
    router_health: Health | None = None


def run_metrics(
    recipe: Recipe, before: LanguageScores, after: HybridScores, training: TrainResult, **parts: Any
) -> RunResult:
    """The content of a run's metrics.json, `before` being of the base; `parts` are other fields of `RunResult`."""
    measured = {name: value for name, value in vars(after).items() if name != "files"}
    return RunResult(
        **vars(compare_scores(recipe, before, after)),
        **measured,
        tokens=training.tokens,
        seconds=training.seconds,
        learning_rate=training.learning_rate,
        warnings=training.warnings,
        frozen_sha256=training.frozen_sha256,
        seed=recipe.seed,
        against=recipe.base,
        **parts,
    )


def compare_scores(recipe: Recipe, before: LanguageScores, after: LanguageScores) -> Changes:
    """Bits per byte before and after, by language and as means over the languages to learn and to keep.

    The mean over the languages to keep is one of programming languages; natural language stands by itself. Files count
    that both models score: with another tokenizer an answer may be longer than what is read.

    Raises:
        ConfigError: both score no file of a language.
    """
    pairs = {name: _both(before.files[name], after.files[name]) for name in recipe.languages}
    if lacking := [name for name, (files, _) in pairs.items() if not files]:
        raise ConfigError(
            f"--against: no held-out text in {', '.join(lacking)} is scored for both models; raise eval.tokens_per_file"
        )

    def change(names: Sequence[str]) -> dict[str, Any]:
        chosen = [pairs[name] for name in names]
        mean = mean_relative_change(chosen, samples=recipe.eval.bootstrap_samples, seed=recipe.seed)
        return {"change": mean.value, "interval": mean.interval}

    languages = {
        name: LanguageChange(
            **_row(recipe, name, new), **change([name]), bpb_before=bits_per_byte(old), bpb_after=bits_per_byte(new)
        )
        for name, (old, new) in pairs.items()
    }
    code = {
        role: [name for name in names if recipe.language_table[name].is_code]
        for role, names in {"learn": recipe.learn, "keep": recipe.keep}.items()
    }
    means = {role: Change(**change(names)) for role, names in code.items() if names}
    return Changes(languages=languages, means=means)


def describe_scores(recipe: Recipe, scores: LanguageScores) -> Scores:
    """Bits per byte of one model by language."""
    files = {name: scores.files[name] for name in recipe.languages}
    rows = {name: LanguageScore(**_row(recipe, name, of), bpb=bits_per_byte(of)) for name, of in files.items()}
    return Scores(languages=rows)


def mean_relative_change(pairs: list[_Pair], *, samples: int, seed: int) -> Estimate:
    """Mean over languages, whose (before, after) are given, of the relative change of bits per byte (-0.1: 10% fewer).

    The interval is a paired bootstrap: files are resampled within each language.
    """
    generator = np.random.default_rng(seed)
    draws = np.mean([_resampled_changes(*pair, samples, generator) for pair in pairs], axis=0)
    value = float(np.mean([bits_per_byte(after) / bits_per_byte(before) - 1 for before, after in pairs]))
    return Estimate.of_draws(value, draws)


def _both(before: list[FileScore], after: list[FileScore]) -> _Pair:
    paths = {score.path for score in before} & {score.path for score in after}
    old, new = ([score for score in scores if score.path in paths] for scores in (before, after))
    return old, new


def _resampled_changes(
    before: list[FileScore], after: list[FileScore], samples: int, generator: np.random.Generator
) -> np.ndarray:
    """(samples,) relative changes of bits per byte of resampled files."""
    if [score.path for score in before] != [score.path for score in after]:
        raise ValueError("the two sides of a paired comparison must hold the same files in the same order")
    return resampled(lambda chosen: _rates(after, chosen) / _rates(before, chosen) - 1, len(before), samples, generator)


def _rates(scores: list[FileScore], chosen: np.ndarray) -> np.ndarray:
    """(samples,) bits per byte of the chosen files; models with other tokenizers may cut a file at other bytes."""
    totals = np.array([[score.bits, score.num_bytes] for score in scores])[chosen].sum(axis=1)
    return totals[:, 0] / totals[:, 1]


def _row(recipe: Recipe, name: str, files: list[FileScore]) -> dict[str, Any]:
    title, role = recipe.language_table[name].title, recipe.languages[name]
    return {"title": title, "role": role, "files": len(files), "bytes": sum(score.num_bytes for score in files)}
