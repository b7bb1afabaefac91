"""manifest.json: written, read, refused."""

import json
from dataclasses import asdict, fields

import pytest

from multipl_moe.corpus import CorpusManifest, LanguageCounts
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.manifest import FORMAT_VERSION
from multipl_moe.errors import CorpusError


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
