"""What a change of bits per byte says in words: whether new languages were learnt, and whether old ones were kept."""

from collections.abc import Sequence
from typing import NamedTuple

from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.result import Change, Changes, Outcome, RunResult
from multipl_moe.runs.verdict import Difference

BITS_PER_BYTE_NOTE = (
    "Bits per byte: how many bits the model needs to predict a byte of text that it has not seen; fewer is better."
)
_AS_BEFORE = 0.01  # a change of what was to be kept that is not worse than this is none


class _Change(NamedTuple):
    names: str
    is_one: bool
    value: float
    low: float
    high: float
    outcome: Outcome


def learn_outcome(recipe: Recipe, found: Changes) -> Outcome | None:
    """What became of the mean over the languages to learn; None where no mean of them was taken."""
    change = _change_of(recipe, found, "learn")
    return change and change.outcome


def has_gain(recipe: Recipe, found: Changes) -> bool:
    """Whether the mean over the languages to learn is clearly better; true where no mean of them was taken.

    Of a run that practised it is the mean of programs that pass, where any were judged.
    """
    if (programs := programs_learnt(recipe, found)) is not None:
        return programs.difference > 0 and not programs.is_noise
    return learn_outcome(recipe, found) in (None, "better")


def programs_learnt(recipe: Recipe, found: Changes) -> Difference | None:
    """The change of programs that pass in the languages to learn; None where none were practised or judged."""
    programs = found.programs if recipe.practice.tasks and isinstance(found, RunResult) else None
    return programs.comparison.means.get("learn") if programs and programs.comparison else None


def outcome_sentence(recipe: Recipe, found: Changes) -> str:
    """The sentences of `outcome_sentences` as one text."""
    return " ".join(outcome_sentences(recipe, found))


def outcome_sentences(recipe: Recipe, found: Changes) -> list[str]:
    """The result in words: of programs, where they were practised, of the means of both roles, of each language that
    became worse while its role did not, and of each of which one file alone is held out."""
    programs = programs_learnt(recipe, found)
    parts = [] if programs is None else [f"Programs that pass, pass@1: {programs.sentence}."]
    told_worse = set[str]()
    for role, words in {"learn": _learnt, "keep": _kept}.items():
        if (change := _change_of(recipe, found, role)) is not None:
            parts.append(words(change))
            if change.outcome == "worse":
                told_worse.update(_names(recipe, role))
    rows = {name: row for name, row in found.languages.items() if name not in told_worse}
    if worse := [row for row in rows.values() if row.outcome == "worse"]:
        changes = [f"{row.title} by {_tenths(row.change)}% ({_span(*row.interval)})" for row in worse]
        parts.append(f"Worse: {_listed(changes)}.")
    if few := [row.title for row in found.languages.values() if row.files == 1]:
        parts.append(
            f"One held-out file of {_listed(few)} proves nothing: add files, or raise corpus.validation_share."
        )
    return parts


def _learnt(change: _Change) -> str:
    if change.outcome == "same":
        return f"Nothing learnt: {_needs(change)} as many bits per byte as before."
    begin = {"better": "Learnt", "worse": "Not learnt", "unclear": "Unclear whether anything was learnt"}
    return f"{begin[change.outcome]}: {_needs_other(change)}."


def _kept(change: _Change) -> str:
    outcome, slightly = change.outcome, change.value > -_AS_BEFORE
    if outcome == "same":
        return f"Kept: {change.names} as before."
    if (outcome == "better" and slightly) or (outcome == "unclear" and change.high <= _AS_BEFORE):
        span = _span(change.low, change.high, fewer=" better", more=" worse")
        return f"Kept: {change.names} as before ({change.value:+.1%}, {span})."
    begin = {"better": "Kept", "worse": "Not kept", "unclear": "Unclear whether all was kept"}[outcome]
    return f"{begin}: {_needs_other(change)}."


def _needs(change: _Change) -> str:
    return f"{change.names} {'needs' if change.is_one else 'need'}"


def _needs_other(change: _Change) -> str:
    """The change in words; the interval alone where it lies on one side, as the words then say which."""
    direction = "fewer" if change.value < 0 else "more"
    is_of_one_sign = (change.value < 0 and change.high < 0) or (change.value > 0 and change.low > 0)
    span = _span(change.low, change.high, *(("", "") if is_of_one_sign else (" fewer", " more")))
    return f"{_needs(change)} {_tenths(change.value)}% {direction} bits per byte ({span})"


def _span(low: float, high: float, fewer: str = "", more: str = "") -> str:
    """An interval, its end nearer to 0 first where both lie on one side."""
    if high <= 0:
        return f"{_tenths(high)} to {_tenths(low)}{fewer}"
    if low >= 0:
        return f"{_tenths(low)} to {_tenths(high)}{more}"
    return f"{_tenths(low)}{fewer} to {_tenths(high)}{more}"


def _tenths(change: float) -> str:
    return f"{abs(100 * change):.1f}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _names(recipe: Recipe, role: str) -> list[str]:
    """The languages whose mean is taken; of a role without code its one language, whose change then counts alone."""
    names = [name for name, of in recipe.languages.items() if of == role]
    return [name for name in names if recipe.language_table[name].is_code] or names[: len(names) == 1]


def _change_of(recipe: Recipe, found: Changes, role: str) -> _Change | None:
    names = _names(recipe, role)
    if not names:
        return None
    row: Change = found.means.get(role) or found.languages[names[0]]
    titles = [recipe.language_table[name].title for name in names]
    return _Change(_listed(titles), len(titles) == 1, row.change, *row.interval, row.outcome)
