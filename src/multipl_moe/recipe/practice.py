"""What a model practises on, and how: the `practice` section of a recipe."""

from typing import Literal

from pydantic import Field, model_validator

from multipl_moe.recipe.codegen import CodegenSection
from multipl_moe.recipe.section import Section, UserName


class PracticeCodegen(CodegenSection):
    """How answers to tasks are sampled: the keys of `codegen`, with defaults that let the answers differ."""

    num_samples: int = Field(default=4, ge=1)
    """Number of answers to sample per task in a round."""
    temperature: float = Field(default=0.8, ge=0, le=10)
    """Sampling temperature of answers."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Nucleus sampling (top p) of answers; 1: all tokens."""
    max_new_tokens: int = Field(default=256, ge=1)
    """Maximum number of tokens per answer."""


class PracticeSection(Section):
    """Tasks that a model practises on: answers are sampled and judged, and those that pass are kept to be learnt."""

    tasks: list[UserName] = Field(default_factory=list)
    """Tasks in the languages to learn, named as in programs.benchmarks. functions:PATH poses Python functions with
    doctests or assertions (a .py file or a folder), functions:NAME:PATH those of a benchmark."""
    model: UserName | None = None
    """Model that answers, named as a base is: a larger one is a teacher; default: in `demo` the base, or what it became
    by `source_tokens`."""
    endpoint: str | None = None
    """Server with OpenAI's interface that answers instead, http://HOST/v1: a teacher."""
    endpoint_model: str | None = Field(default=None, min_length=1)
    """Name of the model on the server of `endpoint`."""
    chat: bool = False
    """Ask by chat and take the code out of answers, instead of going on from the task."""
    source_tokens: int = Field(default=0, ge=0)
    """Tokens of the corpus' source text that the base learns before practice, in `demo`, at a rate that `auto` finds;
    for a language of which it writes no program that passes. 0: none."""
    max_tasks: int | None = Field(default=None, ge=1)
    """Number of tasks to draw at random, to try settings on; default: all."""
    order: Literal["given", "easiest"] = "given"
    """Which tasks come first: easiest: those that passed more often, then those with the shortest prompt and tests."""
    rounds: int = Field(default=1, ge=1)
    """Rounds of each sampler; each samples anew what has not passed often enough."""
    keep_per_task: int = Field(default=3, ge=1)
    """Maximum number of answers to keep per task."""
    show_solution: bool = False
    """Show the task's solution in Python as a comment above it, by chat before the question, if one of `tasks`
    has it."""
    examples: int = Field(default=0, ge=0)
    """Number of worked examples in the task's language to put above it (by chat, before the question): the shortest
    answers that are kept from earlier rounds, or references."""
    repairs: int = Field(default=0, ge=0, le=3)
    """Times that a failing answer is asked for again, with the judge's message."""
    min_yield: float = Field(default=0.01, ge=0, le=1)
    """Share of answers that must pass; a round stops below it once 200 are judged. 0: it never stops."""
    codegen: PracticeCodegen = Field(default_factory=lambda: PracticeCodegen())

    @model_validator(mode="after")
    def _fits(self) -> "PracticeSection":
        if self.source_tokens and not self.tasks:
            raise ValueError("source_tokens: there are no tasks to practise on after that; give practice.tasks")
        if self.endpoint is not None and not self.endpoint.startswith(("http://", "https://")):
            raise ValueError(f"endpoint: {self.endpoint!r} is no address, such as http://HOST/v1")
        if (self.endpoint is None) != (self.endpoint_model is None):
            raise ValueError("endpoint, endpoint_model: give both, the server and its name of the model, or none")
        if self.endpoint is not None and self.model is not None:
            raise ValueError("model, endpoint: both would answer; leave one out, or set it to null")
        if self.rounds > 1 and self.codegen.temperature == 0:
            raise ValueError(
                f"rounds: {self.rounds} rounds at temperature 0 are all the same; set codegen.temperature above 0"
            )
        return self
