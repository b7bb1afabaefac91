"""What judging a program ends in."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """The verdict on one program; the value is what result files hold."""

    passed = "passed"
    wrong_answer = "wrong_answer"
    runtime_error = "runtime_error"
    compile_error = "compile_error"
    timeout = "timeout"
    compile_timeout = "compile_timeout"
    memory_limit = "memory_limit"
    output_limit = "output_limit"
    tests_not_completed = "tests_not_completed"
    """It ended well but did not show that its tests ran to their end."""
    harness_error = "harness_error"
    """The judge failed, not the program: never counted against a model."""


@dataclass(frozen=True)
class Judgement:
    """The outcome of one program and what was seen on the way.

    Attributes:
        outcome: the verdict.
        stage: where it was reached, "compile" or "run".
        output: the end of what that stage printed, standard output then standard error, as text of at most 4 KB.
        compile_s, run_s: wall time of the two stages (0.0: the stage did not take place).
        peak_bytes: largest memory of the whole process tree that was seen in either stage.
        doubtful: whether a busy machine may have caused the outcome; it counts if it comes again.
    """

    outcome: Outcome
    stage: str
    output: str
    compile_s: float
    run_s: float
    peak_bytes: int
    doubtful: bool = False

    def record(self) -> dict[str, Any]:
        """All but the doubt, as files of judgements hold it; seconds to three digits."""
        return {
            "outcome": str(self.outcome),
            "stage": self.stage,
            "output": self.output,
            "compile_s": round(self.compile_s, 3),
            "run_s": round(self.run_s, 3),
            "peak_bytes": self.peak_bytes,
        }
