"""What a model's record says of its training text, and what readers are told."""

import json
from pathlib import Path

import pytest

from multipl_moe.corpus.decontamination.record import record_of_model, status_notes, statuses, training_record
from multipl_moe.corpus.manifest import FORMAT_VERSION, BenchmarkCheck, CorpusManifest

CHECKED, UNAVAILABLE = BenchmarkCheck("checked", {"a": 2}), BenchmarkCheck("unavailable", {})


@pytest.fixture
def corpus(tmp_path) -> Path:
    checks = {"humaneval": CHECKED, "starter": CHECKED, "mbpp": UNAVAILABLE}
    CorpusManifest(FORMAT_VERSION, 0, "tiny", "0" * 64, 0, {}, checks).save(tmp_path)
    return tmp_path


def trained(folder: Path, record) -> Path:
    (folder / "model").mkdir(parents=True)
    training = {"model_folder": str(folder / "model"), "decontamination": record}
    (folder / "training.json").write_text(json.dumps(training))
    return folder / "model"


def test_a_model_trained_from_a_base_has_the_corpus_record(corpus, tmp_path):
    assert training_record(tmp_path / "base", corpus) == {
        "humaneval": {"status": "checked", "problems": {"a": 2}},
        "starter": {"status": "checked", "problems": {"a": 2}},
        "mbpp": {"status": "unavailable", "problems": {}},
    }


def test_trained_twice_a_benchmark_is_checked_only_if_it_was_both_times(corpus, tmp_path):
    before = {"humaneval": {"status": "checked", "problems": {}}, "mbpp": {"status": "checked", "problems": {}}}
    record = training_record(trained(tmp_path / "run", before), corpus)
    assert statuses(record, ["humaneval", "starter", "mbpp", "mbxp"]) == {
        "humaneval": "checked", "mbpp": "not checked", "mbxp": "not checked", "starter": "not checked",
    }  # fmt: skip


def test_trained_before_on_unrecorded_text_nothing_is_known(corpus, tmp_path):
    assert training_record(trained(tmp_path / "run", None), corpus) is None


def test_of_a_base_nothing_is_known_and_of_a_trained_model_what_is_recorded(tmp_path):
    assert record_of_model(tmp_path / "base") is None
    assert record_of_model(trained(tmp_path / "run", {"x": {"status": "checked", "problems": {}}})) is not None
    assert statuses(None, ["humaneval"]) == {"humaneval": "unknown"}


def test_readers_are_told_each_status_that_occurs():
    notes = status_notes({"a": "checked", "b": "not checked", "c": "checked"})
    assert [note.rpartition(": ")[2] for note in notes] == ["a, c", "b"]
    assert "NOT" in notes[1]
    assert "not known" in status_notes({"a": "unknown"})[0]
    assert status_notes({}) == []
