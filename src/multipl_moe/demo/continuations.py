"""The last look of a demo: what base and hybrid write after the same short prompts."""

import math
from dataclasses import replace
from pathlib import Path

from multipl_moe.explore.explorer import Explorer, samples_of
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.report.continuations import Continuation

NUM_PROMPTS, NEW_TOKENS = 3, 40
_PROBLEM = "last_element"
_PROMPT_CHARACTERS = 600  # at most, of a file that the corpus held out


def continue_prompts(recipe: Recipe, model: Path) -> list[Continuation]:
    """Have both go on, greedily, from prompts in two languages to learn and in one to keep.

    The hybrid lies in the folder `model`, in its run's. Prompts for which it has no positions are left out.
    """
    is_gated = recipe.moe.resolve([0], recipe.learn).gate.languages
    explorer = Explorer.load(model, None if is_gated else recipe.base)
    samples = samples_of(model, explorer.model.config.moe_config, explorer.use, problem=_PROBLEM)
    *learnt, kept = samples
    prompts = {title: samples[title].prompt[:_PROMPT_CHARACTERS] for title in [*learnt[: NUM_PROMPTS - 1], kept]}
    positions = getattr(explorer.model.config.get_text_config(), "max_position_embeddings", None) or math.inf
    return [
        _continued(explorer, title, prompt)
        for title, prompt in prompts.items()
        if len(explorer.tokenizer(prompt)["input_ids"]) + NEW_TOKENS <= positions
    ]


def _continued(explorer: Explorer, title: str, prompt: str) -> Continuation:
    base, hybrid = (
        ["", *explorer.complete(prompt, base=base, max_new_tokens=NEW_TOKENS)][-1] for base in (True, False)
    )
    reading = explorer.read(prompt + hybrid, prompt=prompt)
    last = {layer: reading.weights[layer] for layer in explorer.layers[-1:]}
    shown = replace(reading, base_bits=None, weights=last)
    return Continuation(title, prompt, base, hybrid, shown)
