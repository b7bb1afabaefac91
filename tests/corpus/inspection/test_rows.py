from collections import Counter

import pytest

from multipl_moe.corpus.inspection.rows import Reservoir, source_of


def chosen(size: int, num_items: int, seed: str) -> list[int]:
    reservoir = Reservoir[int](size, seed)
    for item in range(num_items):
        reservoir.add(item)
    assert reservoir.num_seen == num_items
    return reservoir.items


def test_each_item_is_as_likely_as_any_other():
    counts = Counter(item for seed in range(3000) for item in chosen(2, 10, str(seed)))
    assert [counts[item] / 3000 for item in range(10)] == pytest.approx([0.2] * 10, abs=0.03)


@pytest.mark.parametrize(("size", "num_items"), [(0, 5), (3, 0), (3, 2), (3, 3), (3, 50)])
def test_it_chooses_as_many_as_asked_for_or_all_none_twice(size, num_items):
    items = chosen(size, num_items, "a")
    assert len(set(items)) == len(items) == min(size, num_items)


def test_equal_seeds_choose_equally():
    assert chosen(3, 50, "a") == chosen(3, 50, "a") != chosen(3, 50, "b")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("src/project/lib/a.rs", "src/project"),
        ("data/rows.jsonl#12/lib/a.rs", "data/rows.jsonl"),
        ("bigcode/the-stack#7", "bigcode/the-stack"),
        ("c#/project/a.cs", "c#/project"),
        ("data/broken.tar", "data/broken.tar"),
    ],
)
def test_a_path_begins_with_its_source(path, source):
    assert source_of(path) == source
