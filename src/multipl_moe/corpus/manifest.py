"""manifest.json: what a corpus folder holds and where it came from."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.errors import CorpusError
from multipl_moe.runs.folder import write_json

FORMAT_VERSION = 2
MANIFEST_NAME = "manifest.json"
DROP_REASONS = (
    "exact_duplicate",
    "near_duplicate",
    "binary",
    "encoding",
    "too_large",
    "too_small",
    "unreadable",
    "over_budget",
    "vendored",
    "generated",
    "licence",
    "minified",
    "contaminated",
)


@dataclass(frozen=True)
class LanguageCounts:
    """What a corpus holds of one language.

    Attributes:
        licences: number of files, of both splits, by SPDX expression.
        dropped: number of files left out, by each of `DROP_REASONS`.
        replaced: number of places in the text that steps have changed, by kind.
        fim: number of training files rearranged to fill in the middle, by form ("psm", "spm").
        normalised_files: number of training files whose tokens stand for another spelling of the text, as the tokenizer
            normalises it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    train_files: int
    train_bytes: int
    train_tokens: int
    validation_files: int
    validation_bytes: int
    licences: dict[str, int]
    dropped: dict[str, int]
    replaced: dict[str, int]
    fim: dict[str, int] = field(default_factory=dict)
    normalised_files: int = 0


@dataclass(frozen=True)
class CorpusManifest:
    """What a corpus folder holds.

    Attributes:
        format_version: of the folder's layout; `load` refuses any other than its own.
        seed: decided which files were drawn and how they were split.
        tokenizer: name of the base that it is of.
        tokenizer_sha256: of its tokenizer.json; tokens mean nothing to a model with another.
        duplicate_clusters: number of clusters of duplicates, of which one file each stayed.
        languages: counts by language, in the recipe's order.
        decontamination: by benchmark; those that it does not name were not checked.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    format_version: int
    seed: int
    tokenizer: str
    tokenizer_sha256: str
    duplicate_clusters: int
    languages: dict[str, LanguageCounts]
    decontamination: dict[str, BenchmarkCheck] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write manifest.json into a folder, whole or not at all."""
        write_json(folder / MANIFEST_NAME, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> "CorpusManifest":
        """Read a folder's manifest.json.

        Raises:
            CorpusError: it is missing, invalid or of another format version.
        """
        path = folder / MANIFEST_NAME
        try:
            text = path.read_text(encoding="utf-8")
            content = json.loads(text)
            version = content.get("format_version") if isinstance(content, dict) else None
            if isinstance(version, int) and version != FORMAT_VERSION:  # whose fields may be others
                raise CorpusError(
                    f"{path}: format version {version}, this program reads {FORMAT_VERSION}; build the corpus again"
                )
            return TypeAdapter(cls).validate_json(text)
        except OSError as error:
            raise CorpusError(
                f"{folder}: not a corpus, {MANIFEST_NAME} cannot be read ({error.strerror}); "
                "build one with `multipl-moe corpus`"
            ) from None
        except ValueError as error:
            why = str(error)
            if isinstance(error, ValidationError):
                problem = error.errors()[0]
                why = f"{'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            raise CorpusError(f"{path}: not a corpus manifest ({why}); build the corpus again") from None
