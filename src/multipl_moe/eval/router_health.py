"""Whether the routers are in order: balanced, alive, and the same in training and in evaluation."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from multipl_moe.corpus.windows import padded, window_turns
from multipl_moe.device import move_to_best_device
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import LayerStatistics, observe_routing
from multipl_moe.recipe import Recipe

MIN_LOAD_RATIO, MAX_LOAD_RATIO = 0.5, 2.0
MAX_MODE_DIFFERENCE = 0.15
_EVAL_ROWS = 32
_MIN_WINDOWS_PER_LANGUAGE = 4


@dataclass(frozen=True)
class RouterHealth:
    """Loads on held-out text of all languages together; ratios are to the fair load capacity / E_s.

    Attributes:
        min_load_ratio, max_load_ratio: extremes over layers and segment experts, in evaluation.
        max_mode_difference: largest relative difference of a segment expert's load between training and evaluation.
        dead_experts: experts, of either kind, that get nothing or next to nothing.
        layers: summaries by layer index, in evaluation; `train_segment_load` beside them.
    """

    min_load_ratio: float
    max_load_ratio: float
    max_mode_difference: float
    dead_experts: int
    layers: dict[int, dict[str, Any]]

    @property
    def is_healthy(self) -> bool:
        """Whether every bound of this module holds."""
        return (
            self.dead_experts == 0
            and self.min_load_ratio >= MIN_LOAD_RATIO
            and self.max_load_ratio <= MAX_LOAD_RATIO
            and self.max_mode_difference <= MAX_MODE_DIFFERENCE
        )

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict, with the verdict."""
        return asdict(self) | {"is_healthy": self.is_healthy}


@torch.no_grad()
def router_health(
    model: MultiplMoeForCausalLM, tokenizer: PreTrainedTokenizerBase, corpus: Path, recipe: Recipe
) -> RouterHealth:
    """Route the same held-out text, all languages mixed in each batch, in evaluation and as in training.

    It is half as much in all as the text that calibration read, and spread like it over all files.

    In training mode the batches have as many rows as in training, for thresholds come from the other rows. They hold
    each expert's load near its share whatever the text, so half of the text serves there.
    """
    device = move_to_best_device(model)
    size = recipe.train.calibration_sequence_tokens
    count = max(recipe.train.calibration_tokens // (2 * size * len(recipe.languages)), _MIN_WINDOWS_PER_LANGUAGE)
    turns = window_turns(tokenizer, corpus, "validation", list(recipe.languages), size=size, count=count)
    loads = {}
    modes = {"eval": (turns, _EVAL_ROWS), "train": (turns[::2], recipe.train.batch_sequences)}
    for mode, (chosen, num_rows) in modes.items():
        rows = [row for turn in chosen for row in turn]
        model.train(mode == "train")
        with observe_routing(model) as statistics:
            for begin in range(0, len(rows), num_rows):
                batch = padded(rows[begin : begin + num_rows])
                model.model(**{key: value.to(device) for key, value in batch.items()})
                for layer in model.hybrid_layers.values():
                    layer.discard_batch_threshold()
        loads[mode] = statistics
    model.eval()
    return _judge(loads["eval"], loads["train"])


def _judge(evaluation: dict[int, LayerStatistics], training: dict[int, LayerStatistics]) -> RouterHealth:
    layers, ratios, differences = {}, [1.0], [0.0]
    for index, layer in evaluation.items():
        fair = layer.capacity / max(len(layer.segment_load), 1)
        ratios += [load / fair for load in layer.segment_load]
        pairs = zip(layer.segment_load, training[index].segment_load, strict=True)
        differences += [abs(load - train) / max(train, 1e-9) for load, train in pairs]
        layers[index] = layer.summary() | {"train_segment_load": training[index].segment_load}
    dead = sum(layer.get("dead_token_experts", 0) + layer.get("dead_segment_experts", 0) for layer in layers.values())
    return RouterHealth(min(ratios), max(ratios), max(differences), dead, layers)
