"""The verdict as rows of text, the same for the terminal and for the report."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from multipl_moe.eval.verdict import ALL, ROLES
from multipl_moe.languages.table import language_title
from multipl_moe.runs.decontamination import status_notes

MEAN = "mean"
SMALL_MODEL_NOTE = (
    "A model of some hundred million parameters writes few working programs, and here each language has few problems: "
    "read these counts as a check that the road works, not as a ranking. Bits per byte show what was learnt."
)
_ROLE_TITLES: dict[str | None, str] = {"learn": "to learn", "keep": "to keep", None: "", ALL: "all"}


@dataclass(frozen=True)
class VerdictRow:
    """One line of the table of one model: a language on a benchmark, or (language "mean") a mean over languages.

    Attributes:
        language, role, benchmark: as people read them; the benchmark of a mean is empty.
        tasks: how many; empty for a mean.
        pass_at_k: for each k of the verdict, in its order, the rate; empty where it was not measured.
        interval: 95%, of pass@1.
        built: share of the samples that parse or compile; empty for a mean.
        ends_role: whether it is the last of its role.
    """

    language: str
    role: str
    benchmark: str
    tasks: str
    pass_at_k: tuple[str, ...]
    interval: str
    built: str
    ends_role: bool


@dataclass(frozen=True)
class ComparisonRow:
    """One line of the table of two models; `trend` is "better", "worse" or "noise"."""

    language: str
    role: str
    benchmark: str
    tasks: str
    before: str
    after: str
    difference: str
    interval: str
    mcnemar_p: str
    noise_below: str
    trend: str
    ends_role: bool


def verdict_rows(verdict: dict[str, Any]) -> list[VerdictRow]:
    """Rows by role (languages to learn first), each role closed by its mean; the mean over all where roles differ."""
    ks = [str(k) for k in verdict["pass_at"]]
    rows = []
    for role, names, closes in _groups(verdict):
        for name in names:
            for benchmark, cell in verdict["languages"][name]["benchmarks"].items():
                rates = cell["pass_at_k"]
                cells = (
                    f"{cell['tasks']:,}",
                    _rates(rates, ks),
                    _span(rates["1"]),
                    _percent(cell["parses_or_compiles"]),
                )
                rows.append(VerdictRow(language_title(name), _ROLE_TITLES[role], benchmark, *cells, False))
        if closes:
            rates = verdict["means"][closes]["pass_at_k"]
            cells = ("", _rates(rates, ks), _span(rates["1"]), "")
            rows.append(VerdictRow(MEAN, _ROLE_TITLES[closes], "", *cells, True))
    return rows


def comparison_rows(comparison: dict[str, Any]) -> list[ComparisonRow]:
    """Rows of the comparison, grouped as `verdict_rows`."""
    rows = []
    for role, names, closes in _groups(comparison):
        for name in names:
            for benchmark, cell in comparison["languages"][name]["benchmarks"].items():
                rows.append(_comparison_row(language_title(name), role, benchmark, cell, False))
        if closes:
            rows.append(_comparison_row(MEAN, closes, "", comparison["means"][closes], True))
    return rows


def verdict_notes(verdict: dict[str, Any]) -> list[str]:
    """What a reader of the table must know: what was not scored, what was left out, whether the training text was
    decontaminated, and which tests prove nothing."""
    notes = [f"{language_title(name)} not scored: {reason}" for name, reason in verdict["not_scored"].items()]
    left_out = verdict["left_out"]
    if left_out:
        notes.append(
            f"{len(left_out):,} sample{'s' if len(left_out) > 1 else ''} left out because the judge itself failed "
            f"(the first is sample {left_out[0]['sample']} of {left_out[0]['key']}); such samples count for nothing"
        )
    if too_long := verdict.get("did_not_fit"):
        notes.append(
            f"{len(too_long):,} prompt{'s' if len(too_long) > 1 else ''} too long for the model, counted as failed "
            f"(the first is {too_long[0]})"
        )
    notes += status_notes(verdict.get("decontamination", {}))
    if verdict["flags"]:
        notes.append(f"tests that prove nothing, scored all the same: {', '.join(verdict['flags'])}")
    return notes


def _groups(values: dict[str, Any]) -> Iterator[tuple[str | None, list[str], str | None]]:
    """(role, its languages, the mean that closes them); the mean over all only where it is not that of a role."""
    roles = {name: row["role"] for name, row in values["languages"].items()}
    for role in (*ROLES, None):
        names = [name for name, has in roles.items() if has == role]
        if names:
            yield role, names, role if role in values["means"] else None
    means = values["means"]
    if ALL in means and all(means[role]["languages"] != means[ALL]["languages"] for role in ROLES if role in means):
        yield ALL, [], ALL


def _comparison_row(
    language: str, role: str | None, benchmark: str, cell: dict[str, Any], ends_role: bool
) -> ComparisonRow:
    low, high = cell["interval"]
    p_value = cell.get("mcnemar_p")
    trend = "noise" if cell["is_noise"] else "better" if cell["difference"] > 0 else "worse"
    return ComparisonRow(
        language,
        _ROLE_TITLES[role],
        benchmark,
        f"{cell['tasks']:,}",
        f"{cell['before']:.1%}",
        f"{cell['after']:.1%}",
        f"{100 * cell['difference']:+.1f}",
        f"{100 * low:+.1f} to {100 * high:+.1f}",
        "" if p_value is None else f"{p_value:.3f}" if p_value >= 0.001 else "<0.001",
        f"{100 * min(cell['noise_below'], 1):.1f}",
        trend,
        ends_role,
    )


def _rates(rates: dict[str, Any], ks: list[str]) -> tuple[str, ...]:
    return tuple(_percent(rates[k]) if k in rates else "" for k in ks)


def _percent(estimate: dict[str, Any]) -> str:
    return f"{estimate['value']:.1%}"


def _span(estimate: dict[str, Any]) -> str:
    low, high = estimate["interval"]
    return f"{low:.1%} to {high:.1%}"
