"""The table of a comparison for the terminal."""

from multipl_moe.report.comparison_tables import comparison_runs_table, solved_table
from tests.report.test_grid import row


def test_terminal_shows_the_long_runs_and_where_there_is_none_the_short_ones(result):
    rows = [cells for cells in comparison_runs_table(result).rows if cells]
    assert [str(cells[2]) for cells in rows] == ["-12.0\n[-13.0, -11.0]", "-11.0\n[-12.0, -10.0]"]
    short = {name: run for name, run in result.runs.items() if not run.is_long}
    rows = [cells for cells in comparison_runs_table(result.but(runs=short)).rows if cells]
    assert [cells[1] for cells in rows] == ["0.0003\nseed 0", "0.001\nseed 0"]


def test_what_parses_or_compiles_stands_in_brackets_beside_what_passes(result):
    assert row(solved_table(result, result.base), "base") == ["base", "", "3", "1", "4"]
    rust = result.base.languages["rust"].but(parses_or_compiles=0.75)
    base = result.base.but(languages=result.base.languages | {"rust": rust})
    table = solved_table(result, base)
    assert row(table, "base") == ["base", "", "3 (75%)", "1", "4"]
    assert "In brackets: how many parse or compile." in table.notes
