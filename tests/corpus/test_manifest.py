"""What a corpus folder holds: manifest.json; broken files are refused. tests/data/test_packed.py reads whole tokens."""

import json
from dataclasses import asdict, fields

import pytest

from multipl_moe.corpus import CorpusManifest, LanguageCounts, read_documents
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.manifest import FORMAT_VERSION
from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.errors import CorpusError
from tests.corpus.token_files import write_tokens


def test_keys_are_frozen():
    assert [field.name for field in fields(CorpusManifest)] == [
        "format_version", "seed", "tokenizer", "tokenizer_sha256", "duplicate_clusters", "languages",
        "decontamination",
    ]  # fmt: skip
    assert [field.name for field in fields(LanguageCounts)] == [
        "train_files", "train_bytes", "train_tokens", "validation_files", "validation_bytes", "licences", "dropped",
        "replaced", "fim", "normalised_files",
    ]  # fmt: skip
    assert [field.name for field in fields(BenchmarkCheck)] == [
        "status", "problems", "problems_searchable", "problems_total", "too_short",
    ]  # fmt: skip


def test_what_is_saved_is_read_and_so_is_a_manifest_that_did_not_count_problems(tmp_path):
    counts = LanguageCounts(1, 2, 3, 4, 5, {"MIT": 5}, {"binary": 1}, {"key": 2})
    checks = {"mbpp": BenchmarkCheck("checked", {"11": 2})}
    manifest = CorpusManifest(FORMAT_VERSION, 7, "tiny", "0" * 64, 3, {"go": counts}, checks)
    manifest.save(tmp_path)
    assert CorpusManifest.load(tmp_path) == manifest
    values = asdict(manifest)
    values["decontamination"]["mbpp"] = {"status": "checked", "problems": {"11": 2}}
    (tmp_path / "manifest.json").write_text(json.dumps(values))
    assert CorpusManifest.load(tmp_path) == manifest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a corpus manifest"),
        (b"\xff", "not a corpus manifest"),
        (b"[]", "not a corpus manifest"),
        (json.dumps({"format_version": 99}).encode(), "format version 99, this program reads 2"),
        (json.dumps({"format_version": FORMAT_VERSION}).encode(), "seed: Field required"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        CorpusManifest.load(tmp_path)


def test_a_broken_file_is_reported(tmp_path):
    path = tmp_path / "documents" / "train" / "go.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x1f\x8b\x08 cut")
    with pytest.raises(CorpusError, match=r"go\.jsonl\.gz: broken"):
        read_documents(tmp_path, "train", "go")


@pytest.mark.parametrize("place", [0, 6, 9])
def test_a_token_that_the_vocabulary_lacks_is_refused_wherever_it_lies(tmp_path, monkeypatch, place):
    monkeypatch.setattr("multipl_moe.corpus.token_files._READ_TOKENS", 4)
    tokens = write_tokens(tmp_path, [10])
    TokenFiles(tmp_path).require_ids_below(10)
    tokens[place] = 60
    tokens.astype("uint16").tofile(tmp_path / "00000.ds")
    with pytest.raises(CorpusError, match=r"00000\.ds: token 60 is none of the model's 60"):
        TokenFiles(tmp_path).require_ids_below(60)
    TokenFiles(tmp_path).require_ids_below(61)


def test_tokens_of_no_use_are_refused_with_the_reason(tmp_path):
    with pytest.raises(CorpusError, match="no tokens"):
        TokenFiles(tmp_path)
    write_tokens(tmp_path, [3])
    (tmp_path / "00000.ds").write_bytes(b"12345")
    with pytest.raises(CorpusError, match="does not have the 3 tokens"):
        TokenFiles(tmp_path)
    (tmp_path / "00000.ds.index").unlink()
    with pytest.raises(CorpusError, match="missing or empty"):
        TokenFiles(tmp_path)
