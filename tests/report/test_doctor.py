"""Tables of what `doctor` foresees."""

from multipl_moe.report.doctor import comparison_plan_table
from tests.report.test_grid import row


def test_a_comparison_needs_the_most_memory_of_a_run_and_the_time_of_all():
    runs = {"hybrid": [(3 * 2**30, 60.0), (2 * 2**30, 30.0)], "dense": [(2**30, 20.0)]}
    grid = comparison_plan_table(runs, usable_bytes=2 * 2**30)
    assert row(grid, "hybrid")[1:] == ["2", "3.00 GiB", "90 s"]
    assert row(grid, "dense")[1:] == ["1", "1.00 GiB", "20 s"]
    assert row(grid, "all")[1:] == ["3", "3.00 GiB", "110 s"]
    colours = {str(cells[0]): cells[2].style for cells in grid.rows if cells is not None}  # pyright: ignore
    assert colours == {"hybrid": "red", "dense": "green", "all": "red"}
