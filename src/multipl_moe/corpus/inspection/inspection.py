"""All that a report on a corpus tells."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from multipl_judge.languages.answers import language_of, title_of
from multipl_judge.problems.benchmarks import BENCHMARKS, is_in_any_of
from multipl_moe.corpus.documents import tokens_path
from multipl_moe.corpus.inspection.documents import Documents, inspect_documents, require_told
from multipl_moe.corpus.inspection.left_out import Dropped, Duplicates, inspect_dropped, inspect_duplicates
from multipl_moe.corpus.manifest import MANIFEST_NAME, CorpusManifest
from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.decontamination import looked_for

_DROPPED_SHOWN = 3  # of each reason and language


@dataclass(frozen=True)
class Inspection:
    """What a corpus folder holds.

    Attributes:
        seed: chose the samples.
        lengths: (D,) tokens of each training document by language, int64; of a file that was rearranged to fill in the
            middle each piece counts as a document.
        dropped, duplicates: None where the folder has no list of them.
        unchecked: benchmarks in use, in languages that training reads by the corpus's recipe, that it was not checked
            for, and why.
    """

    folder: Path
    manifest: CorpusManifest
    recipe: Recipe
    seed: int
    documents: Documents
    lengths: dict[str, np.ndarray]
    dropped: Dropped | None
    duplicates: Duplicates | None
    unchecked: dict[str, str]

    @property
    def titles(self) -> dict[str, str]:
        """How people write the languages' names, in the corpus's order."""
        return {name: title_of(name, self.recipe.language_table) for name in self.manifest.languages}

    @property
    def partly_checked(self) -> list[str]:
        """Benchmarks in use of whose problems not all could be looked for, each with how many were and which not."""
        in_use, found = self.recipe.benchmarks_in_use, self.manifest.decontamination.items()
        checks = {name: asdict(check) for name, check in found if name in in_use}
        return [f"{name}{told}" for name, check in checks.items() if (told := looked_for(check))]


def inspect_corpus(folder: Path, *, seed: int = 0, documents: int = 3, lines: int = 40) -> Inspection:
    """Read a corpus folder once, a document at a time, and check that its parts fit together.

    The seed chooses so many documents of each language to show, of each so many lines.

    Raises:
        CorpusError: it is no corpus, or its files are broken or do not fit its manifest.
        ConfigError: its recipe cannot be read.
    """
    manifest = CorpusManifest.load(folder)
    recipe = load_recipe(folder / "recipe.yaml")
    if set(map(language_of, manifest.languages)) != set(recipe.languages):
        raise CorpusError(f"{folder}: {MANIFEST_NAME} and recipe.yaml name other languages; build the corpus again")
    lengths = {name: _lengths(folder, name, row.train_tokens) for name, row in manifest.languages.items()}
    return Inspection(
        folder,
        manifest,
        recipe,
        seed,
        inspect_documents(folder, manifest, seed, documents, lines),
        lengths,
        inspect_dropped(folder, manifest, seed, _DROPPED_SHOWN),
        inspect_duplicates(folder, manifest),
        _unchecked(manifest, recipe),
    )


def _lengths(folder: Path, language: str, told_tokens: int) -> np.ndarray:
    tokens = tokens_path(folder, language)
    files = TokenFiles(tokens)
    require_told(tokens, "tokens", files.num_tokens, told_tokens)
    return np.diff(files.document_ends, prepend=0)


def _unchecked(manifest: CorpusManifest, recipe: Recipe) -> dict[str, str]:
    checks = manifest.decontamination
    unavailable = [name for name, check in checks.items() if check.status == "unavailable"]
    unnamed = [name for name in BENCHMARKS if name not in checks]
    why = dict.fromkeys(unavailable, "no copy was at hand") | dict.fromkeys(unnamed, "not asked for")
    in_use, read = recipe.benchmarks_in_use, recipe.mixture_weights
    return {name: reason for name, reason in why.items() if name in in_use and is_in_any_of(name, read)}
