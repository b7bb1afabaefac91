"""A verdict on two models, made by hand: Rust learnt, Go not scored, Python kept."""

from typing import Any

from multipl_moe.eval.verdict import VerdictSettings
from multipl_moe.eval.verdict_against import judge_against
from tests.eval.judged import problems, results

ASKED = problems("rust", 20) + problems("python", 20) + problems("go", 20)
SETTINGS = VerdictSettings(
    roles={"rust": "learn", "go": "learn", "python": "keep"},
    not_scored={"go": "go: not found; [install] it"},
    flags={"starter/rust/7": "hollow"},
)


def judged() -> dict[str, Any]:
    """Rust: 2 of 20 before and 14 of 20 after; Python: 10 before, 9 of 19 after, one sample left out."""
    rust, python = ASKED[:20], ASKED[20:40]
    before = results(rust, "p" * 2 + "w" * 18) + results(python, "p" * 10 + "w" * 10)
    after = results(rust, "p" * 14 + "c" * 6) + results(python, "p" * 9 + "w" * 10 + "h")
    return judge_against(ASKED, before, after, SETTINGS)
