"""Which files to learn from and what becomes of them: the section `corpus`."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from multipl_moe.recipe.section import Section, UserName, UserPath

_USUAL_BYTES = 4_000_000
_KINDS_WITH = {
    "revision": ("git", "hub"),
    "subset": ("hub",),
    "split": ("hub",),
    "text_key": ("jsonl", "parquet", "hub"),
}


class SourceSection(Section):
    """A source of files for the corpus."""

    kind: Literal["toolchains", "folder", "git", "archive", "jsonl", "parquet", "hub", "answers"]
    """Kind of source; docs/sources.md has a line for each."""
    path: UserPath | None = None
    """Folder, repository or file to read, or id of a data set; not for toolchains."""
    language: str | None = None
    """Language of every file of the source; default: by the table of languages."""
    licence: str | None = None
    """SPDX licence of the source's files that do not name their own."""
    revision: str | None = Field(default=None, min_length=1)
    """Commit, tag or branch to read (git, hub); default: the work tree, or HEAD of a bare repository (git)."""
    subset: str | None = Field(default=None, min_length=1)
    """Configuration of the data set, or a folder in it (hub)."""
    split: str = Field(default="train", min_length=1)
    """Split of the data set to read (hub)."""
    held_out: bool = False
    """Hold the whole source out for validation. A language to learn with files in such a source holds out no others."""
    text_key: str | None = Field(default=None, min_length=1)
    """Column that holds the text (jsonl, parquet, hub); default: text, content or code."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "SourceSection":
        if (self.path is None) != (self.kind == "toolchains"):
            raise ValueError(f"path: {'needed' if self.path is None else 'not'} for kind {self.kind}")
        for key, kinds in _KINDS_WITH.items():
            if getattr(self, key) != type(self).model_fields[key].default and self.kind not in kinds:
                raise ValueError(f"{key}: only for kind {' or '.join(kinds)}, not {self.kind}")
        return self


class SlurmSection(Section):
    """Slurm settings of a corpus build's jobs."""

    partition: str = Field(min_length=1)
    """Slurm partition in which the jobs run."""
    time: str = "24:00:00"
    """Time limit of a Slurm task, in the format of sbatch."""
    options: dict[str, str] = Field(default_factory=dict)
    """Further options of sbatch, without their dashes, such as account or qos."""


class ExecutorSection(Section):
    """Where the tasks of a corpus build run; of these keys only `parts` can change the corpus."""

    kind: Literal["local", "slurm", "ray"] = "local"
    """Where corpus tasks run: on this machine (local), Ray or Slurm."""
    workers: int | None = Field(default=None, ge=1)
    """Number of corpus tasks to run at a time; default: one per processor, on a cluster as many as it has room for."""
    parts: int = Field(default=1, ge=1)
    """Number of tasks that the files of each language are dealt to; each has its part of the byte budget."""
    cpus: int = Field(default=1, ge=1)
    """Number of processors per corpus task (slurm, ray)."""
    memory_gb: int = Field(default=4, ge=1)
    """Memory per corpus task, in GB (slurm, ray)."""
    slurm: SlurmSection | None = None
    """Slurm settings, needed if corpus tasks run on Slurm."""

    @model_validator(mode="after")
    def _slurm_is_told(self) -> "ExecutorSection":
        if self.kind == "slurm" and self.slurm is None:
            raise ValueError("slurm: needed for kind slurm; give at least its partition")
        return self


class LicencesSection(Section):
    """Licences of files to take into the corpus: SPDX ids, `ID WITH EXCEPTION`, or patterns such as `BSD-*`."""

    allow: list[str] | None = Field(default=None, min_length=1)
    """Licences to take, and no others; default: all that are not denied."""
    deny: list[str] = Field(default_factory=list)
    """Licences to leave out, even if `allow` names them."""
    unknown: Literal["keep", "drop"] = "keep"
    """Keep or drop files whose licence is not known, or is not in SPDX."""

    @model_validator(mode="after")
    def _are_licences(self) -> "LicencesSection":
        if entries := [*(self.allow or []), *self.deny]:
            from multipl_moe.spdx import unknown_licences  # reads a table of 2,000 licences

            if problems := unknown_licences(entries):
                raise ValueError("; ".join(problems))
        return self


