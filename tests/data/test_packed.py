"""Training sequences of one language: every token in its place, positions, labels, padding."""

import pickle
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from multipl_moe.data.packed import PackedTokens
from multipl_moe.data.packing import PACKINGS, Packing
from multipl_moe.errors import CorpusError
from tests.corpus.token_files import write_tokens

LENGTHS = [3, 1, 7, 5, 5, 11, 2]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("sequence_tokens", [2, 4, 5, 34])
def test_positions_restart_at_documents_and_labels_leave_out_their_first_tokens(tmp_path, sequence_tokens, packing):
    """Tokens tell document and place: 100 * document + place."""
    write_tokens(tmp_path, LENGTHS)
    dataset = PackedTokens(tmp_path, sequence_tokens, packing)
    for index in reversed(range(len(dataset))):
        item = dataset[index]
        assert {tensor.dtype for tensor in item.values()} == {torch.int64}
        assert {tensor.shape for tensor in item.values()} == {(sequence_tokens,)}
        before, expected = None, 0
        for token, position, label in zip(*(item[key].tolist() for key in item), strict=True):
            if position == -2:
                assert (token, label) == (0, -100)
                continue
            continues = before is not None and token == before + 1
            expected = expected + 1 if continues else 0
            assert position == expected
            assert label == (token if continues else -100)
            before = token


def _pieces(dataset: PackedTokens) -> list[list[int]]:
    """The pieces of all sequences, padding left out."""
    pieces = []
    for item in dataset:
        for token, position in zip(item["input_ids"].tolist(), item["position_ids"].tolist(), strict=True):
            if position == 0:
                pieces.append([])
            if position >= 0:
                pieces[-1].append(token)
    return pieces


def _documents(pieces: list[list[int]]) -> list[list[int]]:
    """Documents put together again from pieces whose tokens are numbered through."""
    documents: list[list[int]] = []
    for piece in sorted(pieces):
        if documents and piece[0] % 1000 and piece[0] == documents[-1][-1] + 1:
            documents[-1] += piece
        else:
            documents.append(list(piece))
    return documents


FILES = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=12), min_size=1, max_size=3)
"""Lengths of the documents of some files."""


@settings(max_examples=25)
@given(FILES, st.integers(2, 50))
def test_best_fit_loses_and_doubles_no_token(tmp_path_factory, files, sequence_tokens):
    folder = tmp_path_factory.mktemp("tokens")
    documents = _write(folder, files)
    dataset = PackedTokens(folder, sequence_tokens, "best_fit")
    assert _documents(_pieces(dataset)) == documents
    _check_counts(dataset, documents)
    assert dataset.counts.lost_tokens == 0
    assert dataset.counts.cut_documents == sum(len(document) > sequence_tokens for document in documents)


@settings(max_examples=25)
@given(FILES, st.integers(2, 50))
def test_windows_lose_only_the_end_of_each_file_and_count_it(tmp_path_factory, files, sequence_tokens):
    folder = tmp_path_factory.mktemp("tokens")
    documents = _write(folder, files)
    if all(sum(lengths) < sequence_tokens for lengths in files):
        with pytest.raises(CorpusError, match=f"tokens are less than one sequence of {sequence_tokens}"):
            PackedTokens(folder, sequence_tokens)
        return
    dataset = PackedTokens(folder, sequence_tokens, "windows")
    rest, expected = iter(documents), []
    for lengths in files:
        tokens = [token for document in islice(rest, len(lengths)) for token in document]
        expected += tokens[: len(tokens) // sequence_tokens * sequence_tokens]
    assert [token for item in dataset for token in item["input_ids"].tolist()] == expected
    assert dataset.counts.lost_tokens == sum(map(sum, files)) - len(expected)
    assert dataset.counts.padding_tokens == 0
    _check_counts(dataset, documents)


def _write(folder: Path, files: list[list[int]]) -> list[list[int]]:
    """Files of documents of these lengths, whose tokens are 1000 * document + place; returns the documents."""
    first = 0
    for number, lengths in enumerate(files):
        write_tokens(folder, lengths, name=f"{number:05}.ds", first=first, step=1000)
        first += len(lengths)
    flat = [length for lengths in files for length in lengths]
    return [list(range(1000 * number, 1000 * number + length)) for number, length in enumerate(flat)]


def _check_counts(dataset: PackedTokens, documents: list[list[int]]) -> None:
    """The counts are those of the items, counted the slow way."""
    counts, pieces = dataset.counts, _pieces(dataset)
    places = len(dataset) * dataset.sequence_tokens
    assert counts.tokens == sum(map(len, documents)) == places - counts.padding_tokens + counts.lost_tokens
    assert counts.padding_tokens == sum(int((item["position_ids"] == -2).sum()) for item in dataset)
    assert counts.documents == len(documents)
    assert counts.cut_documents == sum(document not in pieces for document in documents)
    order = np.arange(len(dataset))[::-1]
    real = [int((dataset[index]["position_ids"] >= 0).sum()) for index in order]
    assert dataset.num_tokens(order).tolist() == real


@pytest.mark.parametrize("packing", PACKINGS)
def test_worker_processes_see_the_same(tmp_path, packing: Packing):
    write_tokens(tmp_path, LENGTHS)
    dataset = PackedTokens(tmp_path, 4, packing)
    expected = [item["input_ids"].tolist() for item in dataset]
    assert [item["input_ids"].tolist() for item in pickle.loads(pickle.dumps(dataset))] == expected
    loader = DataLoader(dataset, num_workers=2, batch_size=None, multiprocessing_context="fork")
    assert [item["input_ids"].tolist() for item in loader] == expected


@settings(max_examples=25)
@given(
    st.lists(st.integers(2, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n - 1))), min_size=1), st.data()
)
def test_answers_are_whole_or_left_out_and_only_completions_are_targets(tmp_path_factory, answers, data):
    folder, size = tmp_path_factory.mktemp("answers"), data.draw(st.integers(2, 12))
    lengths, prompts = map(list, zip(*answers, strict=True))
    write_tokens(folder, lengths, np.uint32, prompts=prompts)
    expected = [[100 * number + place for place in range(n)] for number, n in enumerate(lengths) if n <= size]
    if not expected:
        with pytest.raises(CorpusError, match=f"every answer is longer than a sequence of {size} tokens"):
            PackedTokens(folder, size, "whole")
        return
    dataset = PackedTokens(folder, size, "whole")
    assert sorted(_pieces(dataset)) == expected
    targets = [label for item in dataset for label in item["labels"].tolist() if label != -100]
    assert sorted(targets) == [token for row in expected for token in row if token % 100 >= prompts[token // 100]]
    counts, left_out = dataset.counts, [n for n in lengths if n > size]
    assert (counts.lost_tokens, counts.cut_documents) == (sum(left_out), len(left_out))
    assert counts.padding_tokens == len(dataset) * size - sum(map(len, expected))
    assert dataset.num_tokens(np.arange(len(dataset))).sum() == sum(map(len, expected))


def test_broken_marks_of_what_counts_are_refused(tmp_path):
    write_tokens(tmp_path, [3, 4], prompts=[1, 1])
    (tmp_path / "00000.ds.loss").write_bytes(b"\1" * 6)
    with pytest.raises(CorpusError, match=r"00000\.ds\.loss: is not of the 7 tokens beside it"):
        PackedTokens(tmp_path, 4)
