"""Bits per byte of one model, or of two and the change between them, by language and role."""

from typing import Any

import numpy as np

from multipl_moe.eval.bits_per_byte import FileScore, bits_per_byte
from multipl_moe.eval.intervals import Estimate, resampled
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Change, Changes, LanguageChange, LanguageScore, Scores

_Pair = tuple[list[FileScore], list[FileScore]]
"""Scores of the same files in the same order, before and after."""


def compare_scores(recipe: Recipe, before: LanguageScores, after: LanguageScores) -> Changes:
    """Bits per byte before and after, by language and as means over the languages to learn and to keep.

    The mean over the languages to keep is one of programming languages; natural language stands by itself.
    """
    samples, seed = recipe.eval.bootstrap_samples, recipe.seed
    languages = {}
    for name in recipe.languages:
        old, new = before.files[name], after.files[name]
        change = mean_relative_change([(old, new)], samples=samples, seed=seed)
        languages[name] = LanguageChange(
            **_row(recipe, name, new),
            bpb_before=bits_per_byte(old),
            bpb_after=bits_per_byte(new),
            change=change.value,
            interval=change.interval,
        )
    means = {}
    for role, names in {"learn": recipe.learn, "keep": recipe.keep}.items():
        pairs = [(before.files[name], after.files[name]) for name in names if recipe.language_table[name].is_code]
        if pairs:
            mean = mean_relative_change(pairs, samples=samples, seed=seed)
            means[role] = Change(change=mean.value, interval=mean.interval)
    return Changes(languages=languages, means=means)


def describe_scores(recipe: Recipe, scores: LanguageScores) -> Scores:
    """Bits per byte of one model by language."""
    files = {name: scores.files[name] for name in recipe.languages}
    return Scores(
        languages={
            name: LanguageScore(**_row(recipe, name, one), bpb=bits_per_byte(one)) for name, one in files.items()
        }
    )


def mean_relative_change(pairs: list[_Pair], *, samples: int, seed: int) -> Estimate:
    """Mean over languages, whose (before, after) are given, of the relative change of bits per byte (-0.1: 10% fewer).

    The interval is a paired bootstrap: files are resampled within each language.
    """
    generator = np.random.default_rng(seed)
    draws = np.mean([_resampled_changes(*pair, samples, generator) for pair in pairs], axis=0)
    value = float(np.mean([bits_per_byte(after) / bits_per_byte(before) - 1 for before, after in pairs]))
    return Estimate.of_draws(value, draws)


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
