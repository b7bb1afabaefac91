"""The pages of a comparison: every number in its row, and words that follow from the intervals."""

from multipl_moe.compare.result import undominated
from multipl_moe.report.comparison_page import comparison_html, comparison_markdown
from tests.report.compared import a_run, change, with_runs
from tests.report.html_page import assert_loads_nothing

_FAMILIES = [("better", "Experts behind a gate"), ("orange", "LoRA"), ("blue", "dense")]


def test_page_has_every_number_of_every_run_counts_programs_and_answers_questions_in_words(result):
    long, curves = comparison_markdown(result).split("## Curves: learning rates at 125,000 tokens")
    assert " | 0.0003 |" not in long
    cells = "-12.0 [-13.0, -11.0] | -3.0 [-4.0, -2.0] |  | 0.001 | 0 | 262.0M | 187.6M | 127.4M | 1,234"
    best = "dense, all weights (rate 0.0003, seed 0); dense, all weights (rate 0.001, seed 0)."
    for part in (
        "- 250,000 tokens: hybrid (rate 0.001, seed 0).",
        f"- 125,000 tokens: {best}",
        f"| hybrid | {cells} |",
    ):
        assert part in long
    for line in (
        "| dense, all weights | -8.0 [-9.0, -7.0] | +0.0 [-1.0, +1.0] |  | 0.0003 | 0 |",
        "| base, bits per byte |  |  |  | 1.250 | 1.250 |",
        "| hybrid | 250,000 | 0.001 | 0 | -12.0 | -3.0 |",
        "| dense, all weights | 125,000 | 0.0003 | 0 | -8.0 | +0.0 |",
        "| method | seed | Rust (of 10) | Python (of 10) | all |",
        "| hybrid | 0 | 3 | 1 | 4 |",
        "| Better? | hybrid against dense, all weights | 4,096 | 0 | ",
        "| better on languages to learn, no clear difference on languages to keep |",
    ):
        assert line in curves
    result.answers[0].means["keep"] = change(0.02, 0.01, 0.03)
    assert "worse on languages to keep" in comparison_markdown(result)


def test_how_far_a_run_moved_is_a_column_that_is_empty_where_it_was_not_measured(result, moved):
    result.runs["a"] = result.runs["a"].but(moved=moved)
    lines = comparison_markdown(result).splitlines()
    (header,) = {line for line in lines if line.startswith("| method | learn | keep |")}
    place = header.split(" | ").index("moved")
    starts = ("| hybrid | -1", "| dense, all weights | -1")
    runs = [line.split(" | ") for line in lines if line.startswith(starts)]
    assert [cells[place] for cells in runs] == ["0.031 [0.025, 0.037]", "", ""]


def test_runs_that_none_beats_on_both_are_the_best(result):
    assert result.undominated == {"long": ["a"], "short": ["c", "d"]}
    runs = {"a": a_run("causal", -0.12, -0.03), "b": a_run("dense", -0.13, 0.02), "c": a_run("dense", -0.12, -0.03)}
    assert undominated(runs, is_long=True) == ["a", "b", "c"]


def test_the_page_says_what_is_best_before_all_else(result):
    page = comparison_html(result.but(title="<b>Ways</b>"))
    assert_loads_nothing(page)
    assert "<b>Ways" not in page
    assert "<h1>Best at 250,000 tokens: hybrid</h1>" in page
    assert page.index("<h1>") < page.index("<svg") < page.index("<table>")
    assert [f'var(--{colour})">{family}</span>' in page for colour, family in _FAMILIES] == [True, False, True]
    assert '<td class="good">-12.0\n[-13.0, -11.0]</td>' in page
    assert '<td class="bad">+2.0\n[+1.0, +3.0]</td>' in page
    empty = comparison_html(with_runs({}, answers=[], base=None))
    assert_loads_nothing(empty)
    assert "<h1>No run is finished yet</h1>" in empty
