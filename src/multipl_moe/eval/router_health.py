"""Router health on a corpus's held-out text."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from multipl_moe.data.spread_windows import padded_batches, window_turns
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.router_health import RouterHealth, measure_router_health
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.device import move_to_best_device

EVAL_ROWS = 32
_MIN_WINDOWS_PER_LANGUAGE = 4


def router_health(
    model: MultiplMoeForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Path,
    recipe: Recipe,
    *,
    in_training: bool = True,
) -> RouterHealth:
    """Route the same held-out text, all languages mixed in each batch, in evaluation and `in_training` as there.

    It is half as much in all as the text that calibration read, and spread like it over all files. Behind a domain gate
    no router is asked on text to keep, so that is left out.

    In training mode the batches have as many rows as in training, for thresholds come from the other rows. They hold
    each expert's load near its share whatever the text, so half of the text serves there.
    """
    move_to_best_device(model)
    size = recipe.train.calibration_sequence_tokens
    languages = recipe.learn if model.config.moe_config.gate.languages else list(recipe.languages)
    count = max(recipe.train.calibration_tokens // (2 * size * len(languages)), _MIN_WINDOWS_PER_LANGUAGE)
    turns = window_turns(tokenizer, corpus, "validation", languages, size=size, count=count)
    evaluation, training = [row for turn in turns for row in turn], [row for turn in turns[::2] for row in turn]
    return measure_router_health(
        model,
        padded_batches(evaluation, EVAL_ROWS),
        padded_batches(training if in_training else [], recipe.train.batch_sequences),
    )
