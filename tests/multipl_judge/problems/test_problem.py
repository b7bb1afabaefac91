from hypothesis import given
from hypothesis import strategies as st

from multipl_judge.problems.problem import cut_at_stop


@given(st.text("ab\n}#", max_size=30), st.lists(st.text("ab\n}#", min_size=1, max_size=3), max_size=4))
def test_what_is_left_is_the_longest_beginning_without_a_stop_string(completion, stop):
    cut = cut_at_stop(completion, stop)
    assert completion.startswith(cut)
    assert not any(string in cut for string in stop)
    rest = completion[len(cut) :]
    assert rest == "" or any(rest.startswith(string) for string in stop)
