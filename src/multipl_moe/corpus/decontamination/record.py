"""What a trained model's record tells of its training text: for which benchmarks' problems it was checked.

It speaks of the corpora that this software trained on; what a base was trained on before is not known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multipl_moe.corpus.manifest import CorpusManifest
from multipl_moe.export.provenance import run_folder
from multipl_moe.run_folder import read_json

Record = dict[str, Any]
"""`CorpusManifest.decontamination` as JSON."""
CHECKED, NOT_CHECKED, UNKNOWN = "checked", "not checked", "unknown"


def training_record(model_folder: Path, corpus: Path) -> Record | None:
    """The record of a model trained on a corpus, starting from the model in a folder.

    Where that one was trained before, a benchmark is checked only if it was so both times; None if that is not known.
    """
    checks = CorpusManifest.load(corpus).decontamination
    record = {name: asdict(check) for name, check in checks.items()}
    if run_folder(model_folder) is None:
        return record
    earlier = record_of_model(model_folder)
    if earlier is None:
        return None
    return {
        name: check if _status(earlier, name) == CHECKED else earlier.get(name, {"status": NOT_CHECKED, "problems": {}})
        for name, check in record.items()
    }


def record_of_model(model: Path) -> Record | None:
    """The record beside a model's folder; None if there is none, as of a base."""
    run = run_folder(model)
    return None if run is None else read_json(run / "training.json").get("decontamination")


def statuses(record: Record | None, benchmarks: Iterable[str]) -> dict[str, str]:
    """`CHECKED`, `NOT_CHECKED` or `UNKNOWN` for each benchmark."""
    names = sorted(set(benchmarks))
    return dict.fromkeys(names, UNKNOWN) if record is None else {name: _status(record, name) for name in names}


def status_notes(by_benchmark: Mapping[str, str]) -> list[str]:
    """A line for readers of a table on each status that occurs.

    Args:
        by_benchmark: what `statuses` returned.
    """
    said = {
        CHECKED: "training corpus decontaminated (files that held problems were left out) against",
        NOT_CHECKED: "training corpus NOT decontaminated against",
        UNKNOWN: "not known whether the training text was decontaminated against",
    }
    names = {status: [name for name, has in by_benchmark.items() if has == status] for status in said}
    return [f"{said[status]}: {', '.join(named)}" for status, named in names.items() if named]


def _status(record: Record, benchmark: str) -> str:
    return CHECKED if record.get(benchmark, {}).get("status") == CHECKED else NOT_CHECKED
