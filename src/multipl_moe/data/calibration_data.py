"""Text of a corpus that calibration and the routers' statistics read, and whether its tokens fit the model."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from multipl_judge.languages.answers import answers_in, are_answers
from multipl_moe.corpus.documents import tokens_path
from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.data.spread_windows import padded_batches, window_turns
from multipl_moe.data.training_data import mixture
from multipl_moe.errors import BaseModelError, CorpusError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.start_tokens import start_tokens

_CALIBRATION_ROWS = 32
_EXPERT_USE_SEED_OFFSET = 2
_EXPERT_USE_TOKENS = 2048


def calibration_batches(
    recipe: Recipe, corpus: Path, tokenizer: PreTrainedTokenizerBase, role: str | None = None
) -> list[dict[str, torch.Tensor]]:
    """Batches of training text that set the segment thresholds: of all languages, or of those of one role."""
    languages = [name for name in _held(recipe, corpus) if role in (None, recipe.languages[name])]
    size = recipe.train.calibration_sequence_tokens
    count = max(recipe.train.calibration_tokens // (size * len(languages)), 2)
    turns = window_turns(tokenizer, corpus, "train", languages, size=size, count=count)
    return padded_batches([row for turn in turns for row in turn], _CALIBRATION_ROWS)


def expert_use_batches(recipe: Recipe, corpus: Path, gate: Sequence[str]) -> dict[str, list[dict[str, torch.Tensor]]]:
    """A batch of training text of each language, from which to tell what its experts do.

    Behind a domain gate they work for the languages of `gate` alone. A language with less text than one sequence gets
    shorter ones.
    """
    seed = recipe.seed + _EXPERT_USE_SEED_OFFSET
    batches = {}
    for name, held in _held(recipe, corpus).items():
        if gate and name not in gate:
            continue
        longest = int(np.diff(TokenFiles(tokens_path(corpus, held)).file_ends, prepend=0).max())
        sequence_tokens = min(recipe.train.calibration_sequence_tokens, longest)
        rows = max(_EXPERT_USE_TOKENS // sequence_tokens, 1)
        dataset = mixture(corpus, {held: 1.0}, num_sequences=rows, sequence_tokens=sequence_tokens, seed=seed)
        items = [dataset[row] for row in range(rows)]
        batches[name] = [{key: torch.stack([item[key] for item in items]) for key in ("input_ids", "position_ids")}]
    return batches


def _held(recipe: Recipe, corpus: Path) -> dict[str, str]:
    """Each language that the corpus has tokens of, and the name that they have there: of its files or its answers."""
    names = [(name, held) for name in recipe.languages for held in (answers_in(name), name)]
    return {name: held for name, held in names if tokens_path(corpus, held).is_dir()}


def require_known_tokens(corpus: Path, vocabulary: int) -> None:
    """Read all training tokens once; raises CorpusError where one is none of a model's so many."""
    for name in CorpusManifest.load(corpus).languages:
        TokenFiles(tokens_path(corpus, name)).require_ids_below(vocabulary)


def require_same_tokenizer(model_folder: Path, corpus: Path) -> None:
    """Check that a corpus was tokenised for the model.

    Raises:
        BaseModelError: the model has no tokenizer.
        CorpusError: it was tokenised for another model, so its tokens would mean nothing; or before documents began
            with the model's start tokens, so that the model would learn to do without.
    """
    manifest = CorpusManifest.load(corpus)
    file = model_folder / "tokenizer.json"
    if not file.is_file():
        raise BaseModelError(f"model: {model_folder} has no tokenizer.json; copy its tokenizer there")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != manifest.tokenizer_sha256:
        raise CorpusError(
            f"{corpus}: tokenised with the tokenizer of {manifest.tokenizer}, not with that of {model_folder}; "
            "build the corpus with the same --base"
        )
    start = start_tokens(load_tokenizer(model_folder))
    for name in manifest.languages if start else ():
        if not are_answers(name) and TokenFiles(tokens_path(corpus, name)).read(0, len(start)).tolist() != start:
            raise CorpusError(
                f"{corpus}: its documents in {name} lack the token that every text of {model_folder} begins with, as "
                "older versions left it out; build the corpus again"
            )
