"""What a comparison found: the class behind comparison.json."""

from typing import Literal

from multipl_moe.runs.record import Record
from multipl_moe.runs.result import Change, ComparedRun
from multipl_moe.runs.verdict import SolvedPrograms

Family = Literal["dense", "LoRA", "gated", "routed"]
"""What kind of method it is: the dense base trained, a LoRA on it, experts behind a domain gate, or routers alone."""


class Answer(Record):
    """How the bits per byte of a method's run differ from those of another's, of as many tokens and the same seed."""

    question: str
    of: str
    against: str
    tokens: int
    seed: int
    means: dict[str, Change]


class ComparisonResult(Record):
    """Attributes:
    methods: their titles.
    families: of the methods; earlier versions did not record them.
    decontamination: status of each benchmark in the corpus, which all runs share.
    base: programs that the base wrote, if they were judged.
    undominated: names of `long` and `short` runs than which no other is better both to learn and to keep.
    """

    title: str
    tokens: int
    curve_tokens: int | None
    methods: dict[str, str]
    families: dict[str, Family] = {}
    decontamination: dict[str, str]
    base: SolvedPrograms | None
    runs: dict[str, ComparedRun]
    undominated: dict[str, list[str]]
    answers: list[Answer]
