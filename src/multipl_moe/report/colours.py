"""The colours of all figures, by what they say; a page shows each as a variable of its stylesheet, light or dark."""

from multipl_moe.runs.comparison import ComparisonResult, Family
from multipl_moe.runs.result import Change
from multipl_moe.runs.verdict import Difference

BETTER, WORSE, UNSURE = "#1f7a5c", "#b3261e", "#7b8794"
BLUE, ORANGE, PURPLE, GOLD = "#3b6ea5", "#b64f14", "#6b4e9b", "#8f6a00"
PALE, PAPER = "#c3ccd6", "#ffffff"
FAMILIES: dict[Family, tuple[str, str]] = {
    "gated": (BETTER, "experts behind a gate"),
    "routed": (PURPLE, "experts without a gate"),
    "LoRA": (ORANGE, "LoRA"),
    "dense": (BLUE, "dense"),
}
"""Colour and title of each family of methods."""

CSS_VARIABLES = {
    "#000000": "currentColor",
    BETTER: "var(--better)",
    WORSE: "var(--worse)",
    UNSURE: "var(--unsure)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    PURPLE: "var(--purple)",
    GOLD: "var(--gold)",
    PALE: "var(--pale)",
    PAPER: "var(--paper)",
}


def colour_of_bits(change: Change) -> str:
    """Whether a change of bits per byte is a gain, a loss, or neither for sure."""
    return {"better": BETTER, "worse": WORSE}.get(change.outcome, UNSURE)


def style_of_bits(change: Change) -> str:
    """The same as a style of rich's, for the cells of tables."""
    return {"better": "green", "worse": "red"}.get(change.outcome, "yellow")


def colour_of_method(result: ComparisonResult, method: str) -> str:
    """That of its family, where it is known."""
    return FAMILIES[result.families[method]][0] if method in result.families else UNSURE


def colour_of_programs(change: Difference) -> str:
    """As `colour_of_bits`, of a change of pass@1."""
    return UNSURE if change.is_noise else BETTER if change.difference > 0 else WORSE
