"""The tokens of a corpus as training and calibration read them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.corpus.packed import MixtureDataset, PackedTokens
from multipl_moe.errors import CorpusError
from multipl_moe.recipe import Recipe

_CALIBRATION_SEED_OFFSET = 1
_CALIBRATION_ROWS = 32
_EXPERT_USE_SEED_OFFSET = 2
_EXPERT_USE_TOKENS = 2048


def mixture(
    corpus: Path, weights: dict[str, float], *, num_sequences: int, sequence_tokens: int, seed: int
) -> MixtureDataset:
    """The packed sequences of the corpus, mixed by `weights`.

    Raises:
        CorpusError: a language of the mixture has no tokens in the corpus.
    """
    datasets = {}
    for language in weights:
        folder = corpus / "tokens" / "train" / language
        if not folder.is_dir():
            raise CorpusError(f"train.weights: {language} has no tokens in {corpus}; add it to the corpus")
        datasets[language] = PackedTokens(folder, sequence_tokens)
    return MixtureDataset(datasets, weights, num_sequences, seed)


def training_data(recipe: Recipe, corpus: Path, num_sequences: int) -> MixtureDataset:
    """The sequences that the recipe trains on, in order."""
    tokens = recipe.train.sequence_tokens
    weights = recipe.mixture_weights
    return mixture(corpus, weights, num_sequences=num_sequences, sequence_tokens=tokens, seed=recipe.seed)


def calibration_batches(recipe: Recipe, corpus: Path) -> Iterator[dict[str, torch.Tensor]]:
    """Batches of training text of all languages, learn and keep alike, that set the segment thresholds."""
    present = dict.fromkeys(_languages_with_tokens(recipe, corpus), 1.0)
    sequence_tokens = recipe.train.calibration_sequence_tokens
    num_sequences = max(recipe.train.calibration_tokens // sequence_tokens, 2)
    seed = recipe.seed + _CALIBRATION_SEED_OFFSET
    dataset = mixture(corpus, present, num_sequences=num_sequences, sequence_tokens=sequence_tokens, seed=seed)
    rows = min(_CALIBRATION_ROWS, num_sequences)
    for begin in range(0, num_sequences - num_sequences % rows, rows):
        yield _inputs(dataset, range(begin, begin + rows))


def expert_use_batches(recipe: Recipe, corpus: Path) -> dict[str, list[dict[str, torch.Tensor]]]:
    """A batch of training text of each language, from which to tell what its experts do."""
    sequence_tokens = recipe.train.calibration_sequence_tokens
    rows = max(_EXPERT_USE_TOKENS // sequence_tokens, 1)
    seed = recipe.seed + _EXPERT_USE_SEED_OFFSET
    batches = {}
    for name in _languages_with_tokens(recipe, corpus):
        dataset = mixture(corpus, {name: 1.0}, num_sequences=rows, sequence_tokens=sequence_tokens, seed=seed)
        batches[name] = [_inputs(dataset, range(rows))]
    return batches


def _languages_with_tokens(recipe: Recipe, corpus: Path) -> list[str]:
    return [name for name in recipe.languages if (corpus / "tokens" / "train" / name).is_dir()]


def _inputs(dataset: MixtureDataset, indices: range) -> dict[str, torch.Tensor]:
    items = [dataset[index] for index in indices]
    return {key: torch.stack([item[key] for item in items]) for key in ("input_ids", "position_ids")}


def require_same_tokenizer(model_folder: Path, corpus: Path) -> None:
    """Raise CorpusError when the corpus was tokenised for another model: its tokens would mean nothing."""
    manifest = CorpusManifest.load(corpus)
    digest = hashlib.sha256((model_folder / "tokenizer.json").read_bytes()).hexdigest()
    if digest != manifest.tokenizer_sha256:
        raise CorpusError(
            f"{corpus}: tokenised with the tokenizer of {manifest.tokenizer}, not with that of {model_folder}; "
            "build the corpus with the same --base"
        )
