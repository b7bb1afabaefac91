"""A verdict on two models, made by hand: Rust learnt, Go not scored, Python kept."""

from typing import Any

from multipl_moe.eval.verdict import VerdictSettings
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.runs.verdict import ProgramsResult, Verdict
from tests.eval.judged import problems, results

ASKED = problems("rust", 20) + problems("python", 20) + problems("go", 20)
SETTINGS = VerdictSettings(
    roles={"rust": "learn", "go": "learn", "python": "keep"},
    not_scored={"go": "go: not found; [install] it"},
    flags={"starter/rust/7": "hollow"},
)


def judged(**others: Any) -> ProgramsResult:
    """Rust: 2 of 20 before and 14 of 20 after; Python: 10 before, 9 of 19 after, one sample left out."""
    rust, python = ASKED[:20], ASKED[20:40]
    before = results(rust, "p" * 2 + "w" * 18) + results(python, "p" * 10 + "w" * 10)
    after = results(rust, "p" * 14 + "c" * 6) + results(python, "p" * 9 + "w" * 10 + "h")
    return of_model(judge_against(ASKED, before, after, SETTINGS), **others)


def of_model(verdict: Verdict, **others: Any) -> ProgramsResult:
    """A verdict with what it is of."""
    return ProgramsResult(**vars(verdict), model="after", benchmarks=["starter"], seed=0, environment={}, **others)
