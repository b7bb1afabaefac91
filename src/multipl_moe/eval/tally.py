"""What became of each task's samples: the raw results, checked and counted by problem, and pass@k of such counts."""

import math
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
        left_out: samples that the judge failed on; they count for nothing.
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


def pass_at_k(num_samples: int, num_passed: int, k: int) -> float:
    """The unbiased estimate 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374), for one problem.

    Of n samples that were judged c passed; k is how many a user would try. Whole numbers are divided once, so the
    result is the float nearest to the exact value whatever n is.

    Raises:
        ValueError: k is less than 1 or more than n, for fewer samples cannot tell it without bias; or c more than n.
    """
    if not (0 <= num_passed <= num_samples and 1 <= k <= num_samples):
        raise ValueError(f"pass@{k} of {num_passed} passed in {num_samples} samples: there is no such thing")
    subsets = math.comb(num_samples, k)
    return (subsets - math.comb(num_samples - num_passed, k)) / subsets


def require_samples(pass_at: Sequence[int] | None, num_samples: int) -> None:
    """Raise ConfigError, before anything costs time, where a k is below 1, or above the samples that there will be."""
    if pass_at is not None and min(pass_at) < 1:
        raise ConfigError(f"pass@{min(pass_at)}: k must be at least 1")
    if pass_at is not None and max(pass_at) > num_samples:
        raise ConfigError(
            f"pass@{max(pass_at)} needs at least {max(pass_at)} samples of each problem, but there are {num_samples}; "
            f"draw {max(pass_at)} (--num-samples, with a --temperature above 0) or ask for pass@{num_samples} at most"
        )


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
    try:
        outcomes = {sample: Outcome(result["outcome"]) for sample, result in sorted(results.items())}
    except ValueError as error:
        known = ", ".join(Outcome)
        raise ConfigError(f"results: {problem.key} has an unknown outcome ({error}); known are {known}") from error
    left_out = tuple(sample for sample, outcome in outcomes.items() if outcome is Outcome.harness_error)
    not_built = (Outcome.compile_error, Outcome.compile_timeout, Outcome.harness_error)
    # A compiler that hits a limit, such as that of memory, has built nothing either.
    num_built = sum(end not in not_built and results[sample]["stage"] != "compile" for sample, end in outcomes.items())
    return TaskTally(problem, Counter(outcomes.values()), num_built, left_out)
