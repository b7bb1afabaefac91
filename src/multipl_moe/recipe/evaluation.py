"""What is measured: the sections `eval` and `programs`."""

from typing import Annotated, Any

from pydantic import Field

from multipl_moe.recipe.section import Section, UserName


class EvalSection(Section):
    """Measurement on held-out files: bits per byte, and how far a model moved from its base."""

    files_per_language: int = Field(default=40, ge=2)
    """Maximum number of held-out files to score per language."""
    tokens_per_file: int = Field(default=1024, ge=2)
    """Maximum number of tokens to score per file; longer files are cut."""
    window_tokens: int = Field(default=1024, ge=2)
    """Maximum context length in scoring, in tokens; longer files are read in overlapping windows."""
    batch_tokens: int = Field(default=4096, ge=2)
    """Maximum number of tokens per forward pass in scoring."""
    tell_language: bool = False
    """Tell a model with a domain gate the language of each file, as an editor can, instead of letting the gate find
    out: for bits per byte."""
    moved_share: float = Field(default=1.0, ge=0, le=1)
    """Share of the texts to read for how far a model moved from its base; 0: it is not measured."""
    bootstrap_samples: int = Field(default=2000, ge=100)
    """Number of bootstrap resamples behind a confidence interval over texts."""


class ProgramsSection(Section):
    """Evaluation of programs that a model writes, by running them."""

    benchmarks: list[UserName] = Field(default_factory=lambda: ["starter"], min_length=1)
    """Benchmarks to evaluate on: a name (docs/evaluation.md), NAME:PATH for a local copy, or PATH.jsonl for a set of
    your own."""
    languages: list[str] | None = Field(default=None, min_length=1)
    """Languages to evaluate programs in; default: all of each benchmark."""
    problems_per_language: int | None = Field(default=None, ge=1)
    """Number of problems to take from each benchmark and language, from the first on; default: all."""
    pass_at: list[Annotated[int, Field(ge=1)]] | None = Field(default=None, min_length=1)
    """Values of k for pass@k; default: 1, 5, 10, 100 as far as there are samples."""
    workers: int | None = Field(default=None, ge=1)
    """Number of programs to run at a time; default: one per processor."""
    cpu_s: float | None = Field(default=None, gt=0)
    """Seconds of processor time that a program and all that it starts may use; default: its toolchain's, 10."""
    memory_bytes: int | None = Field(default=None, ge=2**26)
    """Memory that a running program and all that it starts may hold; default: its toolchain's, 1 GiB."""
    output_bytes: int | None = Field(default=None, ge=2**10)
    """Bytes that a program may print; default: its toolchain's, 1 MiB."""

    @property
    def limits(self) -> dict[str, Any]:
        """Limits of running programs that are set here, by their names in `Limits`."""
        return self.model_dump(include={"cpu_s", "memory_bytes", "output_bytes"}, exclude_none=True)
