"""What the demo does by itself, and what becomes of it on this machine."""

from typing import Any

from rich.console import Console

from multipl_moe.recipe.recipe import Recipe, validate_recipe

DEMO_RECIPE: dict[str, Any] = {
    "moe.preset": "pack",
    "corpus.max_bytes_per_language": 2_500_000,
    "corpus.validation_share": 0.2,
    "train.tokens": 100_352,
    "train.sequence_tokens": 256,
    "train.packing": "windows",
    "train.batch_sequences": 1,
    "train.learning_rate": 1.4e-3,
    "train.replay": 0.0,
    "train.calibration_tokens": 8_192,
    "train.calibration_sequence_tokens": 256,
    "train.save_every_steps": 200,
    "codegen.max_new_tokens": 64,
    "programs.languages": ["rust", "go", "ruby"],
    "programs.problems_per_language": 3,
    "eval.files_per_language": 12,
    "eval.tokens_per_file": 256,
    "eval.window_tokens": 256,
    "eval.moved_share": 0.1,
}


def without_missing_languages(recipe: Recipe, console: Console) -> Recipe:
    """The recipe less the languages that no source on this machine has, each named with what would bring it.

    Languages to learn stay where there are tasks to practise on: what is kept of the answers is their text.
    """
    from multipl_moe.corpus.read.candidates import has_library  # takes seconds, and the recipe is refused before

    if any(source.kind != "toolchains" for source in recipe.corpus.sources):
        return recipe
    read = recipe.keep if recipe.practice.tasks else recipe.languages
    missing = [name for name in read if not has_library(recipe.language_table[name])]
    for name in missing:
        packages = " ".join(recipe.language_table[name].packages)
        console.print(f"{name}: no toolchain with sources here (apt install {packages}); going on without it")
    roles = {role: [name for name in getattr(recipe, role) if name not in missing] for role in ("learn", "keep")}
    values: dict[str, Any] = recipe.to_values() | roles
    values["corpus"]["sources"] = [one for one in values["corpus"]["sources"] if one.get("language") not in missing]
    if recipe.programs.languages is not None:
        values["programs"]["languages"] = [name for name in recipe.programs.languages if name not in missing] or None
    if recipe.train.weights is not None:
        values["train"]["weights"] = {name: w for name, w in recipe.train.weights.items() if name not in missing}
    return validate_recipe(values)
