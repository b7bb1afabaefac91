"""Training sequences: windows, positions, labels, mixtures."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset
from transformers import AutoTokenizer

from multipl_moe.corpus import MixtureDataset, PackedTokens, read_documents
from multipl_moe.errors import ConfigError, CorpusError

LENGTHS = [3, 1, 7, 5, 5, 11, 2]


def write_tokens(folder: Path, lengths: list[int], dtype: type = np.uint16, name: str = "00000.ds") -> np.ndarray:
    """Documents of these lengths, whose tokens tell document and place: 100 * document + place."""
    folder.mkdir(exist_ok=True)
    tokens = np.concatenate([100 * document + np.arange(length) for document, length in enumerate(lengths)])
    tokens.astype(dtype).tofile(folder / name)
    np.cumsum(lengths).astype(np.uint64).tofile(folder / f"{name}.index")
    return tokens


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("sequence_tokens", [2, 4, 5, 34])
def test_windows_hold_the_tokens_in_order_and_positions_restart_at_documents(tmp_path, dtype, sequence_tokens):
    tokens = write_tokens(tmp_path, LENGTHS, dtype)
    dataset = PackedTokens(tmp_path, sequence_tokens)
    assert len(dataset) == len(tokens) // sequence_tokens
    for index in reversed(range(len(dataset))):
        window = tokens[index * sequence_tokens : (index + 1) * sequence_tokens]
        item = dataset[index]
        assert {tensor.dtype for tensor in item.values()} == {torch.int64}
        assert item["input_ids"].tolist() == window.tolist()
        first = window[0]
        expected = [token - first if token // 100 == first // 100 else token % 100 for token in window]
        assert item["position_ids"].tolist() == expected
        labels = [-100 if position == 0 else token for token, position in zip(window, expected, strict=True)]
        assert item["labels"].tolist() == labels


def test_several_files_follow_each_other(tmp_path):
    first = write_tokens(tmp_path, [9], name="00000.ds")
    second = write_tokens(tmp_path, [4, 5], name="00001.ds")
    windows = [item["input_ids"].tolist() for item in PackedTokens(tmp_path, 4)]  # pyright: ignore[reportGeneralTypeIssues]
    assert windows == [first[:4].tolist(), first[4:8].tolist(), second[:4].tolist(), second[4:8].tolist()]


def test_all_documents_of_a_corpus_come_back_from_its_windows(corpus, tokenizer_folder):
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    dataset = PackedTokens(corpus[0] / "tokens" / "train" / "rust", 2)
    tokens = torch.cat([dataset[index]["input_ids"] for index in range(len(dataset))])
    text = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
    documents = [file.text for file in read_documents(corpus[0], "train", "rust")]
    assert text.split("<|endoftext|>")[: len(documents) - 1] == documents[:-1]


def test_a_position_of_zero_marks_each_documents_first_token(corpus):
    counts = corpus[1].languages["rust"]
    dataset = PackedTokens(corpus[0] / "tokens" / "train" / "rust", counts.train_tokens)
    item = dataset[0]
    assert (item["position_ids"] == 0).sum() == (item["labels"] == -100).sum() == counts.train_files


def test_worker_processes_see_the_same(tmp_path):
    write_tokens(tmp_path, LENGTHS)
    dataset = PackedTokens(tmp_path, 4)
    expected = [dataset[index]["input_ids"].tolist() for index in range(len(dataset))]
    copy = pickle.loads(pickle.dumps(dataset))
    assert [copy[index]["input_ids"].tolist() for index in range(len(copy))] == expected
    loader = DataLoader(dataset, num_workers=2, batch_size=None, multiprocessing_context="fork")
    assert [item["input_ids"].tolist() for item in loader] == expected


def test_tokens_of_no_use_are_refused_with_the_reason(tmp_path):
    with pytest.raises(CorpusError, match="no tokens"):
        PackedTokens(tmp_path, 4)
    write_tokens(tmp_path, [3])
    with pytest.raises(CorpusError, match="3 tokens are less than one sequence of 4"):
        PackedTokens(tmp_path, 4)
    (tmp_path / "00000.ds").write_bytes(b"12345")
    with pytest.raises(CorpusError, match="does not have the 3 tokens"):
        PackedTokens(tmp_path, 2)
    (tmp_path / "00000.ds.index").unlink()
    with pytest.raises(CorpusError, match="missing or empty"):
        PackedTokens(tmp_path, 2)


class Numbers(Dataset):
    """Items that tell dataset and index."""

    def __init__(self, name: int, length: int):
        self.name, self.length = name, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int):
        return {"input_ids": torch.tensor([self.name, index])}


def mixture(
    weights: list[float], num_sequences: int, seed: int = 0, length: int = 7
) -> tuple[MixtureDataset, np.ndarray]:
    datasets = {f"language{i}": Numbers(i, length) for i in range(len(weights))}
    named = {f"language{i}": weight for i, weight in enumerate(weights)}
    mixed = MixtureDataset(datasets, named, num_sequences, seed)
    return mixed, np.array([mixed[i]["input_ids"].tolist() for i in range(len(mixed))]).reshape(-1, 2)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9), st.integers(0, 120))
def test_after_any_number_of_sequences_each_language_has_had_its_share(weights, num_sequences):
    _, items = mixture(weights, num_sequences)
    assert len(items) == num_sequences
    shares = np.array(weights) / sum(weights)
    counts = np.cumsum(items[:, :1] == np.arange(len(weights)), axis=0)
    expected = np.arange(1, num_sequences + 1)[:, None] * shares
    assert np.abs(counts - expected).max(initial=0) < 1 + 1e-6


def test_each_pass_takes_every_sequence_once_in_a_new_order():
    mixed, items = mixture([1.0], 17)
    passes = [items[:7, 1], items[7:14, 1], items[14:, 1]]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(7))
    assert passes[0].tolist() != passes[1].tolist()
    assert len(set(passes[2])) == 3
    assert mixed.epochs == {"language0": 17 / 7}


def test_the_order_depends_on_the_seed_and_not_on_the_other_languages():
    _, items = mixture([1.0, 1.0], 20)
    _, again = mixture([1.0, 1.0], 20)
    _, other = mixture([1.0, 1.0], 20, seed=1)
    _, joined = mixture([1.0, 1.0, 3.0], 50)
    assert items.tolist() == again.tolist() != other.tolist()
    for language in (0, 1):
        assert joined[joined[:, 0] == language, 1].tolist() == items[items[:, 0] == language, 1].tolist()


def test_a_language_of_weight_zero_is_left_out():
    mixed, items = mixture([1.0, 0.0], 5)
    assert items[:, 0].tolist() == [0] * 5
    assert mixed.epochs == {"language0": 5 / 7}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"go": 1.0, "ruby": 1.0}, "ruby: no tokens"),
        ({"go": -1.0}, "go: -1.0 is negative"),
        ({"go": float("nan")}, "go: nan"),
        ({"go": 0.0}, "above 0"),
        ({}, "above 0"),
    ],
)
def test_weights_of_no_use_are_refused(weights, message):
    with pytest.raises(ConfigError, match=message):
        MixtureDataset({"go": Numbers(0, 3)}, weights, 4, 0)
