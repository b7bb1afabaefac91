"""Tables of what a run measured and trained."""

import pytest
from rich.text import Text

from multipl_moe.eval.measures import MEASURES
from multipl_moe.eval.score_changes import describe_scores
from multipl_moe.report.tables import audit_table, measure_table, result_table, scores_table
from multipl_moe.train.freezing import TrainableParameters
from tests.report.test_grid import row


def test_result_has_a_row_for_each_language_and_mean_those_to_learn_first(metrics):
    grid = result_table(metrics.but(languages=dict(reversed(metrics.languages.items()))))
    assert row(grid, "Rust") == ["Rust", "-20.0%", "-20.0% to -20.0%", "2.0000", "1.6000", "to learn"]
    assert row(grid, "mean of code", "to learn")[1] == "-15.0%"
    assert row(grid, "mean of code", "to keep")[1] == "+1.0%"
    one = metrics.languages["rust"].but(files=1, interval=(-1.2, 0.8))
    assert row(result_table(metrics.but(languages={"rust": one})), "Rust")[2] == "one file: none"
    names = [str(cells[0]) for cells in grid.rows if cells]
    assert names == ["C++", "Rust", "mean of code", "English text", "Python", "mean of code"]


@pytest.mark.parametrize(
    ("interval", "colour"), [([-0.3, -0.1], "green"), ([0.1, 0.3], "red"), ([-0.1, 0.1], "yellow")]
)
def test_colour_tells_whether_the_interval_excludes_no_change(metrics, interval: list[float], colour: str):
    row = metrics.languages["rust"].but(interval=interval)
    first = result_table(metrics.but(languages={"rust": row})).rows[0]
    assert first is not None
    assert isinstance(first[1], Text)
    assert first[1].style == colour


def test_scores_of_one_model(recipe, before):
    assert row(scores_table(describe_scores(recipe, before)), "C++") == ["C++", "to learn", "2.0000", "3", "300"]


def test_movement_has_a_row_for_each_kind_of_text(moved):
    grid = measure_table(MEASURES["moved"], moved)
    assert [row[0] for row in grid.rows if row] == ["the base's own answers", "other kinds of text"]
    assert row(grid, "other kinds of text") == ["other kinds of text", "12,345", "0.500", "0.400 to 0.600", "10.0%"]


def test_audit_adds_up():
    grid = audit_table(TrainableParameters({"experts": 1_000_000, "token routers": 234}, 5_000_000))
    rows = [tuple(map(str, cells)) for cells in grid.rows if cells]
    assert rows == [
        ("experts", "1,000,000"),
        ("token routers", "234"),
        ("trained", "1,000,234"),
        ("frozen: everything else", "5,000,000"),
    ]