class FimSection(Section):
    """Fill in the middle (FIM): documents rearranged so that the model learns to fill gaps in a text."""

    rate: float = Field(default=0.0, ge=0, le=1)
    """Share of training documents to rearrange for FIM; 0.5 is usual, 0 rearranges none."""
    spm_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the rearranged documents that begin with the suffix (SPM), not the prefix (PSM)."""
    tokens: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=3, max_length=3)] | None = None
    """FIM tokens of prefix, middle and suffix, in this order; null: a known spelling that the base has."""
    piece_characters: int | None = Field(default=1200, ge=1)
    """Maximum length of a FIM piece, in characters: longer documents are rearranged piece by piece, so that a training
    sequence can hold each (about twice train.sequence_tokens); null: as a whole."""

    @model_validator(mode="after")
    def _tokens_differ(self) -> "FimSection":
        if self.tokens is not None and len(set(self.tokens)) < len(self.tokens):
            raise ValueError("tokens: prefix, middle and suffix need three different ones")
        return self


class CorpusSection(Section):
    """Source files to learn from, and how they are prepared."""

    sources: list[SourceSection] = Field(default_factory=lambda: [SourceSection(kind="toolchains")], min_length=1)
    max_bytes_per_language: int | dict[str, int | None] | None = _USUAL_BYTES
    """Maximum bytes of source files (> 0) per language, drawn at random by the seed; null: all files. One for all, or
    by language, those not named having the default: {tcl: null}."""
    max_file_bytes: int = Field(default=100_000, gt=0)
    """Maximum size of a source file, in bytes; larger files are left out."""
    min_file_bytes: int = Field(default=200, ge=0)
    """Minimum size of a source file, in bytes; smaller files are left out."""
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of each language's files to hold out for validation."""
    strip_licence_headers: bool = True
    """Remove licence comments from source files; a model would memorise them."""
    drop: list[Literal["vendored", "generated", "minified"]] = Field(
        default_factory=lambda: ["vendored", "generated", "minified"]
    )
    """Kinds of files to leave out: other projects' code (vendored), what a program wrote (generated), minified code and
    data."""
    licences: LicencesSection = Field(default_factory=lambda: LicencesSection())
    replace_secrets: bool = True
    """Replace keys, tokens, e-mail and IP addresses in source files by placeholders."""
    near_duplicates: bool = True
    """Remove near-duplicate files (MinHash), not only exact duplicates."""
    decontaminate: Literal["all", "none"] | list[UserName] = "all"
    """Benchmarks to decontaminate against, leaving out files that hold their problems: all that are known, none, or
    those named as in programs.benchmarks. Those to be evaluated on are always among them, except with none."""
    fim: FimSection = Field(default_factory=lambda: FimSection())
    executor: ExecutorSection = Field(default_factory=lambda: ExecutorSection())

    @field_validator("max_bytes_per_language", mode="before")
    @classmethod
    def _are_bytes(cls, value: Any) -> Any:
        """One problem in plain words, where pydantic would tell one for each kind of value that is allowed."""
        given: Any = value  # `value` is narrowed below
        for number in given.values() if isinstance(value, dict) else [given]:
            if number is not None and (type(number) is not int or number <= 0):
                raise ValueError(f"{number!r}: must be a number of bytes above 0, or null for all files")
        return given

    @model_validator(mode="after")
    def _leaves_some_files(self) -> "CorpusSection":
        if self.min_file_bytes > self.max_file_bytes:
            raise ValueError(f"min_file_bytes: {self.min_file_bytes}: must be at most max_file_bytes")
        return self

    def max_bytes_of(self, language: str) -> int | None:
        """Maximum bytes of a language's source files; None: all of them."""
        chosen = self.max_bytes_per_language
        return chosen.get(language, _USUAL_BYTES) if isinstance(chosen, dict) else chosen
