"""The split of files into training and held out."""

from pathlib import Path

import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.corpus.split import SplitByFile, mark_held_out


def documents(num_files: int) -> list[Document]:
    return [Document("text", str(i), metadata={"language": "go", "licence": "MIT"}) for i in range(num_files)]


def held_out(num_files: int, share: float) -> list[bool]:
    step = SplitByFile(share, Path("none"), ())
    return [document.metadata["split"] == "validation" for document in step.run(documents(num_files))]


@settings(max_examples=30)
@given(st.integers(2, 200), st.floats(0.01, 0.99))
def test_the_share_holds_to_within_a_file_and_both_splits_have_one(num_files, share):
    held = held_out(num_files, share)
    assert abs(sum(held) - share * num_files) <= 1
    assert 1 <= sum(held) < num_files
    assert held_out(200, share)[:num_files] == held, "more files move the earlier ones"
    assert held_out(1, share) == [False]


@pytest.mark.parametrize("learn", [("go",), ()], ids=["to learn", "to keep"])
def test_a_source_that_is_held_out_is_all_held_out_and_of_a_language_to_learn_nothing_else(tmp_path, learn):
    files = documents(50)
    for document in files[2::5]:
        document.metadata["held_out"] = True
    marked = list(mark_held_out(tmp_path, files))
    splits = [document.metadata["split"] for document in SplitByFile(0.4, tmp_path, learn).run(marked)]
    assert set(splits[2::5]) == {"validation"}
    assert splits.count("validation") == (10 if learn else 20)
