"""What a run records of its training text: for which benchmarks' problems the corpus was checked."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.runs.decontamination import CHECKED, NOT_CHECKED, PARTLY_CHECKED, Record, record_of_model, status_of
from multipl_moe.runs.provenance import run_folder

_BEST_LAST = (NOT_CHECKED, PARTLY_CHECKED, CHECKED)


def training_record(model_folder: Path, corpus: Path) -> Record | None:
    """The record of a model trained on a corpus, starting from the model in a folder.

    Where that one was trained before, a benchmark is what it was the worse of both times; None if that is not known.
    """
    checks = CorpusManifest.load(corpus).decontamination
    record = {name: asdict(check) for name, check in checks.items()}
    if run_folder(model_folder) is None:
        return record
    earlier = record_of_model(model_folder)
    if earlier is None:
        return None
    missing = {"status": NOT_CHECKED, "problems": {}}
    return {name: min(check, earlier.get(name, missing), key=_goodness) for name, check in record.items()}


def _goodness(check: Mapping[str, Any]) -> int:
    return _BEST_LAST.index(status_of(check))
