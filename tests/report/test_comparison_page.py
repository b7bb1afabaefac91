"""The page and the plot of a comparison: every number in its row, and words that follow from the intervals."""

from typing import Any

import numpy as np
import pytest

from multipl_moe.compare.result import undominated
from multipl_moe.report.comparison_page import comparison_runs_table, write_comparison
from multipl_moe.report.comparison_plot import comparison_plot


def _change(value: float, low: float, high: float) -> dict[str, Any]:
    return {"change": value, "interval": [low, high]}


def _run(
    method: str, learn: float, keep: float, *, is_long: bool = True, is_reviewed: bool = False, rate: float = 1e-3
) -> dict[str, Any]:
    def language(role: str, change: float) -> dict[str, Any]:
        return {"role": role, "bpb_before": 1.25, **_change(change, change - 0.01, change + 0.01)}

    return {
        "method": method,
        "is_long": is_long,
        "is_reviewed": is_reviewed,
        "learning_rate": rate,
        "seed": 0,
        "compute_dtype": "bfloat16",
        "tokens": (250_000 if is_long else 125_000) + 50_000 * is_reviewed,
        "tokens_per_s": 1234.5,
        "parameters": {"total": 262_000_000, "active": 187_600_000, "trained": 127_400_000},
        "languages": {"rust": language("learn", learn), "python": language("keep", keep)},
        "means": {"learn": _change(learn, learn - 0.01, learn + 0.01), "keep": _change(keep, keep - 0.01, keep + 0.01)},
        "programs": {
            "rust": {"role": "learn", "tasks": 10, "pass_at_1": 0.3},
            "python": {"role": "keep", "tasks": 10, "pass_at_1": 0.1},
        },
    }


@pytest.fixture
def result() -> dict[str, Any]:
    runs = {
        "a": _run("causal", -0.12, -0.03),
        "b": _run("dense", -0.11, 0.02),
        "c": _run("dense", -0.08, 0.0, is_long=False, rate=3e-4),
        "d": _run("dense", -0.10, 0.01, is_long=False) | {"compute_dtype": "float32"},
    }
    means = {"learn": _change(-0.02, -0.03, -0.01), "keep": _change(0.01, -0.01, 0.03)}
    return {
        "title": "Ways",
        "tokens": 250_000,
        "curve_tokens": 125_000,
        "methods": {"causal": "hybrid", "dense": "dense, all weights"},
        "base": {"programs": runs["a"]["programs"]},
        "runs": runs,
        "undominated": {"long": undominated(runs, is_long=True), "short": undominated(runs, is_long=False)},
        "claims": [{"question": "Better?", "of": "causal", "against": "dense", "tokens": 4096, "seeds": {"0": means}}],
    }


def _page(result: dict[str, Any], tmp_path) -> str:
    write_comparison(tmp_path, result)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    return (tmp_path / "comparison.md").read_text()


def test_page_has_every_number_of_a_long_run(result, tmp_path):
    page = _page(result, tmp_path)
    cells = "0.001 | 0 | -12.0 [-13.0, -11.0] | -3.0 [-4.0, -2.0] |  | 262.0M | 187.6M | 127.4M | 1,234"
    assert f"| hybrid | {cells} |" in page
    assert "| hybrid | 250,000 | 0.001 | 0 | -12.0 | -3.0 |" in page
    assert "| base, bits per byte |  |  |  | 1.250 | 1.250 |" in page


def test_how_far_a_run_moved_is_a_column_that_is_empty_where_it_was_not_measured(result, tmp_path, moved):
    result["runs"]["a"]["moved"] = moved
    lines = _page(result, tmp_path).splitlines()
    (header,) = {line for line in lines if line.startswith("| method | rate | seed | learn |")}
    place = header.split(" | ").index("moved")
    starts = ("| hybrid | 0.001", "| dense, all weights | 0.001")
    runs = [line.split(" | ") for line in lines if line.startswith(starts)]
    assert [cells[place] for cells in runs] == ["0.031 [0.025, 0.037]", "", ""]


def test_readers_are_told_in_which_dtypes_the_runs_computed(result, tmp_path):
    result["runs"]["a-reviewed"] = _run("causal", -0.11, -0.03, is_reviewed=True)
    assert "\nRuns that computed in bfloat16: 3, in float32: 1.\n" in _page(result, tmp_path)


def test_curves_and_long_runs_stand_in_tables_of_their_own(result, tmp_path):
    long, curves = _page(result, tmp_path).split("## Curves: learning rates at 125,000 tokens")
    assert "| dense, all weights | 0.0003 |" not in long
    assert "| dense, all weights | 0.0003 | 0 | -8.0 [-9.0, -7.0] |" in curves
    assert "| dense, all weights | 125,000 | 0.0003 | 0 | -8.0 | +0.0 |" in curves


def test_programs_are_counted_and_questions_answered_in_words(result, tmp_path):
    page = _page(result, tmp_path)
    assert "| method | seed | Rust (of 10) | Python (of 10) | all |" in page
    assert "| hybrid | 0 | 3 | 1 | 4 |" in page
    assert "| Better? | hybrid against dense, all weights | 4,096 | 0 | " in page
    assert "| better on languages to learn, no clear difference on languages to keep |" in page
    result["claims"][0]["seeds"]["0"]["keep"] = _change(0.02, 0.01, 0.03)
    assert "worse on languages to keep" in _page(result, tmp_path)


def test_readers_are_told_what_the_corpus_was_decontaminated_against(result, tmp_path):
    page = _page(result | {"decontamination": {"starter": "checked", "mbpp": "not checked"}}, tmp_path)
    assert "against: starter.\n" in page
    assert "Training corpus NOT decontaminated against: mbpp.\n" in page


