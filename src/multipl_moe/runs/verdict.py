"""What was found of programs that a model wrote: the classes behind metrics.json of `eval`, and what `compare` keeps.

Cells of a verdict are by language and benchmark.
"""

from typing import Any, Generic, TypeVar

from multipl_moe.runs.record import Record

_Cell = TypeVar("_Cell")


class Rate(Record):
    """A share with its 95% interval, and of how many tasks, where some have too few samples for it."""

    value: float
    interval: tuple[float, float]
    tasks: int | None = None


class Cell(Record):
    """Counts and rates of one benchmark in one language.

    Attributes:
        parses_or_compiles: None: the toolchain does not tell.
        passes: pass@1.
        failures: samples by the way in which they fail; None: not told from `runtime_error`.
    """

    tasks: int
    samples: int
    pass_at_k: dict[int, Rate]
    parses_or_compiles: Rate | None
    passes: Rate
    outcomes: dict[str, int]
    failures: dict[str, int | None] = {}


class ByBenchmark(Record, Generic[_Cell]):
    """A language: title (empty: the table's), role if it has one, and its benchmarks."""

    title: str = ""
    role: str | None
    benchmarks: dict[str, _Cell]


class Cells(Record, Generic[_Cell]):
    """What a verdict, and a comparison of two, are by language."""

    languages: dict[str, ByBenchmark[_Cell]]

    def cell(self, language: str, benchmark: str) -> _Cell | None:
        """That of a benchmark in a language, if it is there."""
        return self.languages[language].benchmarks.get(benchmark) if language in self.languages else None

    def role(self, language: str) -> str | None:
        """That of a language, if it has one and is there."""
        return self.languages[language].role if language in self.languages else None

    def cells(self) -> list[tuple[str, ByBenchmark[_Cell], str, _Cell]]:
        """Each cell after its language, the language's row, and its benchmark."""
        return [(name, row, one, cell) for name, row in self.languages.items() for one, cell in row.benchmarks.items()]


class MeanRates(Record):
    """A mean over languages."""

    languages: list[str]
    pass_at_k: dict[int, Rate]


class Sample(Record):
    """A sample of a problem."""

    key: str
    sample: int


class Shares(Record):
    """A share of programs before and after, after - before, and its 95% interval."""

    before: float
    after: float
    difference: float
    interval: tuple[float, float]


class Difference(Shares):
    """That of pass@1, in a cell or as a mean over `languages`.

    Attributes:
        tasks: that count for both models; of them the scores of so many rose (`gained`) and fell (`lost`).
        is_noise: the interval holds 0: two draws of one model differ by as much in more than 5 of 100 cases.
        parses_or_compiles: of a cell whose toolchain tells it.
    """

    tasks: int
    gained: int
    lost: int
    is_noise: bool
    sentence: str
    languages: list[str] = []
    parses_or_compiles: Shares | None = None


class VerdictComparison(Cells[Difference]):
    """What changed between two models; `unpaired` tasks do not count for one of them."""

    means: dict[str, Difference]
    unpaired: list[str]


class Built(Record):
    """How many programs do not parse or compile."""

    samples: int
    not_built: int


class FormFault(Built):
    """A benchmark and language whose programs fail for what seems to be their form.

    Attributes:
        before: the same of the model before, if one is known.
        signs: of a wrong form, and how many programs show them.
        key, sample, error: an example.
    """

    language: str
    benchmark: str
    before: Built | None
    signs: dict[str, int]
    key: str
    sample: int
    error: str
    sentence: str


class Verdict(Cells[Cell]):
    """How many programs work.

    Attributes:
        pass_at: the k of pass@k.
        means: over languages to `learn`, to `keep` and over `all`.
        not_scored: languages that are not scored, and why.
        left_out: samples that the judge itself failed on.
        flags: problems whose tests prove nothing, and why.
        before, comparison: verdict on the model before, and what changed.
        did_not_fit: problems whose prompt is too long for the model.
    """

    pass_at: list[int]
    means: dict[str, MeanRates]
    not_scored: dict[str, str]
    left_out: list[Sample]
    flags: dict[str, str]
    before: "Verdict | None" = None
    comparison: VerdictComparison | None = None
    did_not_fit: list[str] = []
    form_faults: list[FormFault] = []


class AtPrompts(Record):
    """For how many prompts a domain gate opens by itself where answers begin."""

    open: int
    prompts: int


class Gate(Record):
    """Whether a domain gate was told each language, what it says by itself, and the verdict where nobody told it."""

    is_told: bool
    at_prompts: dict[str, AtPrompts] = {}
    by_itself: Verdict | None = None


class ProgramsResult(Verdict):
    """The verdict on a model, and what it rests on.

    Attributes:
        gate: None: the model has none.
        problems_left_out: those whose tests are no program, and why.
        decontamination: status of each benchmark in the training text.
    """

    model: str
    benchmarks: list[str]
    seed: int
    gate: Gate | None = None
    problems_left_out: dict[str, str] = {}
    decontamination: dict[str, str] = {}
    environment: dict[str, Any]


class Solved(Record):
    """Problems of a language, over its benchmarks, and the shares that pass, and parse or compile, if that is told."""

    title: str = ""
    role: str | None
    tasks: int
    pass_at_1: float
    parses_or_compiles: float | None = None


class SolvedPrograms(Record):
    """What a comparison keeps of a verdict."""

    languages: dict[str, Solved]
    decontamination: dict[str, str] = {}
