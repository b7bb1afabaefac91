"""What a run records of its training text, also where the model was trained before."""

from dataclasses import asdict
from pathlib import Path

import pytest

from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.manifest import FORMAT_VERSION, CorpusManifest
from multipl_moe.runs.decontamination import statuses
from multipl_moe.runs.folder import write_json
from multipl_moe.train.result import tokens_trained, training_record
from tests.runs.test_decontamination import trained

CHECKED, PARTLY = BenchmarkCheck("checked", {"a": 2}, 164, 164), BenchmarkCheck("checked", {}, 1, 500)
UNAVAILABLE = BenchmarkCheck("unavailable", {})


@pytest.fixture
def corpus(tmp_path) -> Path:
    checks = {"humaneval": CHECKED, "starter": CHECKED, "mbpp": UNAVAILABLE, "mine": PARTLY}
    CorpusManifest(FORMAT_VERSION, 0, "tiny", "0" * 64, 0, {}, checks).save(tmp_path)
    return tmp_path


def test_a_model_trained_from_a_base_has_the_corpus_record(corpus, tmp_path):
    assert training_record(tmp_path / "base", corpus) == {
        "humaneval": asdict(CHECKED), "starter": asdict(CHECKED), "mbpp": asdict(UNAVAILABLE), "mine": asdict(PARTLY),
    }  # fmt: skip


def test_trained_twice_a_benchmark_is_checked_only_if_it_was_both_times(corpus, tmp_path):
    before = {"humaneval": asdict(CHECKED), "mbpp": asdict(CHECKED)}
    record = training_record(trained(tmp_path / "run", before), corpus)
    assert statuses(record, ["humaneval", "starter", "mbpp", "mbxp"]) == {
        "humaneval": "checked", "mbpp": "not checked", "mbxp": "not checked", "starter": "not checked",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "status"),
    [
        (asdict(CHECKED), "partly checked (1 of 500)"),
        (asdict(PARTLY), "partly checked (1 of 500)"),
        ({"status": "not checked", "problems": {}}, "not checked"),
    ],
)
def test_partly_checked_is_worse_than_checked_and_better_than_not(corpus, tmp_path, before, status):
    record = training_record(trained(tmp_path / "run", {"mine": before, "mbpp": asdict(PARTLY)}), corpus)
    assert statuses(record, ["mine", "mbpp"]) == {"mine": status, "mbpp": "not checked"}


def test_tokens_of_all_trainings_count(tmp_path):
    assert tokens_trained(tmp_path / "base") == 0
    model = trained(tmp_path / "run", None)
    for told, number in (({"tokens": 64}, 64), ({"tokens": 64, "tokens_before": 32}, 96)):
        write_json(tmp_path / "run" / "training.json", {"model_folder": str(model)} | told)
        assert tokens_trained(model) == number


def test_trained_before_on_unrecorded_text_nothing_is_known(corpus, tmp_path):
    assert training_record(trained(tmp_path / "run", None), corpus) is None
