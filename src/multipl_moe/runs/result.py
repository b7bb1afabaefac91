"""What a run found: bits per byte by language, what was measured beside them, and what was done for it.

These are the classes behind metrics.json of `demo`, `compare` and `eval --metric bpb` or `moved`.
"""

from pathlib import Path
from typing import Any, Literal

from multipl_moe.runs.folder import read_json
from multipl_moe.runs.record import Record
from multipl_moe.runs.verdict import ProgramsResult, SolvedPrograms

Outcome = Literal["better", "worse", "unclear", "same"]
Routing = dict[str, dict[int, dict[str, Any]]]
"""Router statistics by language and layer index."""
_NO_CHANGE = 0.0005  # what is told as 0.0%


class Change(Record):
    """A relative change of bits per byte (-0.1: 10% fewer) and its 95% interval."""

    change: float
    interval: tuple[float, float]

    @property
    def outcome(self) -> Outcome:
        """What the interval says; `same`: it is 0.0% from end to end."""
        low, high = self.interval
        if max(abs(low), abs(high)) < _NO_CHANGE:
            return "same"
        return "better" if high < 0 else "worse" if low > 0 else "unclear"


class LanguageRow(Record):
    """A language of a result: title (empty: the table's), role (`learn` or `keep`), and the files that were read."""

    title: str = ""
    role: str
    files: int
    bytes: int


class LanguageScore(LanguageRow):
    """Bits per byte of one model."""

    bpb: float


class LanguageChange(LanguageRow, Change):
    """Bits per byte of two models and the change."""

    bpb_before: float
    bpb_after: float


class Movement(Record):
    """How far a model is from its base on some texts.

    Attributes:
        nats_per_token: KL(base || model) of the next token, with its 95% interval.
        changed: share of tokens at which the likeliest one is another.
        tokens, texts: how many counted.
        sha256: of all texts.
        parts: the same of each kind of text.
    """

    nats_per_token: float
    interval: tuple[float, float]
    changed: float
    tokens: int
    texts: int
    sha256: str = ""
    parts: "dict[str, Movement]" = {}


class Moved(Record):
    """The keep panel: movement on the base's own answers, on files of languages to keep and on other text, if any.

    `generated` is on these answers, too, where domain gates read each prompt first; None without gates.
    """

    answers: Movement
    generated: Movement | None = None
    kept: Movement | None = None
    other: Movement | None = None
    compute_dtype: str = ""
    sentence: str = ""

    def brief(self) -> "Moved":
        """What a comparison keeps: the totals."""
        totals = {name: getattr(self, name) for name in ("answers", "generated", "kept", "other")}
        return Moved(**{name: total and total.model_copy(update={"parts": {}}) for name, total in totals.items()})


class Measures(Record):
    """What was measured of a model beside bits per byte; None: it was not. `eval.measures` has a row for each."""

    moved: Moved | None = None


MEASURE_NAMES = tuple(Measures.model_fields)


class Changes(Record):
    """Two models on the same files: by language and as means over the code to learn and to keep, and in words."""

    sentence: str | None = None
    languages: dict[str, LanguageChange]
    means: dict[str, Change]


class Found(Measures, Changes):
    """All that is measured of a model against its base."""


class Scores(Record):
    """One model's bits per byte by language."""

    languages: dict[str, LanguageScore]


class MergeCost(Record):
    """A merged model against the hybrid, and against the base, from which it may have no gain."""

    from_hybrid: Changes
    from_base: Changes
    has_gain: bool


class Parameters(Record):
    """Numbers of parameters: `active` for the mean token, `trained` by the run."""

    total: int
    active: int
    trained: int


class Health(Record):
    """What `model.router_health.RouterHealth.to_json` says."""

    min_load_ratio: float
    max_load_ratio: float
    load_ratios: dict[str, list[float]]
    max_mode_difference: float
    dead_experts: int
    layers: dict[int, dict[str, Any]]
    is_healthy: bool


class RunResult(Found):
    """A demo's run: what was found of the trained model `against` its base, and what the run did."""

    tokens: int
    seconds: float
    learning_rate: float | None
    warnings: list[str]
    frozen_sha256: str
    routing: Routing
    seed: int
    parameters: Parameters
    against: str
    environment: dict[str, Any]
    router_health: Health | None = None
    programs: ProgramsResult | None = None


class ComparedRun(Found):
    """A run of a comparison; what earlier versions did not record has a default."""

    method: str
    is_long: bool
    learning_rate: float
    seed: int
    compute_dtype: str
    tokens: int
    seconds: float
    tokens_per_s: float
    processor_s: float | None = None
    peak_bytes: int | None = None
    parameters: Parameters
    frozen_sha256: str = ""
    against: str | None = None
    load_ratios: dict[str, list[float]] = {}
    programs: SolvedPrograms | None = None
    environment: dict[str, Any]


class Evaluation(Record):
    """What was evaluated, against what and how."""

    model: str
    against: str | None
    seed: int
    recipe: dict[str, Any]
    environment: dict[str, Any]


class EvaluatedChanges(Changes, Evaluation):
    """`eval --metric bpb --against`."""

    routing: Routing


class EvaluatedScores(Scores, Evaluation):
    """`eval --metric bpb` of one model."""

    routing: Routing


class EvaluatedMeasure(Measures, Evaluation):
    """`eval --metric` with the name of a measure."""


Measured = RunResult | ComparedRun | EvaluatedChanges | EvaluatedScores
_KINDS: dict[str, type[Measured]] = {"method": ComparedRun, "frozen_sha256": RunResult, "means": EvaluatedChanges}
"""Keys that no later kind has."""


def read_measured(file: Path) -> Measured:
    """Read bits per byte by language from metrics.json of a run, or of `eval --metric bpb`; errors as `Record.read`."""
    try:
        values = read_json(file)
    except ValueError:  # told by `read`
        values = {}
    kind = next((kind for key, kind in _KINDS.items() if isinstance(values, dict) and key in values), EvaluatedScores)
    return kind.read(file)
