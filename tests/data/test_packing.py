"""Best-fit decreasing against its definition and in time; windows at the borders of files."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.data.packing import BestFitLayout, WindowLayout, best_fit_decreasing


def _slow(lengths: list[int], capacity: int) -> list[int]:
    """Every bin looked at for every item: the least room that is enough, of equal ones the latest to get it."""
    room: list[int] = []
    since: list[int] = []
    bins = [0] * len(lengths)
    for time_, item in enumerate(sorted(range(len(lengths)), key=lambda item: (-lengths[item], item))):
        fitting = [number for number in range(len(room)) if room[number] >= lengths[item]]
        if not fitting:
            room.append(capacity)
            since.append(0)
            fitting = [len(room) - 1]
        number = min(fitting, key=lambda number: (room[number], -since[number]))
        room[number] -= lengths[item]
        since[number] = time_
        bins[item] = number
    return bins


@given(st.integers(1, 40).flatmap(lambda top: st.tuples(st.just(top), st.lists(st.integers(1, top), max_size=60))))
def test_each_item_goes_into_the_fullest_bin_with_room(case):
    capacity, lengths = case
    assert best_fit_decreasing(np.array(lengths, np.int64), capacity).tolist() == _slow(lengths, capacity)


def test_what_fits_together_is_put_together():
    """Ding et al.'s point: documents of 6, 3 and 1 and of 5 and 5 fill two sequences, where windows would cut two."""
    layout = BestFitLayout(np.cumsum([3, 5, 6, 5, 1]), 10)
    assert [layout.pieces(index)[1].tolist() for index in range(2)] == [[3, 6, 1], [5, 5]]
    assert (layout.counts.padding_tokens, layout.counts.cut_documents) == (0, 0)


def test_long_documents_are_cut_and_their_rests_packed():
    layout = BestFitLayout(np.cumsum([25, 4, 10]), 10)
    pieces = [list(zip(*map(np.ndarray.tolist, layout.pieces(index)), strict=True)) for index in range(4)]
    assert pieces == [[(0, 10)], [(10, 10)], [(29, 10)], [(20, 5), (25, 4)]]
    assert (layout.counts.padding_tokens, layout.counts.cut_documents, layout.counts.documents) == (1, 1, 3)


def test_a_hundred_thousand_documents_take_a_second_at_most():
    """A search through all bins would take minutes."""
    lengths = np.random.default_rng(0).lognormal(6, 1.2, 100_000).astype(np.int64) + 1
    begin = time.perf_counter()
    layout = BestFitLayout(np.cumsum(lengths), 2048)
    assert time.perf_counter() - begin < 5
    assert layout.counts.padding_share < 0.01


@pytest.mark.parametrize(
    ("lengths", "files", "cut", "lost"),
    [
        ([4, 4, 4], [3], 0, 0),  # each document is a window
        ([3, 5, 4], [3], 1, 0),
        ([2, 2, 7], [3], 1, 3),
        ([4, 3], [2], 1, 3),  # the second document is lost, all of it
        ([4, 3, 1, 4], [2, 2], 2, 3 + 1),  # windows start anew with each file
    ],
)
def test_documents_that_are_not_whole_in_a_window_are_counted(lengths, files, cut, lost):
    ends = np.cumsum(lengths)
    layout = WindowLayout(ends, ends[np.cumsum(files) - 1], 4)
    assert (layout.counts.cut_documents, layout.counts.lost_tokens) == (cut, lost)


def test_pieces_are_the_documents_of_a_window():
    layout = WindowLayout(np.cumsum([3, 1, 1, 6]), np.array([11]), 4)
    assert [layout.pieces(0)[1].tolist(), layout.pieces(1)[1].tolist()] == [[3, 1], [1, 3]]
    assert layout.num_tokens(np.array([0, 1])).tolist() == [4, 4]
