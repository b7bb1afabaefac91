"""The keep panel: how far a model has moved from its base, by kind of text."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_model, ready_for_evaluation, require_positions
from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.data.package_files import package_files
from multipl_moe.errors import ConfigError
from multipl_moe.eval.bits_per_byte import encode
from multipl_moe.eval.movement.answers import base_answers, read_prompts
from multipl_moe.eval.movement.divergence import CountedText, TextMovement, measure_movement, summarise_movement
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.decoder import decoder_of
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Moved, Movement
from multipl_moe.start_tokens import start_tokens
from multipl_moe.system.device import dtype_name
from multipl_moe.train.machine import usable_bytes

KINDS = {
    "answers": "the base's own answers",
    "generated": "the same, prompts read first",
    "kept": "held-out files of languages to keep",
    "other": "other kinds of text",
}
MOVEMENT_COLUMNS = ("kind of text", "tokens", "nats a token", "95% interval", "first choices changed")
MOVEMENT_NOTE = (
    "KL divergence of its next-token probabilities from the base's: 0 where both predict the same, whether that is "
    "right or not. The base wrote its own answers to prompts that come with the package. If the model has a domain "
    "gate, that decides by what stands before a token; where prompts are read first, it knows all of a prompt, as in "
    "`generate` and `serve`. The intervals, 95%, are over texts."
)
_FAR = 0.1  # nats a token, ten times what the default pack moves on the base's own answers
_SHARE_OF_MEMORY = 0.5  # the rest is for what computing needs
_OTHER_TOKENS = 128
_ALL_ANSWERS, _ALL_OTHER = 10_000, 14_000  # tokens of answers and of other files, with a `moved_share` of 1
OTHER_KINDS = {  # of which a domain gate has seen none, but for `upcycle.other_text`: see `upcycle/gate_start.py`
    "Markdown": (".md",),
    "reStructuredText": (".rst",),
    "CSS": (".css",),
    "TypeScript": (".ts",),
    "YAML": (".yaml", ".yml"),
    "XML": (".xml",),
    "SQL": (".sql",),
    "shell": (".sh",),
    "PowerShell": (".ps1",),
    "Perl": (".pl", ".pm"),
    "Tcl": (".tcl",),
    "Cython": (".pyx", ".pxd"),
    "CMake": (".cmake",),
    "Jinja": (".jinja", ".j2"),
}
_FEWEST_OF_A_KIND = 3  # files; a kind with fewer is left out
_MOST_OF_A_KIND = 8  # files, so that no kind outweighs the others
_MOST_OF_A_PACKAGE = 3  # files of a kind, so that no kind is one project's style
_Parts = dict[str, list[CountedText]]
_Text = TypeVar("_Text")
OnProgress = Callable[[int, int], None]


def movement_of(
    recipe: Recipe,
    base: str,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpus: Path,
    on_progress: OnProgress = lambda done, total: None,
) -> Moved:
    """How far a model is from its base: nats a token and changed first choices.

    On `answers` of the base's own, on these with each prompt read first (`generated`, of models with domain gates), on
    `kept` files of the languages to keep, and on `other` kinds of files, which packages installed here bring
    (docs/evaluation.md). `sha256` tells whether two measurements read the same texts.

    Both models are held at once, made ready for evaluation in place, and computed in float32 where there is memory:
    in bfloat16 rounding alone moves a model by about 0.001 nats a token.

    Args:
        recipe: languages, eval and seed are used.
        base: the model before, as `resolve_base` takes it.
        on_progress: told how many tokens both models have read, of how many.

    Raises:
        BaseModelError: the base cannot be found or read.
        ConfigError: base and model have other tokenizers, or windows are longer than the model can read.
        CorpusError: the corpus holds out no files of a language.
        OutputError: the cache of the base's answers cannot be written.
    """
    folder = resolve_base(base)
    base_tokenizer = load_tokenizer(folder)
    _require_same_tokens(base, base_tokenizer, tokenizer)
    window = min(recipe.eval.window_tokens, recipe.eval.tokens_per_file)
    require_positions(model.config, window, "eval.window_tokens")
    files = {name: texts for name in recipe.keep if (texts := _held_out(corpus, name, recipe, base_tokenizer))}
    before, after, dtype = _ready(load_model(folder), model)
    prompts = {kind: _spread(asked, recipe.eval.moved_share) for kind, asked in read_prompts().items()}
    answers, others = base_answers(before, base_tokenizer, prompts), _others(recipe, base_tokenizer)
    reads_prompts = bool((decoder := decoder_of(after)) and decoder.gates)
    every = (answers, answers if reads_prompts else {}, files, others)
    read, total = 0, sum(len(text.tokens) for parts in every for texts in parts.values() for text in texts)

    def on_part(texts: Sequence[CountedText]) -> None:
        nonlocal read
        read += sum(len(text.tokens) for text in texts)
        on_progress(read, total)

    measure = partial(_measure, before, after, recipe, on_part)
    found = {"answers": measure(answers)}
    sentence = f"moved by {found['answers'].nats_per_token:.3f} nats a token on {KINDS['answers']}"
    if reads_prompts:
        found["generated"] = measure(answers, reads_prompts=True)
        sentence += f", by {found['generated'].nats_per_token:.3f} where it reads the prompt first"
    if files:
        code = [language for language in files if recipe.language_table[language].is_code]
        found["kept"] = measure(files, code, window_tokens=window)
    if others:
        found["other"] = measure(others, window_tokens=window)
    return Moved(**found, compute_dtype=dtype, sentence=sentence + _farthest(found))


def _farthest(found: Mapping[str, Movement]) -> str:
    """The kind of other text that moved farthest, if it moved far: a mean over kinds does not show it."""
    parts = {name: part for kind in ("kept", "other") if kind in found for name, part in found[kind].parts.items()}
    name = max(parts, key=lambda name: parts[name].nats_per_token, default="")
    if not name or parts[name].nats_per_token < _FAR:
        return ""
    return f"; of other text {name} moved farthest, by {parts[name].nats_per_token:.3f}"


def tokens_read(recipe: Recipe) -> float:
    """How many tokens both models read to be compared; 0: it is not asked for."""
    kept = recipe.eval.files_per_language * recipe.eval.tokens_per_file * len(recipe.keep)
    times = 2 if recipe.train.method == "experts" else 1  # with the prompts read first, too
    return recipe.eval.moved_share * (times * _ALL_ANSWERS + _ALL_OTHER + kept)


def movement_rows(moved: Moved) -> list[list[str]]:
    """Cells of a table, a row for each kind of text: `MOVEMENT_COLUMNS`."""
    rows = []
    for kind, title in KINDS.items():
        if (row := getattr(moved, kind)) is not None:
            interval = "{:.3f} to {:.3f}".format(*row.interval)
            rows.append([title, f"{row.tokens:,}", f"{row.nats_per_token:.3f}", interval, f"{row.changed:.1%}"])
    return rows


def movement_cell(moved: Moved) -> str:
    """Nats a token on the base's own answers, with their interval."""
    low, high = moved.answers.interval
    return f"{moved.answers.nats_per_token:.3f} [{low:.3f}, {high:.3f}]"


