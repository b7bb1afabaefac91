"""The sequences that a run trains on, in order: the corpus's packed tokens, mixed as the recipe says."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Subset

from multipl_judge.languages.answers import answers_in, are_answers, language_of
from multipl_moe.corpus.documents import tokens_path
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.data.mixture_dataset import MixtureDataset, shares_within, weights_by_size
from multipl_moe.data.packed import PackedTokens
from multipl_moe.data.packing import Packing, PackingCounts
from multipl_moe.errors import ConfigError, CorpusError
from multipl_moe.recipe.recipe import Recipe

_ROUNDING = 1e-9


@dataclass(frozen=True)
class LanguageShare:
    """A part of a run: a language, or the answers in one.

    Attributes:
        role: "learn" or "keep".
        share_asked: share of the tokens that the recipe asks for.
        share: share that it gets, of tokens without padding.
        epochs: passes over its text, those of `train.skip_tokens` included.
        capped: whether `train.max_epochs` gave it less than was asked for.
        packing: what packing makes of all of its text.
    """

    role: str
    share_asked: float
    share: float
    sequences: int
    tokens: int
    padding_tokens: int
    epochs: float
    capped: bool
    packing: PackingCounts


@dataclass(frozen=True)
class MixtureSummary:
    """What a run reads: its packing into sequences of T places, and each language's share by name.

    `order_sha256` is a hash of which documents are in which sequence and in which order they come.
    """

    packing: Packing
    sequence_tokens: int
    order_sha256: str
    languages: dict[str, LanguageShare]

    @property
    def padding_share(self) -> float:
        """Of all places."""
        places = sum(part.tokens + part.padding_tokens for part in self.languages.values())
        return sum(part.padding_tokens for part in self.languages.values()) / places

    @property
    def warnings(self) -> list[str]:
        """A line for each language that gets nothing, or less than was asked for."""
        unread = [
            f"{name}: none of it is read: {part.share_asked:.1%} of so few tokens are not one sequence (train.tokens)"
            for name, part in self.languages.items()
            if part.sequences == 0
        ]
        left_out = [
            f"{name}: {part.packing.cut_documents} of {part.packing.documents} are longer than a sequence and left out "
            "(train.sequence_tokens)"
            for name, part in self.languages.items()
            if are_answers(name) and part.packing.cut_documents
        ]
        capped = [
            f"{name}: {part.epochs:.3g} passes over its text give {part.share:.1%} of the tokens, not the "
            f"{part.share_asked:.1%} asked for (train.max_epochs)"
            for name, part in self.languages.items()
            if part.capped
        ]
        return unread + left_out + capped

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dict."""
        return asdict(self) | {"padding_share": self.padding_share}


class TrainingData(Subset[dict[str, Tensor]]):
    """The sequences of a mixture from `begin` on."""

    def __init__(self, mixed: MixtureDataset, begin: int, summary: MixtureSummary) -> None:
        super().__init__(mixed, range(begin, len(mixed)))
        self.mixed, self.summary = mixed, summary

    def language_of(self, index: int) -> str:
        """The language whose turn it is."""
        return self.mixed.language_of(self.indices[index])


def training_data(recipe: Recipe, corpus: Path, num_sequences: int) -> TrainingData:
    """The sequences that the recipe trains on, in order, from `train.skip_tokens` on.

    Weights are shares of tokens, padding left out: a language whose sequences hold more padding gets more of them.
    Answers are packed whole, whatever `train.packing` is.

    Raises:
        ConfigError: a language would be read more often than `train.max_epochs`, or the corpus is too small for it.
        CorpusError: a language of the mixture has no tokens in the corpus.
    """
    train = recipe.train
    begin = train.skip_tokens // train.sequence_tokens
    weights = _with_answers(_token_weights(recipe, corpus), recipe, corpus)
    answers = list(filter(are_answers, weights))
    files = [name for name in weights if name not in answers]
    datasets = packed_languages(corpus, files, train.sequence_tokens, train.packing)
    datasets |= packed_languages(corpus, answers, train.sequence_tokens, "whole")
    wanted = {name: weight / (1 - datasets[name].counts.padding_share) for name, weight in weights.items()}
    shares, above = _within_epochs(recipe, datasets, wanted, begin + num_sequences)
    mixed = MixtureDataset(datasets, shares, begin + num_sequences, recipe.seed)
    return TrainingData(mixed, begin, _summary(recipe, datasets, weights, mixed, begin, above))


def mixture(
    corpus: Path, weights: dict[str, float], *, num_sequences: int, sequence_tokens: int, seed: int
) -> MixtureDataset:
    """Windows of the corpus's tokens, mixed by `weights`; CorpusError where a language has none in the corpus."""
    datasets = packed_languages(corpus, list(weights), sequence_tokens, "windows")
    return MixtureDataset(datasets, weights, num_sequences, seed)


