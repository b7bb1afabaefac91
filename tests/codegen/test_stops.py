"""A stop string is found where it would be found in the whole text, whatever the pieces in which the text comes."""

from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.codegen.stops import settled_stop
from multipl_moe.problems.forms.stops import cut_at_stop

texts = st.text("ab\n}", max_size=20)
stop_strings = st.lists(st.text("ab\n}", min_size=1, max_size=5), max_size=4)


@given(texts, stop_strings)
def test_the_cut_is_before_the_earliest_stop(text, stops):
    cut = cut_at_stop(text, stops)
    assert text.startswith(cut)
    assert not any(stop in cut for stop in stops)
    assert cut == text or any(text[len(cut) :].startswith(stop) for stop in stops)


@given(texts, texts, stop_strings)
def test_what_is_settled_no_continuation_changes(text, continuation, stops):
    place = settled_stop(text, stops)
    if place is not None:
        assert text[:place] == cut_at_stop(text, stops) == cut_at_stop(text + continuation, stops)


@given(texts, stop_strings)
def test_what_is_not_settled_some_continuation_changes(text, stops):
    if settled_stop(text, stops) is None:
        cut = cut_at_stop(text, stops)
        ends = [stop[size:] for stop in stops for size in range(len(stop))]
        assert cut == text or any(cut_at_stop(text + end, stops) != cut for end in ends)


def test_a_stop_inside_one_that_may_still_come_waits():
    assert settled_stop("xabc", ["bc", "abcd"]) is None
    assert settled_stop("xabcd", ["bc", "abcd"]) == 1
    assert settled_stop("xabce", ["bc", "abcd"]) == 2