def _ready(base: PreTrainedModel, model: PreTrainedModel) -> tuple[PreTrainedModel, PreTrainedModel, str]:
    num_before, num_after = base.config.vocab_size, model.config.vocab_size
    if num_after < num_before:
        raise ConfigError(f"--against: it has {num_before} tokens, and the model {num_after}; give the model's base")
    parameters = [*base.parameters(), *model.parameters()]
    needed = sum(4 * parameter.numel() - parameter.nbytes for parameter in parameters)
    if needed < _SHARE_OF_MEMORY * usable_bytes():
        base.float()
        model.float()
    before, after = ready_for_evaluation(base), ready_for_evaluation(model)
    return before, after, "/".join(sorted({dtype_name(one.dtype) for one in (before, after)}))


def _measure(
    base: PreTrainedModel,
    model: PreTrainedModel,
    recipe: Recipe,
    on_part: Callable[[Sequence[CountedText]], None],
    parts: _Parts,
    names_of_total: Sequence[str] = (),
    **ways: Any,
) -> Movement:
    by_part: dict[str, list[TextMovement]] = {}
    for name, texts in parts.items():
        by_part[name] = measure_movement(base, model, texts, batch_tokens=recipe.eval.batch_tokens // 2, **ways)
        on_part(texts)

    def summary(names: Sequence[str]) -> Movement:
        movements = [movement for name in names for movement in by_part[name]]
        return summarise_movement(movements, samples=recipe.eval.bootstrap_samples, seed=recipe.seed)

    digest = hashlib.sha256(json.dumps([[text.tokens for text in texts] for texts in parts.values()]).encode())
    summaries = {name: summary([name]) for name in parts}
    return summary(names_of_total or list(parts)).but(sha256=digest.hexdigest(), parts=summaries)


def _part(share: float, count: int) -> int:
    """So many of a number of texts, but two at least where there are two."""
    return min(max(round(share * count), 2), count)


def _spread(texts: Sequence[_Text], share: float) -> list[_Text]:
    """A share of texts, evenly from all over the list."""
    part = _part(share, len(texts))
    return [texts[index * len(texts) // part] for index in range(part)]


def _held_out(corpus: Path, language: str, recipe: Recipe, tokenizer: Any) -> list[CountedText]:
    limit = _part(recipe.eval.moved_share, recipe.eval.files_per_language)
    files = read_documents(corpus, "validation", language, limit)
    return _counted(files, tokenizer, recipe.eval.tokens_per_file)


def _others(recipe: Recipe, tokenizer: Any) -> _Parts:
    found = package_files(OTHER_KINDS, recipe.endings, most_files=_MOST_OF_A_KIND, most_of_one=_MOST_OF_A_PACKAGE)
    return {
        kind: _counted(_spread(files, recipe.eval.moved_share), tokenizer, _OTHER_TOKENS)
        for kind, files in found.items()
        if len(files) >= _FEWEST_OF_A_KIND
    }


def _counted(files: Sequence[TextFile], tokenizer: Any, max_tokens: int) -> list[CountedText]:
    """The files' tokens, as bits per byte read them; files without a token that counts are left out."""
    start = start_tokens(tokenizer)
    texts = [CountedText(encode(tokenizer, start, file.text, max_tokens)[0], len(start)) for file in files]
    return [text for text in texts if text.num_counted > 0]


def _require_same_tokens(base: str, before: PreTrainedTokenizerBase, after: PreTrainedTokenizerBase) -> None:
    """Check that every token of the base means the same to the model, which may have more."""
    others = before.get_vocab().items() - after.get_vocab().items()
    if others:
        raise ConfigError(
            f"--against: {base} has another tokenizer than the model ({len(others):,} of its tokens are others there); "
            "how far a model moved can be told only from a base with the same tokens; bits per byte can be compared"
        )
