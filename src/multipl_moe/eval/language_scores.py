"""Bits per byte of a model in each language of a recipe, and how its routers behave there."""

from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_moe.checkpoints.loading import load_model, ready_for_evaluation, require_positions
from multipl_moe.corpus.documents import read_documents
from multipl_moe.errors import CorpusError
from multipl_moe.eval.bits_per_byte import FileScore, score_files
from multipl_moe.generate.text import load_tokenizer, open_share_of
from multipl_moe.model.statistics import observe_routing
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.record import Record
from multipl_moe.runs.result import Routing


class LanguageScores(Record):
    """Scores of one model's held-out files by language, and router statistics, if it has routers."""

    files: dict[str, list[FileScore]]
    routing: Routing = {}


def score_languages(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Path,
    recipe: Recipe,
    on_language: Callable[[str], None] = lambda name: None,
) -> LanguageScores:
    """Score the held-out files of every language of the recipe in a folder that `build_corpus` wrote.

    The model, dense or hybrid, is made ready for evaluation, in place. `on_language` is told each language when done.

    Raises:
        ConfigError: windows are longer than the model can read.
        CorpusError: the corpus holds out no files of a language, told before any is scored; or none that can be.
    """
    longest = min(recipe.eval.window_tokens, recipe.eval.tokens_per_file)
    require_positions(model.config, longest, "eval.window_tokens")
    for language in recipe.languages:
        read_documents(corpus, "validation", language, 1)
    ready_for_evaluation(model)
    files: dict[str, list[FileScore]] = {}
    routing: Routing = {}
    for language in recipe.languages:
        texts = read_documents(corpus, "validation", language, recipe.eval.files_per_language)
        told = open_share_of(model.config, language) if recipe.eval.tell_language else None
        with observe_routing(model) as statistics:
            files[language] = score_files(model, tokenizer, texts, recipe.eval, told)
        if not files[language]:
            raise CorpusError(
                f"{corpus}: none of the {len(texts)} held-out texts in {language} can be scored: answers end beyond "
                "eval.tokens_per_file or eval.window_tokens, or files are of one token; raise these, or hold out more"
            )
        if statistics:
            routing[language] = {index: layer.summary() for index, layer in statistics.items()}
        on_language(language)
    return LanguageScores(files=files, routing=routing)


def score_folder(
    recipe: Recipe, folder: Path, corpus: Path, on_language: Callable[[str], None] = lambda name: None
) -> LanguageScores:
    """`score_languages` of the model in a folder, dense or hybrid."""
    return score_languages(load_model(folder), load_tokenizer(folder), corpus, recipe, on_language)
