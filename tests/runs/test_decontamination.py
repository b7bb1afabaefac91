"""What a model's record says of its training text, and what readers are told."""

import json
from pathlib import Path

from multipl_moe.runs.decontamination import CHECKED, PARTLY_CHECKED, record_of_model, status_notes, status_of, statuses


def trained(folder: Path, record) -> Path:
    (folder / "model").mkdir(parents=True)
    training = {"model_folder": str(folder / "model"), "decontamination": record}
    (folder / "training.json").write_text(json.dumps(training))
    return folder / "model"


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


def test_of_a_benchmark_that_was_partly_checked_the_problems_left_out_are_named_as_far_as_is_known():
    check = {"status": CHECKED, "problems": {}, "problems_searchable": 9, "problems_total": 14}
    record = {"mine": check | {"too_short": list("abcde")}, "mbpp": check}
    told = statuses(record, record)
    assert told["mine"] == "partly checked (9 of 14, too short: a, b, c, 2 more)"
    (note,) = status_notes(told)
    assert note.endswith("against: mbpp (9 of 14), mine (9 of 14, too short: a, b, c, 2 more)")


def test_a_check_that_recorded_no_counts_is_not_called_partial():
    assert status_of({"status": CHECKED, "problems_searchable": None, "problems_total": None}) == CHECKED
    assert status_of({"status": CHECKED, "problems_searchable": 3, "problems_total": 4}) == PARTLY_CHECKED
