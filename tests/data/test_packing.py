"""Best-fit decreasing against its definition and in time."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.data.packing import BestFitLayout, best_fit_decreasing


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


def test_a_hundred_thousand_documents_take_a_second_at_most():
    """A search through all bins would take minutes."""
    lengths = np.random.default_rng(0).lognormal(6, 1.2, 100_000).astype(np.int64) + 1
    begin = time.perf_counter()
    layout = BestFitLayout(np.cumsum(lengths), 2048)
    assert time.perf_counter() - begin < 5
    assert layout.counts.padding_share < 0.01
