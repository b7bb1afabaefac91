"""Rows of the verdict: grouped by role, every caveat told."""

from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.report.verdict_rows import comparison_rows, verdict_notes, verdict_rows
from tests.eval.judged import problems, results
from tests.report.judged import judged


def test_languages_to_learn_come_first_and_each_role_ends_with_its_mean():
    rows = verdict_rows(judged())
    assert [(row.language, row.role, row.benchmark) for row in rows] == [
        ("Rust", "to learn", "starter"),
        ("mean", "to learn", ""),
        ("Python", "to keep", "starter"),
        ("mean", "to keep", ""),
        ("mean", "all", ""),
    ]
    assert [row.ends_role for row in rows] == [False, True, False, True, True]


def test_cells_are_those_of_the_verdict():
    rust = verdict_rows(judged())[0]
    assert (rust.tasks, rust.pass_at_k, rust.interval, rust.built) == ("20", ("70.0%",), "48.1% to 85.5%", "70.0%")


def test_comparison_tells_the_trend():
    rows = comparison_rows(judged()["comparison"])
    assert [(row.language, row.trend) for row in rows] == [
        ("Rust", "better"),
        ("mean", "better"),
        ("Python", "noise"),
        ("mean", "noise"),
        ("mean", "better"),
    ]
    rust = rows[0]
    assert (rust.before, rust.after, rust.difference, rust.mcnemar_p) == ("10.0%", "70.0%", "+60.0", "<0.001")
    assert rust.noise_below == "40.0"
    assert rows[1].mcnemar_p == ""


def test_notes_tell_what_was_not_scored_left_out_and_hollow():
    assert verdict_notes(judged() | {"decontamination": {"mbpp": "checked", "starter": "unknown"}}) == [
        "Go not scored: go: not found; [install] it",
        "1 sample left out because the judge itself failed (the first is sample 0 of starter/python/19); "
        "such samples count for nothing",
        "training corpus decontaminated (files that held problems were left out) against: mbpp",
        "not known whether the training text was decontaminated against: starter",
        "tests that prove nothing, scored all the same: starter/rust/7",
    ]


def test_languages_without_a_role_have_one_mean():
    asked = problems("rust", 4) + problems("lua", 4)
    rows = verdict_rows(build_verdict(asked, results(asked, "ppppwwww"), VerdictSettings()))
    assert [(row.language, row.role) for row in rows] == [("Rust", ""), ("lua", ""), ("mean", "all")]
    assert rows[-1].pass_at_k == ("50.0%",)


def test_a_mean_over_the_only_role_is_not_said_twice():
    asked = problems("rust", 4)
    rows = verdict_rows(build_verdict(asked, results(asked, "ppww"), VerdictSettings(roles={"rust": "learn"})))
    assert [(row.language, row.role) for row in rows] == [("Rust", "to learn"), ("mean", "to learn")]
