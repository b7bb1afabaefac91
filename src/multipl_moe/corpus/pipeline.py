"""Building a corpus folder: the stages, each a datatrove pipeline of many tasks, and the folder that comes of them."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datatrove.pipeline.dedup import MinhashDedupCluster
from datatrove.pipeline.writers import JsonlWriter

from multipl_judge.cache_folder import cache_folder
from multipl_judge.languages.answers import answers_in
from multipl_moe.corpus.clean.replace_secrets import ReplaceSecrets
from multipl_moe.corpus.clean.unwritten import Kind, unwritten_sign
from multipl_moe.corpus.decontamination.index import Decontaminate
from multipl_moe.corpus.decontamination.sources import Decontamination, counted_below, prepare_decontamination
from multipl_moe.corpus.documents import tokens_path
from multipl_moe.corpus.dropped import DropFor, DroppedWriter, ReproducibleWriter, gather_dropped
from multipl_moe.corpus.duplicates.minhash import MINHASH, BucketMatches, CodeSignature
from multipl_moe.corpus.duplicates.pool import PoolOrder, read_pool, write_index
from multipl_moe.corpus.duplicates.removal import (
    CLUSTERS_NAME,
    DuplicateClusters,
    WithoutRemoved,
    list_exact_duplicates,
)
from multipl_moe.corpus.fim import FIM_FORMS, FimRule
from multipl_moe.corpus.licences.header_removal import remove_licence_headers
from multipl_moe.corpus.licences.licence_files import refused_licence
from multipl_moe.corpus.manifest import DROP_REASONS, FORMAT_VERSION, MANIFEST_NAME, CorpusManifest, LanguageCounts
from multipl_moe.corpus.read.answers import AnswerTexts
from multipl_moe.corpus.read.checks import require_sources
from multipl_moe.corpus.read.sources import SourceReader, no_files
from multipl_moe.corpus.run.executors import run_stages
from multipl_moe.corpus.run.stages import Listeners, OnTasks, Stage, Step
from multipl_moe.corpus.split import SplitByFile, mark_held_out
from multipl_moe.corpus.tokens import DocumentBounds, LanguageTokenizer, document_bounds
from multipl_moe.errors import CorpusError, UserError
from multipl_moe.fim_tokens import require_fim_tokens
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.folder import record_run, write_text
from multipl_moe.spdx import LicencePolicy
from multipl_moe.system.staging import resumable_folder

_READ = "1_read"
_SEARCHES_PER_PART = 4  # a task has its price, which in a small corpus is more than the search itself
_KEY_NAME = "build_key"
_MARKS = "held_out"


def build_corpus(
    recipe: Recipe,
    tokenizer_folder: Path,
    output: Path,
    on_progress: Callable[[str], None] = lambda message: None,
    on_tasks: OnTasks | None = None,
) -> CorpusManifest:
    """Build a corpus folder from the recipe's sources, or go on with building it.

    docs/corpus.md says what is in it. Apart from the logs and the recorded recipe, equal sources and recipes give equal
    bytes, wherever the tasks run, however many at a time, and however often the build was stopped and started again.

    Args:
        recipe: languages, seed and the section `corpus`.
        tokenizer_folder: holds tokenizer.json, for rows of messages a chat template, and names an EOS token, which
            closes every document; the token that it begins texts with, if there is one, begins them.
        output: folder to make. What is done is kept beside it, to go on with, unless the input is at fault.
        on_progress: is told, in a sentence, what happens next.
        on_tasks: is told, now and then and maybe from another thread, how many tasks of a stage are done, of how many.

    Raises:
        OutputError: the output exists, or another process is building it.
        ConfigError: the executor cannot be used here, or the tokenizer lacks tokens to fill in the middle, which the
            recipe asks for.
        CorpusError: a source cannot be used, or languages are left with too few files; all of them are named.
        BaseModelError: the tokenizer cannot be used.
    """
    require_sources(recipe.corpus.sources, recipe.languages)
    bounds = document_bounds(tokenizer_folder)
    fim = _fim_rule(recipe, tokenizer_folder)
    digest = hashlib.sha256((tokenizer_folder / "tokenizer.json").read_bytes()).hexdigest()
    decontamination = prepare_decontamination(recipe)
    template = _template_sha256(tokenizer_folder)
    key = f"{FORMAT_VERSION} {version('multipl-moe')} {digest} {decontamination.sha256} {template}\n"
    # fsspec remembers the folder that relative paths began in
    with resumable_folder(output.absolute(), partial(_can_go_on, recipe, key, on_progress)) as staging:
        record_run(staging, recipe)
        write_text(staging / _KEY_NAME, key)
        if not (staging / MANIFEST_NAME).is_file():
            if decontamination.note:
                on_progress(decontamination.note)
            build = _Build(recipe, tokenizer_folder.resolve(), bounds, fim, decontamination, staging)
            build.run(Listeners(on_progress, on_tasks), digest).save(staging)
        shutil.rmtree(staging / "work", ignore_errors=True)
        (staging / _KEY_NAME).unlink()
    return CorpusManifest.load(output)


def _template_sha256(tokenizer_folder: Path) -> str:
    files = [tokenizer_folder / name for name in ("tokenizer_config.json", "chat_template.jinja")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files if file.is_file())).hexdigest()


def _fim_rule(recipe: Recipe, tokenizer_folder: Path) -> FimRule | None:
    chosen = recipe.corpus.fim
    if not chosen.rate:
        return None
    tokens = require_fim_tokens(chosen.tokens, tokenizer_folder, base_name(recipe.base, tokenizer_folder))
    return FimRule(tokens, recipe.seed, chosen.rate, chosen.spm_share, chosen.piece_characters)


def _can_go_on(recipe: Recipe, key: str, on_progress: Callable[[str], None], staging: Path) -> bool:
    """Whether there is an unfinished build of the same recipe and key.

    The key names all else that tasks done before were run with: their results must not meet those of another tokenizer,
    another version of this package or other benchmarks, for whose problems files of theirs were not checked.
    """
    if not (staging / "recipe.yaml").is_file():
        return False
    try:
        found = load_recipe(staging / "recipe.yaml")
        is_same = found.same_corpus(recipe) and (staging / _KEY_NAME).read_text() == key
    except (UserError, OSError):
        is_same = False
    on_progress(
        "Going on with the build that was stopped"
        if is_same
        else "Starting anew: the build that was stopped is of another recipe, tokenizer, version or set of benchmarks"
    )
    return is_same


@dataclass
class _Build:
    recipe: Recipe
    tokenizer_folder: Path
    bounds: DocumentBounds
    fim: FimRule | None
    decontamination: Decontamination
    staging: Path

    def __post_init__(self) -> None:
        self.work, self.logs = self.staging / "work", self.staging / "logs"
        self.names = [*self.recipe.languages, *_answers(self.recipe)]
        self.order = PoolOrder(self.recipe.seed, len(self.names), self.recipe.corpus.executor.parts)

    def run(self, listeners: Listeners, tokenizer_sha256: str) -> CorpusManifest:
        counts: Counter[str] = Counter()
        self.work.mkdir(parents=True, exist_ok=True)
        for stage in run_stages(self._stages(), self.recipe.corpus.executor, self.logs, listeners):
            counts.update(stage.totals(self.logs))
            if stage.name == _READ:
                self._require_found(counts)
        names = [name for name in self.names if counts[f"found/{name}"]]
        dropped = gather_dropped(self.work, self.staging, names, self.recipe.seed)
        for language in names:  # which nothing was read of, so they are only counted
            dropped[f"over_budget/{language}"] = counts[f"dropped/over_budget/{language}"]
        languages = {language: self._counted(language, counts, dropped) for language in names}
        self._require_more_than_copies([name for name, row in languages.items() if not row.validation_files])
        _require_files(languages, counts)
        return CorpusManifest(
            FORMAT_VERSION,
            self.recipe.seed,
            base_name(self.recipe.base, self.tokenizer_folder),
            tokenizer_sha256,
            counts["duplicate_clusters"],
            languages,
            self.decontamination.checks(counts),
        )

    def _stages(self) -> list[Stage]:
        # Answers to one task are alike by their prompt, and all of them are wanted: only equal ones are duplicates.
        num_signed = self.order.tasks(len(self.recipe.languages)).start
        num_searches = min(_SEARCHES_PER_PART * self.order.num_parts, MINHASH.num_buckets)
        stages = [
            Stage(_READ, f"Reading {', '.join(self.recipe.languages)}", self.order.num_tasks, self._read),
            Stage("2_copies", "Looking for equal files", 1, self._find_copies),
        ]
        if self.recipe.corpus.near_duplicates:
            stages += [
                Stage("3_signatures", "Signing files", num_signed, self._sign),
                Stage("4_buckets", "Looking for near duplicates", num_searches, self._match),
            ]
        return [
            *stages,
            Stage("5_clusters", "Choosing which of the duplicates stay", 1, self._cluster),
            Stage("6_write", "Splitting and tokenising", len(self.names), self._write),
        ]

    def _read(self) -> list[Step]:
        recipe = self.recipe
        return [
            SourceReader(
                recipe.corpus,
                self.names,
                recipe.seed,
                recipe.language_table,
                DroppedWriter(self.work, "read"),
                self.work,
            ),
            DropFor("unreadable", AnswerTexts(self.tokenizer_folder), self.work),
            *self._content_steps(),
            partial(mark_held_out, self.work / _MARKS),
            partial(write_index, self.work / "index"),
            JsonlWriter(str(self.work / "pool"), compression=None),
        ]

    def _content_steps(self) -> list[Step]:
        """What looks into a file's text: filters, and steps that change it.

        Marks of generated files and licences may stand in the header, so what leaves it out comes after.
        """
        corpus, licences, table = self.recipe.corpus, self.recipe.corpus.licences, self.recipe.language_table
        policy = LicencePolicy(licences.allow, licences.deny)

        def unwritten(*kinds: Kind) -> list[Step]:
            return [
                DropFor(kind, partial(unwritten_sign, kind, table), self.work) for kind in kinds if kind in corpus.drop
            ]

        return [
            *unwritten("vendored", "generated"),
            DropFor("licence", partial(refused_licence, policy, licences.unknown), self.work),
            *unwritten("minified"),
            *([partial(remove_licence_headers, table)] if corpus.strip_licence_headers else []),
            *([ReplaceSecrets()] if corpus.replace_secrets else []),
            Decontaminate(self.decontamination.index, table, DroppedWriter(self.work, "decontamination")),
        ]

    def _find_copies(self) -> list[Step]:
        return [partial(list_exact_duplicates, self.work / "index", self.work / "exact", self.order)]

    def _sign(self) -> list[Step]:
        return [
            partial(read_pool, self.work / "pool", self.order, False),
            WithoutRemoved(self.work / "exact"),
            CodeSignature(self.work / "signatures"),
        ]

    def _match(self) -> list[Step]:
        return [BucketMatches(self.work / "signatures", self.work / "buckets")]

    def _cluster(self) -> list[Step]:
        work, near = self.work, self.work / "near" if self.recipe.corpus.near_duplicates else None
        choose = DuplicateClusters(
            work / "index", work / "exact", near, work / "removed", self.staging / CLUSTERS_NAME, self.order
        )
        if near is None:
            return [choose]
        connect = MinhashDedupCluster(
            str(work / "buckets"), str(near), MINHASH, save_cluster_id=True, lines_to_buffer=1000
        )
        return [connect, choose]

    def _write(self) -> list[Step]:
        return [
            partial(read_pool, self.work / "pool", self.order, True),
            WithoutRemoved(self.work / "removed", DroppedWriter(self.work, "duplicates")),
            SplitByFile(
                self.recipe.corpus.validation_share,
                self.work / _MARKS,
                [*self.recipe.learn, *map(answers_in, self.recipe.learn)],
            ),
            ReproducibleWriter(self.staging / "documents", "${split}/${language}.jsonl.gz"),
            LanguageTokenizer(
                self.staging / "tokens" / "train", self.tokenizer_folder / "tokenizer.json", self.bounds, self.fim
            ),
        ]

    def _require_found(self, counts: Counter[str]) -> None:
        languages = self.recipe.languages
        found = {name: counts[f"found/{name}"] + counts[f"found/{answers_in(name)}"] for name in languages}
        if missing := [name for name in languages if not found[name]]:
            raise CorpusError(no_files(missing, self.recipe.corpus.sources, self.recipe.language_table))

    def _require_more_than_copies(self, languages: list[str]) -> None:
        """Refuse held_out sources all of whose files, in one of these languages, are duplicates of others."""
        removed = WithoutRemoved(self.work / "removed")
        for language in languages:
            files = read_pool(self.work / "pool", self.order, True, rank=self.names.index(language))
            copies = [file for file in files if file.metadata.get("held_out") and removed.filter(file) is not True]
            if copies:
                path, kept = (copies[0].metadata[key] for key in ("path", "detail"))
                raise CorpusError(
                    f"corpus.sources: nothing of {language} is left to hold out: the {len(copies)} files that held_out "
                    f"sources have of it are duplicates of others, such as {path} of {kept}; hold out another source"
                )

    def _counted(self, language: str, counts: Counter[str], dropped: Counter[str]) -> LanguageCounts:
        return LanguageCounts(
            train_files=counts[f"train_files/{language}"],
            train_bytes=counts[f"train_bytes/{language}"],
            train_tokens=_num_tokens(tokens_path(self.staging, language)),
            validation_files=counts[f"validation_files/{language}"],
            validation_bytes=counts[f"validation_bytes/{language}"],
            licences=counted_below(f"licences/{language}/", counts),
            dropped={reason: dropped[f"{reason}/{language}"] for reason in DROP_REASONS},
            replaced=counted_below(f"replaced/{language}/", counts),
            fim={form: counts[f"fim_{form}/{language}"] for form in FIM_FORMS},
            normalised_files=counts[f"normalised_files/{language}"],
        )


def base_name(base: str, folder: Path) -> str:
    """What people call the base in a folder: by the recipe where the folder is a cache's, whose names say nothing."""
    is_cached = folder.is_relative_to(cache_folder().resolve()) or folder.parent.name == "snapshots"
    return Path(base).name if is_cached else folder.name


def _answers(recipe: Recipe) -> list[str]:
    of = {source.language for source in recipe.corpus.sources if source.kind == "answers"}
    return [answers_in(language) for language in recipe.languages if of & {language, None}]


def _require_files(languages: dict[str, LanguageCounts], counts: Counter[str]) -> None:
    problems = []
    for language, row in languages.items():
        if row.train_files and row.validation_files:
            continue
        if row.validation_files:
            problems.append(f"{language}: all {row.validation_files} files are of held_out sources, none to learn from")
            continue
        dropped = [f"{reason} {number}" for reason, number in row.dropped.items() if number]
        found = counts[f"found/{language}"]
        problems.append(f"{language}: {row.train_files} of {found} files left ({', '.join(dropped) or 'none dropped'})")
    if problems:
        raise CorpusError(
            f"too few usable source files: {'; '.join(problems)}; each language needs at least 2: "
            "add to corpus.sources or loosen the limits of the section corpus"
        )


def _num_tokens(folder: Path) -> int:
    return sum(int(np.fromfile(index, np.uint64)[-1]) for index in folder.glob("*.ds.index"))
