"""What is measured: the sections `eval` and `programs`."""

from typing import Annotated

from pydantic import Field

from multipl_moe.recipe.section import Section


class EvalSection(Section):
    """Bits per byte on held-out files."""

    files_per_language: int = Field(default=40, ge=2, description="Held-out files of each language.")
    tokens_per_file: int = Field(default=1024, ge=2, description="Files are cut here.")
    window_tokens: int = Field(
        default=1024, ge=2, description="Longest context; longer files are read in overlapping windows."
    )
    batch_tokens: int = Field(default=4096, ge=2, description="Tokens of one forward pass.")
    bootstrap_samples: int = Field(default=2000, ge=100, description="Draws behind an interval.")


class ProgramsSection(Section):
    """Programs that a model writes, judged by running them."""

    benchmarks: list[str] = Field(
        default_factory=lambda: ["starter"],
        min_length=1,
        description="Sets of problems: a name, NAME:PATH for a local copy, or PATH.jsonl for a set of your own.",
    )
    languages: list[str] | None = Field(default=None, min_length=1, description="Only these; default: all of each set.")
    problems_per_language: int | None = Field(
        default=None, ge=1, description="The first so many problems of each set and language; default: all."
    )
    pass_at: list[Annotated[int, Field(ge=1)]] | None = Field(
        default=None, min_length=1, description="The k of pass@k; default: 1, 5, 10, 100 as far as there are samples."
    )
    workers: int | None = Field(default=None, ge=1, description="Programs run at a time; default: one a processor.")
    official_stops: bool = Field(
        default=False, description="A benchmark's own stop strings even where they are known to spoil right answers."
    )
