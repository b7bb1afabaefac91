"""What became of each task's samples: the raw results, checked and counted by problem."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multipl_judge.judge.outcome import Outcome
from multipl_judge.problems.problem import Problem
from multipl_moe.errors import ConfigError

Result = Mapping[str, Any]
"""A line of results.jsonl: key, sample, outcome, stage."""


@dataclass(frozen=True)
class TaskTally:
    """The samples of one problem.

    Attributes:
        outcomes: how many samples ended in which outcome, failures of the judge included.
        num_built: counted samples that parse or compile: judging them got beyond the compile stage.
        left_out: numbers of the samples that the judge failed on; they count for nothing.
    """

    problem: Problem
    outcomes: Counter[Outcome]
    num_built: int
    left_out: tuple[int, ...]

    @property
    def num_samples(self) -> int:
        """Samples that count."""
        return self.outcomes.total() - len(self.left_out)

    @property
    def num_passed(self) -> int:
        """Samples whose tests passed."""
        return self.outcomes[Outcome.passed]

    @property
    def cluster(self) -> str:
        """What the same problem in other languages shares; the problem's own key where nothing does."""
        return self.problem.cluster or self.problem.key


def tally_results(problems: Sequence[Problem], results: Iterable[Result]) -> list[TaskTally]:
    """Count the results of each problem, in the order of the problems.

    Raises:
        ConfigError: a result is of no problem, occurs twice or has an unknown outcome, or a problem has no result: an
            evaluation that stopped half-way must not look like a whole one.
    """
    by_key: dict[str, dict[int, Result]] = {problem.key: {} for problem in problems}
    for result in results:
        key, sample = result["key"], result["sample"]
        if key not in by_key:
            raise ConfigError(
                f"results: {key} is none of the {len(by_key)} problems; give the problems that were judged"
            )
        if sample in by_key[key]:
            raise ConfigError(f"results: sample {sample} of {key} occurs twice; keep one of them")
        by_key[key][sample] = result
    missing = [key for key, samples in by_key.items() if not samples]
    if missing:
        raise ConfigError(
            f"results: {len(missing)} of {len(by_key)} problems have none (the first is {missing[0]}); "
            "run the same evaluation again to finish it"
        )
    return [_tally(problem, by_key[problem.key]) for problem in problems]


def _tally(problem: Problem, results: Mapping[int, Result]) -> TaskTally:
    outcomes = {sample: _outcome(problem, result) for sample, result in sorted(results.items())}
    counted = [sample for sample, outcome in outcomes.items() if outcome is not Outcome.harness_error]
    return TaskTally(
        problem,
        Counter(outcomes.values()),
        sum(_is_built(outcomes[sample], results[sample]["stage"]) for sample in counted),
        tuple(sample for sample in outcomes if sample not in set(counted)),
    )


def _outcome(problem: Problem, result: Result) -> Outcome:
    try:
        return Outcome(result["outcome"])
    except ValueError as error:
        known = ", ".join(Outcome)
        raise ConfigError(f"results: {problem.key} has outcome {result['outcome']!r}; known are {known}") from error


def _is_built(outcome: Outcome, stage: str) -> bool:
    """A compiler that hits a limit, such as that of memory, has built nothing either."""
    return outcome not in (Outcome.compile_error, Outcome.compile_timeout) and stage != "compile"