def packed_languages(
    corpus: Path, languages: list[str], sequence_tokens: int, packing: Packing
) -> dict[str, PackedTokens]:
    """The packed tokens of each language; CorpusError where it has none in the corpus."""
    datasets = {}
    for language in languages:
        folder = tokens_path(corpus, language)
        if not folder.is_dir():
            raise CorpusError(
                f"learn, keep: {language} has no tokens in {corpus}; add it to the corpus, or name only languages that "
                "are in it"
            )
        datasets[language] = PackedTokens(folder, sequence_tokens, packing)
    return datasets


def _token_weights(recipe: Recipe, corpus: Path) -> dict[str, float]:
    temperature, weights = recipe.train.mixture_temperature, recipe.mixture_weights
    if temperature is None:
        return weights
    counts = CorpusManifest.load(corpus).languages
    by_role = {}
    for role, mean in {"learn": 1.0, "keep": recipe.train.replay}.items():
        sizes = {
            name: sum(counts[held].train_bytes for held in (name, answers_in(name)) if held in counts)
            for name in weights
            if recipe.languages[name] == role
        }
        by_role |= weights_by_size(sizes, temperature, mean)
    return by_role


def _with_answers(weights: Mapping[str, float], recipe: Recipe, corpus: Path) -> dict[str, float]:
    """The weights of languages with those of the answers that the corpus holds in them, as `train.answers` says."""
    share, chosen = recipe.train.answers, {}
    for name, weight in weights.items():
        has_answers = share != 0 and tokens_path(corpus, answers_in(name)).is_dir()
        if not has_answers or (share != "alone" and tokens_path(corpus, name).is_dir()):
            chosen[name] = weight
        if has_answers:
            chosen[answers_in(name)] = weight * (1.0 if share == "alone" else share)
    return chosen


def _within_epochs(
    recipe: Recipe, datasets: Mapping[str, PackedTokens], weights: dict[str, float], num_sequences: int
) -> tuple[dict[str, float], set[str]]:
    """The weights, in sequences, brought within `train.max_epochs` or refused, and the languages that it bounds."""
    max_epochs = recipe.train.max_epochs
    if max_epochs is None:
        return weights, set()
    most = {name: int(max_epochs * len(datasets[name])) / num_sequences for name in weights}
    total = sum(weights.values())
    above = [name for name, weight in weights.items() if weight / total > most[name] + _ROUNDING]
    if not above:
        return weights, set()
    if recipe.train.on_max_epochs == "refuse":
        passes = {name: num_sequences * weights[name] / total / len(datasets[name]) for name in above}
        listed = ", ".join(f"{count:.3g} passes over {name}" for name, count in passes.items())
        raise ConfigError(
            f"train.max_epochs: {listed} would be read, more than {max_epochs:g}; lower train.tokens or the weight, "
            "add text, or set train.on_max_epochs to cap"
        )
    shares = shares_within(weights, most)
    if sum(shares.values()) < 1 - _ROUNDING:
        held = sum(int(max_epochs * len(dataset)) for dataset in datasets.values()) * recipe.train.sequence_tokens
        wanted = num_sequences * recipe.train.sequence_tokens
        raise ConfigError(
            f"train.max_epochs: {max_epochs:g} passes over all languages are {held:,} tokens, fewer than the "
            f"{wanted:,} of train.tokens and skip_tokens; lower these or add text"
        )
    return shares, set(above)


def _summary(
    recipe: Recipe,
    datasets: Mapping[str, PackedTokens],
    weights: Mapping[str, float],
    mixed: MixtureDataset,
    begin: int,
    capped: Collection[str],
) -> MixtureSummary:
    items = {name: mixed.items(name, begin, len(mixed)) for name in mixed.languages}
    tokens = {name: int(datasets[name].num_tokens(items[name]).sum()) for name in items}
    languages = {
        name: LanguageShare(
            role=recipe.languages[language_of(name)],
            share_asked=weights[name] / sum(weights.values()),
            share=tokens[name] / sum(tokens.values()),
            sequences=len(items[name]),
            tokens=tokens[name],
            padding_tokens=len(items[name]) * recipe.train.sequence_tokens - tokens[name],
            epochs=mixed.epochs[name],
            capped=name in capped,
            packing=datasets[name].counts,
        )
        for name in items
    }
    train = recipe.train
    parts = [mixed.sha256, train.packing, str(train.sequence_tokens), *(datasets[name].sha256 for name in items)]
    order = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return MixtureSummary(train.packing, train.sequence_tokens, order, languages)
