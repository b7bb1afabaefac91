"""Building a corpus folder: read, deduplicate, split, write, tokenise, as datatrove pipelines in one process."""

import contextlib
import gzip
import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import (
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.logging import logger, setup_default_logger
from fsspec.compression import register_compression

from multipl_moe.corpus.decontamination.filter import Decontaminate
from multipl_moe.corpus.decontamination.sources import Decontamination, prepare_decontamination
from multipl_moe.corpus.duplicates import MINHASH, CodeWords, ExactDuplicates
from multipl_moe.corpus.manifest import DROP_REASONS, FORMAT_VERSION, CorpusManifest, LanguageCounts
from multipl_moe.corpus.sources import SourceReader
from multipl_moe.corpus.split import SplitByFile
from multipl_moe.corpus.tokens import LanguageTokenizer, eos_token
from multipl_moe.errors import CorpusError
from multipl_moe.recipe import Recipe
from multipl_moe.run_folder import record_run
from multipl_moe.staging import staged_folder

# gzip with no time of writing in its header, so that equal documents give equal files.
_COMPRESSION = "gzip-reproducible"
register_compression(
    _COMPRESSION, lambda file, mode, **_: gzip.GzipFile("", mode, 6, file, mtime=0), extensions=[], force=True
)


def build_corpus(
    recipe: Recipe, tokenizer_folder: Path, output: Path, on_progress: Callable[[str], None] = lambda message: None
) -> CorpusManifest:
    """Build a corpus folder from the recipe's sources.

    It holds documents/{train,validation}/LANGUAGE.jsonl.gz (text, id, metadata), tokens/train/LANGUAGE/*.ds with
    *.ds.index (end of each document in tokens, uint64), manifest.json and datatrove's logs. Apart from the logs, equal
    recipes and sources give equal bytes.

    Args:
        recipe: languages, seed and the section `corpus`.
        tokenizer_folder: holds tokenizer.json and names an EOS token, which closes every document.
        output: folder to make; a failure or Ctrl-C leaves none.
        on_progress: is told, in a sentence, what happens next.

    Raises:
        OutputError: the output exists.
        CorpusError: a source cannot be used, or languages are left with too few files; all of them are named.
        BaseModelError: the tokenizer cannot be used.
    """
    eos = eos_token(tokenizer_folder)
    decontamination = prepare_decontamination(recipe)
    if decontamination.note:
        on_progress(decontamination.note)
    with staged_folder(output.absolute()) as staging:  # fsspec remembers the folder that relative paths began in
        counts = _run_pipelines(recipe, tokenizer_folder / "tokenizer.json", eos, staging, on_progress, decontamination)
        shutil.rmtree(staging / "work")
        manifest = _manifest(recipe, tokenizer_folder, staging, counts, decontamination)
        manifest.save(staging)
        record_run(staging, recipe)
    return manifest


def _run_pipelines(
    recipe: Recipe,
    tokenizer_file: Path,
    eos: str,
    staging: Path,
    on_progress: Callable[[str], None],
    decontamination: Decontamination,
) -> Counter[str]:
    """Fill the staging folder; returns the statistics of all steps."""
    work = staging / "work"
    on_progress(f"Reading {', '.join(recipe.languages)}")
    counts = _execute(
        "1_read",
        lambda: [
            SourceReader(recipe.corpus, recipe.languages, recipe.seed),
            Decontaminate(decontamination.index),
            ExactDuplicates(),
            JsonlWriter(str(work / "pool"), compression=None),
        ],
        staging,
    )
    num_drawn = {f"drawn/{language}": _num_drawn(counts, language) for language in recipe.languages}
    counts.update(num_drawn)
    if recipe.corpus.near_duplicates:
        on_progress(f"Looking for near duplicates among {sum(num_drawn.values())} files")
        _find_near_duplicates(staging)
    on_progress("Splitting and tokenising")
    written = _execute(
        "5_write",
        lambda: [
            _pool_reader(staging),
            MinhashDedupFilter(str(work / "remove")),
            SplitByFile(recipe.corpus.validation_share),
            JsonlWriter(str(staging / "documents"), "${split}/${language}.jsonl.gz", compression=_COMPRESSION),
            LanguageTokenizer(staging / "tokens" / "train", tokenizer_file, eos),
        ],
        staging,
    )
    counts.update(written)
    _require_files(recipe, counts)
    return counts


def _find_near_duplicates(staging: Path) -> None:
    """Write work/remove, the list of documents of the pool that are near duplicates of others in it."""
    signatures, buckets, remove = (str(staging / "work" / name) for name in ("signatures", "buckets", "remove"))
    words: Any = CodeWords()  # datatrove takes a tokenizer where its annotation says the name of a language
    _execute(
        "2_signatures", lambda: [_pool_reader(staging), MinhashDedupSignature(signatures, MINHASH, words)], staging
    )
    _execute(
        "3_buckets",
        lambda: [MinhashDedupBuckets(signatures, buckets, config=MINHASH, lines_to_buffer=1000)],
        staging,
        tasks=MINHASH.num_buckets,
    )
    _execute("4_clusters", lambda: [MinhashDedupCluster(buckets, remove, MINHASH, lines_to_buffer=1000)], staging)


def _pool_reader(staging: Path) -> JsonlReader:
    return JsonlReader(str(staging / "work" / "pool"), add_file_path=False)


def _execute(name: str, make_steps: Callable[[], list[PipelineStep]], staging: Path, tasks: int = 1) -> Counter[str]:
    """Make and run one pipeline in this process; returns the totals of its statistics by label."""
    logs = staging / "logs" / name
    logs.mkdir(parents=True)
    with _log_to(logs / "terminal.log"):
        executor = LocalPipelineExecutor(list(make_steps()), tasks=tasks, workers=1, logging_dir=str(logs))
        stats: Any = executor.run()
    totals: Counter[str] = Counter()
    for step in stats.stats:
        totals.update({label: int(metric.total) for label, metric in step.stats.items()})
    return totals


@contextlib.contextmanager
def _log_to(file: Path) -> Iterator[None]:
    """Send what datatrove tells the terminal to a file: it adds a handler on sys.stderr before and after each task."""
    try:
        with file.open("w", encoding="utf-8") as stream, contextlib.redirect_stderr(stream):
            try:
                logger.remove()
                logger.add(stream)
                yield
            finally:
                logger.remove()
    finally:
        setup_default_logger()


def _require_files(recipe: Recipe, counts: Counter[str]) -> None:
    """Each language needs a file to train on and one held out."""
    problems = []
    for language in recipe.languages:
        if counts[f"train_files/{language}"] and counts[f"validation_files/{language}"]:
            continue
        dropped = [f"{reason} {number}" for reason, number in _dropped(counts, language).items() if number]
        left = counts[f"train_files/{language}"]
        problems.append(
            f"{language}: {left} of {counts[f'found/{language}']} files left ({', '.join(dropped) or 'none dropped'})"
        )
    if problems:
        raise CorpusError(
            f"too few usable source files: {'; '.join(problems)}; each language needs at least 2: "
            "add to corpus.sources or loosen the limits of the section corpus"
        )


def _manifest(
    recipe: Recipe, tokenizer_folder: Path, staging: Path, counts: Counter[str], decontamination: Decontamination
) -> CorpusManifest:
    languages = {
        language: LanguageCounts(
            train_files=counts[f"train_files/{language}"],
            train_bytes=counts[f"train_bytes/{language}"],
            train_tokens=_num_tokens(staging / "tokens" / "train" / language),
            validation_files=counts[f"validation_files/{language}"],
            validation_bytes=counts[f"validation_bytes/{language}"],
            licences=_licences(counts, language),
            dropped=_dropped(counts, language),
        )
        for language in recipe.languages
    }
    digest = hashlib.sha256((tokenizer_folder / "tokenizer.json").read_bytes()).hexdigest()
    checks = decontamination.checks(counts)
    return CorpusManifest(FORMAT_VERSION, recipe.seed, tokenizer_folder.resolve().name, digest, languages, checks)


def _num_tokens(folder: Path) -> int:
    return sum(int(np.fromfile(index, np.uint64)[-1]) for index in folder.glob("*.ds.index"))


def _licences(counts: Counter[str], language: str) -> dict[str, int]:
    prefix = f"licences/{language}/"
    return {label.removeprefix(prefix): counts[label] for label in sorted(counts) if label.startswith(prefix)}


def _dropped(counts: Counter[str], language: str) -> dict[str, int]:
    dropped = {reason: counts[f"dropped/{reason}/{language}"] for reason in DROP_REASONS}
    kept = counts[f"train_files/{language}"] + counts[f"validation_files/{language}"]
    return dropped | {"near_duplicate": counts[f"drawn/{language}"] - kept}


def _num_drawn(counts: Counter[str], language: str) -> int:
    """Files that were read and are no exact duplicate."""
    return counts[f"found/{language}"] - sum(counts[f"dropped/{reason}/{language}"] for reason in DROP_REASONS)
