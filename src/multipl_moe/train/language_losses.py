"""The training loss of each language, from the losses of tokens that a step computes anyway."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from multipl_moe.model.documents import IGNORED_LABEL

LANGUAGE_KEY = "language"


class WithLanguage(Dataset[dict[str, Any]]):
    """The items of a dataset that has `language_of`, each with the number of its language under `language`."""

    def __init__(self, dataset: Any, languages: Sequence[str]) -> None:
        self._dataset = dataset
        self.languages = list(languages)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item, and the number of its language."""
        return self._dataset[index] | {LANGUAGE_KEY: self.languages.index(self._dataset.language_of(index))}


class LanguageLosses:
    """A causal language model's loss function that also sums the losses of tokens by language.

    What a model adds to this loss, such as load balancing, is not counted.

    Attributes:
        languages: names, by number.
        rows: (B,) number of the language of each row of the coming forward pass.
    """

    def __init__(self, languages: Sequence[str]) -> None:
        self.languages = list(languages)
        self.rows: Tensor | None = None
        self._sums_L2 = torch.zeros(len(self.languages), 2, dtype=torch.float64)

    def __call__(
        self,
        logits: Tensor,
        labels: Tensor,
        vocab_size: int,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Transformers' ForCausalLMLoss: the mean over labels, or their sum divided by `num_items_in_batch`."""
        targets_BT = F.pad(labels, (0, 1), value=IGNORED_LABEL)[:, 1:].to(logits.device)
        losses_N = F.cross_entropy(
            logits.float().view(-1, vocab_size), targets_BT.reshape(-1), ignore_index=IGNORED_LABEL, reduction="none"
        )
        return self.of_tokens(losses_N, targets_BT, num_items_in_batch)

    def of_tokens(self, losses_N: Tensor, targets_BT: Tensor, num_items_in_batch: Tensor | int | None) -> Tensor:
        """The same from the losses of all tokens, row after row, 0 where `targets_BT` has nothing to predict."""
        is_target_BT = targets_BT != IGNORED_LABEL
        if self.rows is not None:
            losses_B2 = torch.stack([losses_N.detach().view_as(targets_BT).sum(1), is_target_BT.sum(1)], dim=1)
            sums_L2 = self._sums_L2.to(losses_N.device)
            self._sums_L2 = sums_L2.index_add(0, self.rows.to(losses_N.device), losses_B2.to(sums_L2))
        return losses_N.sum() / (is_target_BT.sum() if num_items_in_batch is None else num_items_in_batch)

    def take(self) -> Tensor:
        """(L, 2) sum of losses and number of tokens of each language since the last call."""
        sums_L2, self._sums_L2 = self._sums_L2, torch.zeros_like(self._sums_L2)
        return sums_L2

    def means(self, sums_L2: Tensor) -> dict[str, float]:
        """Mean loss of a token, in nats, of the languages that had any."""
        return {
            name: total / count for name, (total, count) in zip(self.languages, sums_L2.tolist(), strict=True) if count
        }

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Serve as the model's loss function while the block runs."""
        wrapped: Any = model  # by peft, perhaps
        causal_lm = wrapped.get_base_model() if hasattr(model, "get_base_model") else wrapped
        causal_lm.loss_function = self
        try:
            yield
        finally:
            del causal_lm._loss_function
