"""The loss on held-out text during training: a small fixed set of the corpus's validation documents."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoTokenizer, PreTrainedModel

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.packed import IGNORED_LABEL
from multipl_moe.data.spread_windows import padded, window_turns
from multipl_moe.errors import CorpusError
from multipl_moe.model.statistics import observe_with
from multipl_moe.recipe.recipe import Recipe


@dataclass(frozen=True)
class HeldOut:
    """Batches of held-out text of each language, learn and keep alike."""

    batches: dict[str, list[dict[str, Tensor]]]

    @classmethod
    def read(cls, recipe: Recipe, corpus: Path, model_folder: Path) -> "HeldOut":
        """`train.eval_tokens` tokens in all, the same for every language, spread over its validation documents.

        Raises:
            CorpusError: a language has no validation documents.
        """
        tokenizer = AutoTokenizer.from_pretrained(model_folder)
        counts = CorpusManifest.load(corpus).languages
        languages = [name for name in recipe.languages if name in counts]
        if empty := [name for name in languages if counts[name].validation_files == 0]:
            raise CorpusError(
                f"train.eval_every_steps: {corpus} holds out no file of {', '.join(empty)}; add files or raise "
                "corpus.validation_share"
            )
        size, rows = recipe.train.sequence_tokens, recipe.train.batch_sequences
        count = max(recipe.train.eval_tokens // (size * len(languages)), 1)
        turns = window_turns(tokenizer, corpus, "validation", languages, size=size, count=count)
        by_language = dict(zip(languages, map(list, zip(*turns, strict=True)), strict=True))
        return cls(
            {
                name: [padded(windows[begin : begin + rows]) for begin in range(0, count, rows)]
                for name, windows in by_language.items()
            }
        )

    @torch.no_grad()
    def losses(self, model: PreTrainedModel) -> dict[str, float]:
        """Mean loss of a token, in nats, by language, routed as in evaluation with the thresholds as they stand.

        Nothing of the model changes, and who observes its routing sees nothing of it.
        """
        was_training = model.training
        model.eval()
        try:
            with observe_with(model, {}):
                return {name: _mean_loss(model, batches) for name, batches in self.batches.items()}
        finally:
            model.train(was_training)


def _mean_loss(model: Any, batches: list[dict[str, Tensor]]) -> float:
    total, count = 0.0, 0
    for batch in batches:
        batch = {key: value.to(model.device) for key, value in batch.items()}
        logits_BTV = model(**batch, use_cache=False).logits[:, :-1]
        targets_BT = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED_LABEL)[:, 1:]
        total += F.cross_entropy(
            logits_BTV.float().flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
        ).item()
        count += int((targets_BT != IGNORED_LABEL).sum())
    return total / count