def test_runs_that_none_beats_on_both_are_named(result, tmp_path):
    assert result["undominated"] == {"long": ["a"], "short": ["c", "d"]}
    page = _page(result, tmp_path)
    assert "- 250,000 tokens: hybrid (rate 0.001, seed 0)." in page
    assert (
        "- 125,000 tokens: dense, all weights (rate 0.0003, seed 0); dense, all weights (rate 0.001, seed 0)." in page
    )
    runs = {"a": _run("causal", -0.12, -0.03), "b": _run("dense", -0.13, 0.02), "c": _run("dense", -0.12, -0.03)}
    assert undominated(runs, is_long=True) == ["a", "b", "c"]


def test_a_review_beats_no_run_as_it_has_read_more(result, tmp_path):
    runs = {"a": _run("causal", -0.12, -0.03), "a-reviewed": _run("causal", -0.13, -0.04, is_reviewed=True)}
    assert undominated(runs, is_long=True) == ["a"]
    page = _page(result | {"runs": runs, "undominated": {"long": ["a"], "short": []}}, tmp_path)
    assert "| hybrid, reviewed | 300,000 | 0.001 | 0 |" in page


def test_a_language_that_a_run_could_not_be_judged_in_is_left_empty(result, tmp_path):
    run = result["runs"]["a"]
    del run["programs"]["rust"]
    result["base"] = {"programs": result["runs"]["b"]["programs"]}
    page = _page(result, tmp_path)
    assert "| hybrid | 0 |  | 1 |  |" in page
    assert "| dense, all weights | 0 | 3 | 1 | 4 |" in page


def test_titles_are_text_and_nothing_else(result, tmp_path):
    result["methods"]["causal"] = "costs $a_$ | [rank 16]"
    assert "| costs $a_$ \\| [rank 16] | 0.001 |" in _page(result, tmp_path)


def test_few_parameters_are_counted_in_thousands(result, tmp_path):
    result["runs"]["a"]["parameters"]["trained"] = 27_648
    assert "| 262.0M | 187.6M | 28k |" in _page(result, tmp_path)


def test_page_of_a_comparison_without_runs_can_be_written(result, tmp_path):
    page = _page(result | {"runs": {}, "undominated": {"long": [], "short": []}, "claims": [], "base": None}, tmp_path)
    assert "none yet" in page
    assert "## Each method" not in page


def test_terminal_shows_the_long_runs(result):
    rows = [cells for cells in comparison_runs_table(result).rows if cells]
    assert [cells[3] for cells in rows] == ["-12.0 [-13.0, -11.0]", "-11.0 [-12.0, -10.0]"]
    short = {name: run for name, run in result["runs"].items() if not run["is_long"]}
    assert [cells[1] for cells in comparison_runs_table(result | {"runs": short}).rows if cells] == ["0.0003", "0.001"]


def test_plot_has_a_panel_of_points_with_intervals_and_one_of_curves_in_the_order_of_rates(result):
    figure = comparison_plot(result)
    long, short = figure.axes
    assert len(long.containers) == 2
    assert long.get_title().startswith("250,000 tokens")
    (curve,) = [np.asarray(line.get_xydata()) for line in short.lines if line.get_label() == "dense, all weights"]
    assert curve.tolist() == [pytest.approx([0.0, -8.0]), pytest.approx([1.0, -10.0])]
    assert [text.get_text() for text in short.texts] == ["0.0003", "0.001"]
    assert short.get_title().startswith("125,000 tokens")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["hybrid", "dense, all weights"]


def test_plot_shows_the_rates_of_each_curve_at_its_ends_alone(result):
    result["runs"]["e"] = _run("dense", -0.09, 0.0, is_long=False, rate=5e-4)
    result["runs"]["f"] = _run("causal", -0.09, 0.0, is_long=False, rate=2e-3)
    assert [text.get_text() for text in comparison_plot(result).axes[1].texts] == ["0.0003", "0.001"]


def test_a_run_that_forgets_much_does_not_squeeze_the_others(result):
    result["runs"]["d"]["means"]["keep"] = _change(0.40, 0.39, 0.41)
    axes = comparison_plot(result).axes[1]

    def place(x: float) -> float:
        return float(axes.transData.transform((x, 0))[0])

    assert place(10) - place(0) > place(40) - place(10)
    assert place(2) - place(1) == pytest.approx(place(9) - place(8))


def test_plot_of_reviewed_runs_is_hollow(result):
    result["runs"]["a-reviewed"] = _run("causal", -0.11, -0.03, is_reviewed=True)
    long = comparison_plot(result).axes[0]
    hollow = [np.asarray(line.get_xydata()).tolist() for line in long.lines if line.get_fillstyle() == "none"]
    assert [points for points in hollow if points] == [[pytest.approx([-3.0, -11.0])]]


@pytest.mark.parametrize("is_long", [True, False])
def test_plot_of_one_length_has_one_panel(result, is_long):
    runs = {name: run for name, run in result["runs"].items() if run["is_long"] == is_long}
    assert len(comparison_plot(result | {"runs": runs}).axes) == 1


def test_many_methods_look_different_from_each_other(result):
    methods = {f"method {number}": f"Method {number}" for number in range(25)}
    runs = {name: _run(name, -0.1, 0.0) | {"is_long": False} for name in methods}
    (axes,) = comparison_plot(result | {"methods": methods, "runs": runs}).axes
    looks = {(line.get_color(), line.get_marker()) for line in axes.lines if line.get_label() in methods.values()}
    assert len(looks) == 25
