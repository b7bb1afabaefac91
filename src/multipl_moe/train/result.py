"""What a training run leaves as its record, training.json, and how its training text was checked."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.runs.decontamination import CHECKED, NOT_CHECKED, PARTLY_CHECKED, record_of_model, status_of
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.provenance import run_folder
from multipl_moe.runs.record import Record
from multipl_moe.train.freezing import TrainableParameters

_BEST_LAST = (NOT_CHECKED, PARTLY_CHECKED, CHECKED)


class TrainResult(Record):
    """What a training run did.

    Attributes:
        audit: what trained and what did not.
        frozen_sha256: hash over all frozen parameters, equal before and after.
        tokens: tokens trained on, places of sequences that hold padding included.
        tokens_before: those of the trainings of the model that this one started from.
        seconds: time of the training loop.
        processor_s, peak_bytes: see `TrainingCost`; None in records of earlier versions.
        compute_dtype: of matrix products.
        quantise: precision of the frozen base meanwhile; None: as it is stored.
        learning_rate: at its peak, also where the recipe has `auto`; None in records of earlier versions.
        warnings: of what went wrong meanwhile, a line each.
        best_step: the step whose weights these are, where `train.keep_best` chose.
        data: `MixtureSummary.to_json` of what was read.
        decontamination: for which benchmarks the text was checked; see `runs.decontamination`.
        corpus: its folder.
        licences: number of its files by SPDX expression, of each language that was read, in trainings before, too.
    """

    model_folder: Path
    audit: TrainableParameters
    frozen_sha256: str
    tokens: int
    tokens_before: int = 0
    seconds: float
    steps: int
    compute_dtype: str
    quantise: str | None = None
    learning_rate: float | None = None
    warnings: list[str] = []
    best_step: int | None = None
    data: dict[str, Any] = {}
    decontamination: dict[str, Any] | None = None
    processor_s: float | None = None
    peak_bytes: int | None = None
    corpus: str | None = None
    licences: dict[str, dict[str, int]] = {}


def training_record(model_folder: Path, corpus: Path) -> dict[str, Any] | None:
    """The record of a model trained on a corpus, starting from the model in a folder.

    Where that one was trained before, a benchmark is what it was the worse of both times; None if that is not known.
    """
    checks = CorpusManifest.load(corpus).decontamination
    record = {name: asdict(check) for name, check in checks.items()}
    if run_folder(model_folder) is None:
        return record
    if (earlier := record_of_model(model_folder)) is None:
        return None
    missing = {"status": NOT_CHECKED, "problems": {}}
    pairs = {name: (check, earlier.get(name, missing)) for name, check in record.items()}
    return {name: min(both, key=lambda check: _BEST_LAST.index(status_of(check))) for name, both in pairs.items()}


def tokens_trained(model_folder: Path) -> int:
    """Of all trainings of the model in a folder; 0 if no run trained it."""
    record = _earlier_training(model_folder)
    return record.get("tokens", 0) + record.get("tokens_before", 0)


def licences_of_all(model_folder: Path, now: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Of the files that were read now, and of those that the model which training starts from was trained on before."""
    before = _earlier_training(model_folder).get("licences", {})
    return {name: {**before.get(name, {}), **now.get(name, {})} for name in {**before, **now}}


def _earlier_training(model_folder: Path) -> dict[str, Any]:
    run = run_folder(model_folder)
    return {} if run is None else read_json(run / "training.json")
