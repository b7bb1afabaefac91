"""When a program has used its time up, whatever else the machine does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.judge.processes import Usage
from multipl_judge.judge.supervise import out_of_time


@pytest.mark.parametrize(
    ("wall_s", "used", "said"),
    [
        (9.9, Usage(9.9, 0, 0, False), ""),
        (10, Usage(10, 0, 0, False), "used"),
        (5, Usage(10, 0, 0, False), "used"),
        (60, Usage(10, 50, 0, False), "used"),
        (10, Usage(0.1, 0.1, 0, False), ""),
        (10.2, Usage(0.1, 0.1, 0, False), "used"),
        (60, Usage(5, 54, 0, False), ""),
        (100, Usage(5, 94, 0, False), "starved"),
        (100, Usage(5, 300, 0, False), "starved"),
        (10, Usage(0.1, 0, 0, True), ""),
        (100, Usage(0.1, 0, 0, True), "starved"),
        (10, Usage(2, 0, 1.5, False), ""),
        (100, Usage(2, 0, 1.5, False), "used"),
    ],
    ids=str,
)
def test_time_is_what_a_program_computed_or_slept(wall_s, used, said):
    assert out_of_time(used, wall_s, 10) == said


_SECONDS = st.floats(0, 200)


@given(_SECONDS, _SECONDS, _SECONDS)
def test_what_others_do_uses_no_time_of_a_program_up(cpu_s, slept_s, starved_s):
    alone = out_of_time(Usage(cpu_s, 0, 0, False), cpu_s + slept_s, 10)
    among_others = out_of_time(Usage(cpu_s, starved_s, 0, False), cpu_s + slept_s + starved_s, 10)
    assert among_others == alone or (among_others, alone) == ("starved", "") or abs(cpu_s + slept_s - 10) < 1e-6
