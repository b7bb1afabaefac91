"""Rows of embedding and output layer for tokens that a base's tokenizer gets.

A new row is the mean of the rows of all tokens there are, and a little noise. With the mean, a new token is at first
about as likely as the average one, so the model writes what it wrote before; with small random numbers its logit is
about 0, and where all others are well below, the model writes nothing else (Hewitt 2021, "Initializing New Word
Embeddings for Pretrained Language Models").
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from multipl_moe.checkpoints.loading import load_config
from multipl_moe.checkpoints.tensors import (
    CheckpointReader,
    TensorPlan,
    copy_companions,
    expert_generator,
    write_checkpoint,
)
from multipl_moe.fim_tokens import FIM_KEY, NEW_KEY, FimVocabulary, fim_vocabulary
from multipl_moe.model.configuration import MultiplMoeConfig
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.system.staging import require_space, staged_folder

_ENDS = ("embed_tokens.weight", "lm_head.weight")
_ROW_MULTIPLE = 8  # of 16 bits: matrix products are fast where rows begin at multiples of 16 bytes
_NOISE_SHARE = 0.1  # of the standard deviation that the family's own weights begin with
_SPARE_BYTES = 64_000_000


class ExtendedReader(CheckpointReader):
    """The tensors of a base with rows for new tokens; all other rows and tensors are the base's own.

    Where the base has more rows than its tokenizer has tokens, new tokens take those that are free.

    Args:
        new_ids: of the new tokens, ascending.
        num_rows: of embedding and output layer, as `num_rows_with` gives it.
        scale, seed: standard deviation of the noise, and its seed.
    """

    def __init__(self, folder: Path, new_ids: Sequence[int], num_rows: int, *, scale: float, seed: int) -> None:
        super().__init__(folder)
        self._new_ids, self._scale, self._seed = list(new_ids), scale, seed
        self._ends = {key for key in self.shapes if key.endswith(_ENDS)}
        self._num_rows = num_rows
        for key in self._ends:
            self.shapes[key] = (num_rows, *self.shapes[key][1:])

    def file(self, key: str) -> Path | None:
        """None where a tensor has new rows."""
        return None if key in self._ends else super().file(key)

    def read(self, key: str, index: int | None = None) -> Tensor:
        """A tensor, with the new rows where it has any."""
        weight = super().read(key, index)
        if key not in self._ends or index is not None:
            return weight
        mean = weight[: self._new_ids[0]].mean(dim=0, dtype=torch.float32)
        generator = expert_generator(self._seed, 0, 0, key)
        fresh = sorted({*self._new_ids, *range(len(weight), self._num_rows)})
        noise = torch.randn((len(fresh), *mean.shape), generator=generator) * self._scale
        extended = torch.cat([weight, weight.new_empty(self._num_rows - len(weight), *mean.shape)])
        extended[fresh] = (mean + noise).to(weight.dtype)
        return extended


def num_rows_with(vocabulary: FimVocabulary, num_rows: int) -> int:
    """Rows that an embedding of `num_rows` needs; none more where there are free ones."""
    needed = max((index + 1 for index in vocabulary.new_ids), default=0)
    if needed <= num_rows:
        return num_rows
    return -(-needed // _ROW_MULTIPLE) * _ROW_MULTIPLE if num_rows % _ROW_MULTIPLE == 0 else needed


def wanted_vocabulary(recipe: Recipe, folder: Path) -> FimVocabulary | None:
    """The tokens that the recipe's corpus needs, by the tokenizer in a model's folder; None where it needs none.

    Raises:
        UserError: as in `fim_vocabulary`.
    """
    return fim_vocabulary(recipe.corpus.fim.tokens, folder) if recipe.corpus.fim.rate else None


def extend_config(config: PreTrainedConfig, vocabulary: FimVocabulary | None) -> None:
    """Note the tokens in a base's configuration, and the rows that it gets."""
    if vocabulary is None:
        return
    values: Any = config
    values.vocab_size = num_rows_with(vocabulary, values.vocab_size)
    setattr(config, FIM_KEY, list(vocabulary.tokens))
    if vocabulary.new_ids:
        setattr(config, NEW_KEY, list(vocabulary.new_ids))


def open_base(folder: Path, config: PreTrainedConfig, vocabulary: FimVocabulary | None, seed: int) -> CheckpointReader:
    """The tensors of a base, extended where tokens are new; `config` is the base's after `extend_config`."""
    if vocabulary is None or not vocabulary.new_ids:
        return CheckpointReader(folder)
    values: Any = config
    scale = _NOISE_SHARE * values.initializer_range
    return ExtendedReader(folder, vocabulary.new_ids, values.vocab_size, scale=scale, seed=seed)


def dense_start(recipe: Recipe, folder: Path, output: Path) -> Path:
    """The dense model to train from: the given one, or where its tokenizer lacks tokens, an extended copy at `output`.

    Raises:
        UserError: the model or its tokenizer cannot be used, or the disk has no room.
    """
    vocabulary = wanted_vocabulary(recipe, folder)
    if vocabulary is None or not vocabulary.new_ids:
        return folder
    if output.is_dir():
        return output
    config = load_config(folder)
    if config.model_type == MultiplMoeConfig.model_type:
        return folder  # which cannot be trained as a dense model, and is refused as such
    extend_config(config, vocabulary)
    reader = open_base(folder, config, vocabulary, recipe.seed)
    plans = [
        TensorPlan(key, shape, reader.dtype(key), lambda key=key: [reader.read(key)])
        for key, shape in reader.shapes.items()
    ]
    require_space(output, sum(plan.num_bytes for plan in plans) + _SPARE_BYTES)
    with staged_folder(output) as staging:
        write_checkpoint(plans, staging)
        config.save_pretrained(staging)
        copy_companions(folder, staging)
        vocabulary.write_tokenizer(staging)
    return output
