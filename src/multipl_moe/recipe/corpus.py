"""Which files to learn from and what becomes of them: the section `corpus`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from multipl_moe.recipe.section import Section


class SourceSection(Section):
    """One source of files."""

    kind: Literal["toolchains", "folder", "git", "archive", "jsonl", "parquet", "hub"] = Field(
        description="What it is; docs/sources.md has a line for each."
    )
    path: Path | None = Field(
        default=None, strict=False, description="Folder, repository, file or id of a data set; not for toolchains."
    )
    language: str | None = Field(
        default=None, description="Language of every file; default: by the table of languages."
    )
    licence: str | None = Field(default=None, description="SPDX licence of files that do not name their own.")
    revision: str | None = Field(
        default=None,
        min_length=1,
        description="Commit, tag or branch (git, hub); default: the work tree, or HEAD of a bare repository (git).",
    )
    subset: str | None = Field(
        default=None, min_length=1, description="Configuration of a data set, or a folder in it (hub)."
    )
    split: str = Field(default="train", min_length=1, description="Split of a data set (hub).")
    text_key: str | None = Field(
        default=None,
        min_length=1,
        description="Column that holds the text (jsonl, parquet, hub); default: text, content or code.",
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "SourceSection":
        if self.kind != "toolchains" and self.path is None:
            raise ValueError(f"path: needed for kind {self.kind}")
        for key, kinds in {"revision": ("git", "hub"), "subset": ("hub",)}.items():
            if getattr(self, key) is not None and self.kind not in kinds:
                raise ValueError(f"{key}: only for kind {' or '.join(kinds)}, not {self.kind}")
        return self


class SlurmSection(Section):
    """What Slurm must be told of a corpus build's jobs."""

    partition: str = Field(min_length=1, description="Where the jobs run.")
    time: str = Field(default="24:00:00", description="Time limit of a task, as sbatch takes it.")
    options: dict[str, str] = Field(
        default_factory=dict, description="Further options of sbatch, without their dashes, such as account or qos."
    )


class ExecutorSection(Section):
    """Where the tasks of a corpus build run. The corpus is the same wherever they do; only `parts` can change it."""

    kind: Literal["local", "slurm", "ray"] = Field(default="local", description="Whose processes do the work.")
    workers: int | None = Field(
        default=None,
        ge=1,
        description="Tasks that run at a time; default: one a processor, on a cluster as many as it has room for.",
    )
    parts: int = Field(
        default=1,
        ge=1,
        description="Tasks that the files of each language are dealt to; each has its part of the budget.",
    )
    cpus: int = Field(default=1, ge=1, description="Processors of a task (slurm, ray).")
    memory_gb: int = Field(default=4, ge=1, description="Memory of a task (slurm, ray).")
    slurm: SlurmSection | None = Field(default=None, description="Needed for kind slurm.")

    @model_validator(mode="after")
    def _slurm_is_told(self) -> "ExecutorSection":
        if self.kind == "slurm" and self.slurm is None:
            raise ValueError("slurm: needed for kind slurm; give at least its partition")
        return self


class LicencesSection(Section):
    """Which licences may go into the corpus: SPDX ids, `ID WITH EXCEPTION`, or patterns such as `BSD-*`."""

    allow: list[str] | None = Field(
        default=None, min_length=1, description="Only these; default: all that are not denied."
    )
    deny: list[str] = Field(default_factory=list, description="None of these, whatever `allow` says.")
    unknown: Literal["keep", "drop"] = Field(
        default="keep", description="Files whose licence is not known, or is none of SPDX."
    )

    @model_validator(mode="after")
    def _are_licences(self) -> "LicencesSection":
        if entries := [*(self.allow or []), *self.deny]:
            from multipl_moe.spdx import unknown_licences  # reads a table of 2,000 licences

            if problems := unknown_licences(entries):
                raise ValueError("; ".join(problems))
        return self


class FimSection(Section):
    """Fill in the middle: training documents rearranged so that a model learns to write between what is there."""

    rate: float = Field(default=0.0, ge=0, le=1, description="Share of the documents; 0.5 is usual, 0 leaves it out.")
    spm_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of those that begin with the suffix (SPM), not the prefix (PSM)."
    )
    tokens: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=3, max_length=3)] | None = Field(
        default=None,
        description="Texts of the tokens of prefix, middle and suffix, which are added where the base has none.",
    )
    piece_characters: int | None = Field(
        default=1200,
        ge=1,
        description="Longer documents are rearranged piece by piece, each at most so long, so that a training sequence "
        "can hold it: about twice train.sequence_tokens; null: as a whole.",
    )

    @model_validator(mode="after")
    def _tokens_differ(self) -> "FimSection":
        if self.tokens is not None and len(set(self.tokens)) < len(self.tokens):
            raise ValueError("tokens: prefix, middle and suffix need three different ones")
        return self


class CorpusSection(Section):
    """Which files to learn from and how to prepare them."""

    sources: list[SourceSection] = Field(default_factory=lambda: [SourceSection(kind="toolchains")], min_length=1)
    max_bytes_per_language: int | None = Field(
        default=4_000_000, gt=0, description="Files are drawn by the seed up to this many bytes; null: all of them."
    )
    max_file_bytes: int = Field(default=100_000, gt=0, description="Larger files are left out.")
    min_file_bytes: int = Field(default=200, ge=0, description="Smaller files are left out.")
    validation_share: float = Field(default=0.1, gt=0, lt=1, description="Share of files held out, by language.")
    strip_licence_headers: bool = Field(
        default=True, description="Leave out licence comments, which a model would learn by heart."
    )
    drop: list[Literal["vendored", "generated", "minified"]] = Field(
        default_factory=lambda: ["vendored", "generated", "minified"],
        description="Kinds of files to leave out: other projects' code, what a program wrote, minified code and data.",
    )
    licences: LicencesSection = Field(default_factory=lambda: LicencesSection())
    replace_secrets: bool = Field(
        default=True, description="Replace keys, passwords, e-mail and IP addresses by words that stand for them."
    )
    near_duplicates: bool = Field(default=True, description="Remove near duplicates (MinHash), not only exact ones.")
    decontaminate: Literal["all", "none"] | list[str] = Field(
        default="all",
        description="Leave out files that hold problems of benchmarks: of all that are known, of none, or of those "
        "named as in programs.benchmarks. Those to be evaluated on are always among them, but for none.",
    )
    fim: FimSection = Field(default_factory=lambda: FimSection())
    executor: ExecutorSection = Field(default_factory=lambda: ExecutorSection())

    def anywhere(self) -> "CorpusSection":
        """The section less where its tasks run, which changes nothing in the corpus."""
        return self.model_copy(update={"executor": ExecutorSection(parts=self.executor.parts)})
