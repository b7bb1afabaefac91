"""The loss on held-out text during training: a small fixed set of the corpus's validation documents."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from multipl_judge.languages.answers import answers_in, parts_of
from multipl_moe.corpus.answers import tokenised_answer
from multipl_moe.corpus.documents import read_documents
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.spread_windows import padded, padded_batches, window_turns
from multipl_moe.errors import CorpusError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.documents import IGNORED_LABEL
from multipl_moe.model.statistics import in_evaluation
from multipl_moe.recipe.recipe import Recipe

_Answer = tuple[list[int], list[tuple[int, int]]]


@dataclass(frozen=True)
class HeldOut:
    """Batches of held-out text of each language, learn and keep alike, and of answers in them, which have labels."""

    batches: dict[str, list[dict[str, Tensor]]]

    @classmethod
    def read(cls, recipe: Recipe, corpus: Path, model_folder: Path) -> "HeldOut":
        """`train.eval_tokens` tokens in all, the same for every language, spread over its validation documents.

        Of answers, which fill no windows, as many tokens at most; those longer than a sequence are left out.

        Raises:
            CorpusError: a language has no validation documents, or none of answers, of which there is nothing but
                these, fits into a sequence.
        """
        tokenizer = load_tokenizer(model_folder)
        counts = CorpusManifest.load(corpus).languages
        languages = [name for name in recipe.languages if name in counts]
        answers = [name for name in map(answers_in, recipe.languages) if name in counts]
        if empty := [name for name in [*languages, *answers] if counts[name].validation_files == 0]:
            raise CorpusError(
                f"train.eval_every_steps: {corpus} holds out no file of {', '.join(empty)}; add files or raise "
                "corpus.validation_share"
            )
        size, rows = recipe.train.sequence_tokens, recipe.train.batch_sequences
        count = max(recipe.train.eval_tokens // (size * len([*languages, *answers])), 1)
        batches = {}
        if languages:
            turns = window_turns(tokenizer, corpus, "validation", languages, size=size, count=count)
            by_language = zip(languages, zip(*turns, strict=True), strict=True)
            batches = {name: padded_batches(windows, rows) for name, windows in by_language}
        for name in answers:
            if found := _answers(tokenizer, corpus, name, size, count):
                batches[name] = [_labelled(found[begin : begin + rows]) for begin in range(0, len(found), rows)]
        if not batches:
            raise CorpusError(
                f"train.eval_every_steps: no answer that {corpus} holds out fits into a sequence; raise "
                "train.sequence_tokens"
            )
        return cls(batches)

    @torch.no_grad()
    def losses(self, model: PreTrainedModel) -> dict[str, float]:
        """Mean loss of a token, in nats, by language, routed as in evaluation with the thresholds as they stand.

        Nothing of the model changes, and who observes its routing sees nothing of it.
        """
        with in_evaluation(model):
            return {name: mean_loss(model, batches) for name, batches in self.batches.items()}


def _answers(tokenizer: Any, corpus: Path, name: str, size: int, count: int) -> list[_Answer]:
    """Held-out answers of `size` tokens at most, evenly spread over all, as many as fill about `count` such rows."""
    files = read_documents(corpus, "validation", name)
    found = [tokenised_answer(tokenizer, parts_of(file.text, file.cuts)) for file in files]
    found = [answer for answer in found if len(answer[0]) <= size]
    mean = sum(len(tokens) for tokens, _ in found) / max(len(found), 1)
    number = min(len(found), max(int(count * size / max(mean, 1)), 1))
    return [found[index * len(found) // number] for index in range(number)]


def _labelled(answers: list[_Answer]) -> dict[str, Tensor]:
    batch = padded([tokens for tokens, _ in answers])
    labels_BT = torch.full_like(batch["input_ids"], IGNORED_LABEL)
    for row, (_, spans) in enumerate(answers):
        for begin, end in spans:
            labels_BT[row, begin:end] = batch["input_ids"][row, begin:end]
    return batch | {"labels": labels_BT}


def mean_loss(model: Any, batches: Iterable[dict[str, Tensor]]) -> float:
    """Mean loss of the tokens that count: those with labels, or without any all but padding; 0 where none does."""
    total, count = 0.0, 0
    for batch in batches:
        batch = {key: value.to(model.device) for key, value in batch.items()}
        labels_BT = batch.pop("labels", None)
        if labels_BT is None:
            labels_BT = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED_LABEL)
        logits_BTV, targets_BT = model(**batch, use_cache=False).logits[:, :-1], labels_BT[:, 1:]
        total += F.cross_entropy(
            logits_BTV.float().flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
        ).item()
        count += int((targets_BT != IGNORED_LABEL).sum())
    return total / max(count, 1)
