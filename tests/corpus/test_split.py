"""The split of files into training and held out."""

from pathlib import Path

import pytest
from datatrove.data import Document
from hypothesis import given
from hypothesis import strategies as st

from multipl_moe.corpus.split import HeldOutMarks, SplitByFile


def split(share: float, marks: Path = Path("none"), learn: tuple[str, ...] = ()) -> SplitByFile:
    return SplitByFile(share, marks, learn)


def held_out(num_files: int, share: float) -> list[bool]:
    documents = (Document("text", str(i), metadata={"language": "go", "licence": "MIT"}) for i in range(num_files))
    return [document.metadata["split"] == "validation" for document in split(share).run(documents)]


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


@pytest.mark.parametrize("learn", [("go",), ()], ids=["to learn", "to keep"])
def test_a_source_that_is_held_out_is_all_held_out_and_of_a_language_to_learn_nothing_else(tmp_path, learn):
    is_held = [number % 5 == 2 for number in range(50)]
    documents = [
        Document(
            "text",
            str(number),
            metadata={"language": "go", "licence": "MIT"} | ({"held_out": True} if is_held[number] else {}),
        )
        for number in range(50)
    ]
    marked = list(HeldOutMarks(tmp_path).run(documents))
    found = [document.metadata["split"] == "validation" for document in split(0.4, tmp_path, learn).run(marked)]
    assert all(found[number] for number in range(50) if is_held[number])
    assert sum(found) == (10 if learn else 20)
