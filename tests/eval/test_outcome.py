"""The result in words: it says what the interval says, whatever the numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.eval.outcome import has_gain, outcome_sentence
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.recipe.recipe import validate_recipe
from multipl_moe.runs.result import Change, Changes, LanguageChange
from multipl_moe.runs.verdict import Difference
from tests.report.judged import judged

_RECIPE = validate_recipe({})  # learns Rust, Go and Ruby; keeps Python, Java, C++ and English
_LEARN, _KEEP = "Rust, Go and Ruby", "Python, Java and C++"


def _row(value: float, low: float, high: float) -> Change:
    return Change(change=value, interval=(low, high))


def _metrics(learn: Change, keep: Change, **languages: Change) -> Changes:
    rows = {name: _language(name, languages.get(name, _row(0, -0.1, 0.1)), 8) for name in _RECIPE.languages}
    return Changes(languages=rows, means={"learn": learn, "keep": keep})


def _language(name: str, change: Change, files: int) -> LanguageChange:
    title, role = _RECIPE.language_table[name].title, _RECIPE.languages[name]
    sizes = {"files": files, "bytes": 1, "bpb_before": 1.0, "bpb_after": 1.0}
    return LanguageChange(title=title, role=role, **sizes, **vars(change))


_SAME = (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("learn", "told"),
    [
        ((-0.129, -0.139, -0.121), f"Learnt: {_LEARN} need 12.9% fewer bits per byte (12.1 to 13.9)."),
        ((0.023, 0.017, 0.03), f"Not learnt: {_LEARN} need 2.3% more bits per byte (1.7 to 3.0)."),
        (
            (-0.004, -0.01, 0.002),
            f"Unclear whether anything was learnt: {_LEARN} need 0.4% fewer bits per byte (1.0 fewer to 0.2 more).",
        ),
        (_SAME, f"Nothing learnt: {_LEARN} need as many bits per byte as before."),
        (  # as a bootstrap may have it
            (-0.2, 0.1, 0.3),
            f"Not learnt: {_LEARN} need 20.0% fewer bits per byte (10.0 to 30.0 more).",
        ),
    ],
)
def test_what_was_learnt_has_its_words(learn: tuple[float, ...], told: str):
    assert outcome_sentence(_RECIPE, _metrics(_row(*learn), _row(*_SAME))) == f"{told} Kept: {_KEEP} as before."


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        ((-0.007, -0.013, -0.001), f"Kept: {_KEEP} as before (-0.7%, 0.1 to 1.3 better)."),
        ((0.02, 0.018, 0.022), f"Not kept: {_KEEP} need 2.0% more bits per byte (1.8 to 2.2)."),
        (
            (0.004, -0.01, 0.018),
            f"Unclear whether all was kept: {_KEEP} need 0.4% more bits per byte (1.0 fewer to 1.8 more).",
        ),
        ((0.001, -0.003, 0.005), f"Kept: {_KEEP} as before (+0.1%, 0.3 better to 0.5 worse)."),
        ((-0.018, -0.02, -0.016), f"Kept: {_KEEP} need 1.8% fewer bits per byte (1.6 to 2.0)."),
    ],
)
def test_what_was_kept_has_its_words(keep: tuple[float, ...], told: str):
    sentence = outcome_sentence(_RECIPE, _metrics(_row(*_SAME), _row(*keep)))
    assert sentence == f"Nothing learnt: {_LEARN} need as many bits per byte as before. {told}"


def test_a_language_that_became_worse_is_named_though_the_mean_did_not_and_so_is_one_of_one_file():
    worse = {"cpp": _row(0.03, 0.02, 0.041), "english": _row(0.05, 0.04, 0.06)}
    sentence = outcome_sentence(_RECIPE, _metrics(_row(-0.2, -0.3, -0.1), _row(0.0, -0.002, 0.002), **worse))
    assert sentence.endswith("Worse: C++ by 3.0% (2.0 to 4.1) and English text by 5.0% (4.0 to 6.0).")
    metrics = _metrics(_row(-0.2, -0.3, -0.1), _row(0.02, 0.01, 0.03), **worse)
    sentence = outcome_sentence(_RECIPE, metrics)
    assert sentence.endswith("Worse: English text by 5.0% (4.0 to 6.0).")  # C++ is in the mean that became worse
    metrics.languages["rust"] = _language("rust", _row(-0.2, -1.2, 0.8), files=1)
    assert outcome_sentence(_RECIPE, metrics).endswith(
        "One held-out file of Rust proves nothing: add files, or raise corpus.validation_share."
    )


def test_roles_of_one_language_and_without_any(before, after):
    recipe = validate_recipe({"learn": ["rust"], "keep": ["english"], "eval": {"bootstrap_samples": 100}})
    sentence = outcome_sentence(recipe, compare_scores(recipe, before, after))
    assert sentence == (
        "Learnt: Rust needs 20.0% fewer bits per byte (20.0 to 20.0). "
        "Not kept: English text needs 50.0% more bits per byte (50.0 to 50.0)."
    )
    alone = validate_recipe({"learn": ["rust"], "keep": [], "eval": {"bootstrap_samples": 100}})
    assert "ept" not in outcome_sentence(alone, compare_scores(alone, before, after))


_Changes = st.tuples(*[st.floats(-0.6, 0.6) | st.floats(-0.02, 0.02) | st.sampled_from([0.0, 0.01, -0.01])] * 3)


@given(learn=_Changes, keep=_Changes)
def test_sentence_and_interval_never_disagree(learn: tuple[float, ...], keep: tuple[float, ...]):
    metrics = {"learn": _row(learn[0], *sorted(learn[1:])), "keep": _row(keep[0], *sorted(keep[1:]))}
    told = re.fullmatch(r"(.*?): .*?\. (.*?): .*\.", outcome_sentence(_RECIPE, _metrics(**metrics)))
    assert told is not None
    learnt, kept = told.groups()
    low, high = metrics["learn"].interval
    is_zero = max(-low, high, low, -high) < 0.0005
    assert (learnt == "Learnt") == (high < 0 and not is_zero) == has_gain(_RECIPE, _metrics(**metrics))
    assert (learnt == "Not learnt") == (low > 0 and not is_zero)
    assert (learnt == "Nothing learnt") == is_zero
    worst = metrics["keep"].interval[1]
    assert kept in {"better": ["Kept"], "same": ["Kept"], "worse": ["Not kept"]}.get(
        metrics["keep"].outcome, ["Kept", "Unclear whether all was kept"]
    )
    assert kept != "Kept" or worst <= 0.01


@pytest.mark.parametrize(
    ("difference", "is_noise", "gains"), [(0.1, False, True), (0.1, True, False), (-0.1, False, False)]
)
def test_of_a_run_that_practised_programs_come_first_and_decide(metrics, difference, is_noise, gains):
    of_bits = _metrics(_row(-0.2, -0.3, -0.1), _row(0.001, -0.003, 0.005))
    shares = {"before": 0.0, "after": difference, "difference": difference, "interval": (0.0, 0.0)}
    counts = {"tasks": 9, "gained": 1, "lost": 0, "is_noise": is_noise, "sentence": "what changed"}
    programs = judged()
    assert programs.comparison is not None
    programs.comparison.means["learn"] = Difference(**shares, **counts)
    metrics = metrics.but(languages=of_bits.languages, means=of_bits.means, programs=programs)
    recipe = validate_recipe({"practice": {"tasks": ["mine.jsonl"]}})
    assert outcome_sentence(recipe, metrics).startswith("Programs that pass, pass@1: what changed. Learnt: ")
    assert has_gain(recipe, metrics) == gains
    assert has_gain(_RECIPE, metrics)
    assert outcome_sentence(_RECIPE, metrics).startswith("Learnt: ")
