from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.problems.forms.stops import cut_at_stop

text = st.text(alphabet="ab\n}#", max_size=30)
stops = st.lists(st.text(alphabet="ab\n}#", min_size=1, max_size=3), max_size=4)


@given(text, stops)
def test_what_is_left_is_the_longest_beginning_without_a_stop_string(completion, stop):
    cut = cut_at_stop(completion, stop)
    assert completion.startswith(cut)
    assert not any(string in cut for string in stop)
    rest = completion[len(cut) :]
    assert rest == "" or any(rest.startswith(string) for string in stop)


@given(text, stops)
def test_cutting_twice_changes_nothing(completion, stop):
    cut = cut_at_stop(completion, stop)
    assert cut_at_stop(cut, stop) == cut


def test_the_earliest_stop_string_wins_whatever_their_order():
    assert cut_at_stop("x\n}\ny\nend", ["\nend", "\n}"]) == "x"
    assert cut_at_stop("x\n}\ny\nend", ["\n}", "\nend"]) == "x"
