"""What a model's record says of its training text, and what readers are told."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from multipl_moe.corpus.manifest import FORMAT_VERSION, BenchmarkCheck, CorpusManifest
from multipl_moe.runs.decontamination import record_of_model, status_notes, statuses, training_record

CHECKED, PARTLY = BenchmarkCheck("checked", {"a": 2}, 164, 164), BenchmarkCheck("checked", {}, 1, 500)
UNAVAILABLE = BenchmarkCheck("unavailable", {})


@pytest.fixture
def corpus(tmp_path) -> Path:
    checks = {"humaneval": CHECKED, "starter": CHECKED, "mbpp": UNAVAILABLE, "mine": PARTLY}
    CorpusManifest(FORMAT_VERSION, 0, "tiny", "0" * 64, 0, {}, checks).save(tmp_path)
    return tmp_path


def trained(folder: Path, record) -> Path:
    (folder / "model").mkdir(parents=True)
    training = {"model_folder": str(folder / "model"), "decontamination": record}
    (folder / "training.json").write_text(json.dumps(training))
    return folder / "model"


def test_a_model_trained_from_a_base_has_the_corpus_record(corpus, tmp_path):
    assert training_record(tmp_path / "base", corpus) == {
        "humaneval": asdict(CHECKED), "starter": asdict(CHECKED), "mbpp": asdict(UNAVAILABLE), "mine": asdict(PARTLY),
    }  # fmt: skip


def test_trained_twice_a_benchmark_is_checked_only_if_it_was_both_times(corpus, tmp_path):
    before = {"humaneval": {"status": "checked", "problems": {}}, "mbpp": {"status": "checked", "problems": {}}}
    record = training_record(trained(tmp_path / "run", before), corpus)
    assert statuses(record, ["humaneval", "starter", "mbpp", "mbxp"]) == {
        "humaneval": "checked", "mbpp": "not checked", "mbxp": "not checked", "starter": "not checked",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "status"),
    [
        ({"status": "checked", "problems": {}}, "partly checked"),
        (asdict(CHECKED), "partly checked"),
        (asdict(PARTLY), "partly checked"),
        ({"status": "not checked", "problems": {}}, "not checked"),
    ],
)
def test_partly_checked_is_worse_than_checked_and_better_than_not(corpus, tmp_path, before, status):
    record = training_record(trained(tmp_path / "run", {"mine": before, "mbpp": asdict(PARTLY)}), corpus)
    assert statuses(record, ["mine", "mbpp"]) == {"mine": status, "mbpp": "not checked"}
    assert statuses({"humaneval": asdict(PARTLY)}, ["humaneval"]) == {"humaneval": "partly checked"}


def test_trained_before_on_unrecorded_text_nothing_is_known(corpus, tmp_path):
    assert training_record(trained(tmp_path / "run", None), corpus) is None


def test_of_a_base_nothing_is_known_and_of_a_trained_model_what_is_recorded(tmp_path):
    assert record_of_model(tmp_path / "base") is None
    assert record_of_model(trained(tmp_path / "run", {"x": {"status": "checked", "problems": {}}})) is not None
    assert statuses(None, ["humaneval"]) == {"humaneval": "unknown"}


def test_readers_are_told_each_status_that_occurs():
    notes = status_notes({"a": "checked", "b": "not checked", "c": "checked", "d": "partly checked"})
    assert [note.rpartition(": ")[2] for note in notes] == ["a, c", "d", "b"]
    assert "partly checked" in notes[1]
    assert "NOT" in notes[2]
    assert "not known" in status_notes({"a": "unknown"})[0]
    assert status_notes({}) == []
