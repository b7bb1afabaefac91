"""The split of files into training and held out."""

import pytest
from datatrove.data import Document
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.corpus.split import SplitByFile


def held_out(num_files: int, share: float) -> list[bool]:
    documents = (Document("text", str(i), metadata={"language": "go", "licence": "MIT"}) for i in range(num_files))
    return [document.metadata["split"] == "validation" for document in SplitByFile(share).run(documents)]


@given(st.integers(2, 200), st.floats(0.01, 0.99))
def test_the_share_holds_to_within_a_file_and_both_splits_have_one(num_files, share):
    held = held_out(num_files, share)
    assert abs(sum(held) - share * num_files) <= 1
    assert 1 <= sum(held) < num_files


def test_a_single_file_is_for_training():
    assert held_out(1, 0.9) == [False]


@pytest.mark.parametrize("num_files", [10, 30])
def test_more_files_do_not_move_the_earlier_ones(num_files):
    assert held_out(num_files, 0.3) == held_out(40, 0.3)[:num_files]
