"""Bits per byte of one model, or of two and the change between them, by language and role."""

from typing import Any

from multipl_moe.eval.bits_per_byte import bits_per_byte
from multipl_moe.eval.bootstrap import Change, mean_relative_change, relative_change
from multipl_moe.eval.language_scores import LanguageScores
from multipl_moe.recipe.recipe import Recipe


def compare_scores(recipe: Recipe, before: LanguageScores, after: LanguageScores) -> dict[str, Any]:
    """Bits per byte before and after, by language and as means over the languages to learn and to keep.

    The mean over the languages to keep is one of programming languages; natural language stands by itself.
    """
    samples, seed = recipe.eval.bootstrap_samples, recipe.seed
    languages, table = {}, recipe.language_table
    for name, role in recipe.languages.items():
        change = relative_change(before.files[name], after.files[name], samples=samples, seed=seed)
        languages[name] = {
            "title": table[name].title,
            "role": role,
            "bpb_before": bits_per_byte(before.files[name]),
            "bpb_after": bits_per_byte(after.files[name]),
            **_change(change),
            "files": len(after.files[name]),
            "bytes": sum(score.num_bytes for score in after.files[name]),
        }
    means = {}
    for role, names in {"learn": recipe.learn, "keep": recipe.keep}.items():
        pairs = [(before.files[name], after.files[name]) for name in names if table[name].is_code]
        if pairs:
            means[role] = _change(mean_relative_change(pairs, samples=samples, seed=seed))
    return {"languages": languages, "means": means}


def describe_scores(recipe: Recipe, scores: LanguageScores) -> dict[str, Any]:
    """Bits per byte of one model by language."""
    languages = {
        name: {
            "title": recipe.language_table[name].title,
            "role": role,
            "bpb": bits_per_byte(scores.files[name]),
            "files": len(scores.files[name]),
            "bytes": sum(score.num_bytes for score in scores.files[name]),
        }
        for name, role in recipe.languages.items()
    }
    return {"languages": languages}


def _change(change: Change) -> dict[str, Any]:
    return {"change": change.value, "interval": [change.low, change.high]}
