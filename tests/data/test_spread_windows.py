"""Windows that stand for all text of a corpus: spread over the files, by path, none of them twice."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from multipl_moe.corpus.documents import TextFile
from multipl_moe.data import spread_windows as module
from multipl_moe.data.spread_windows import padded, window_turns
from tests.fixtures import save_beginning_texts, save_tokenizer


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    """One token per byte, and none around texts."""
    save_tokenizer(tmp_path)
    return AutoTokenizer.from_pretrained(tmp_path)


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[TextFile]]:
    files = {
        "go": [TextFile("b.go", "efgh", "MIT"), TextFile("a.go", "abcd", "MIT"), TextFile("c.go", "ijk", "MIT")],
        "rust": [TextFile("a.rs", "ABCDEFGH", "MIT")],
    }
    monkeypatch.setattr(module, "read_documents", lambda corpus, split, language: files[language])
    return files


def _turns(tokenizer: Any, count: int, size: int = 2) -> list[tuple[str, ...]]:
    turns = window_turns(tokenizer, Path(), "train", ["go", "rust"], size=size, count=count)
    return [tuple(tokenizer.decode(window) for window in turn) for turn in turns]


def test_windows_are_as_far_apart_as_they_can_be_in_the_order_of_paths_and_none_comes_twice(tokenizer, files):
    assert _turns(tokenizer, 3) == [("ab", "AB"), ("ef", "CD"), ("ij", "EF")]
    assert [go for go, _ in _turns(tokenizer, 6)] == ["ab", "cd", "ef", "gh", "ij", "k"]
    assert _turns(tokenizer, 10**12) == _turns(tokenizer, 6)


def test_short_text_is_read_again_rather_than_a_language_left_out(tokenizer, files):
    assert _turns(tokenizer, 3, size=8) == [("abcd", "ABCDEFGH"), ("efgh", "ABCDEFGH"), ("ijk", "ABCDEFGH")]


def test_windows_at_a_file_s_beginning_begin_with_the_start_token_and_no_others(tokenizer, files, tmp_path):
    save_beginning_texts(tmp_path, tmp_path / "started")
    started = AutoTokenizer.from_pretrained(tmp_path / "started")
    assert [go for go, _ in _turns(started, 6, size=3)] == ["<s>ab", "cd", "<s>ef", "gh", "<s>ij", "k"]


def test_rows_of_unequal_length_are_padded_on_the_right():
    batch = padded([[5, 6, 7], [8]])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
