"""What a trained model's record tells of its training text: for which benchmarks' problems it was checked.

It speaks of the corpora that this software trained on; what a base was trained on before is not known.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from multipl_moe.runs.folder import read_json
from multipl_moe.runs.provenance import run_folder

Record = dict[str, Any]
"""`CorpusManifest.decontamination` as JSON."""
CHECKED, PARTLY_CHECKED, NOT_CHECKED, UNKNOWN = "checked", "partly checked", "not checked", "unknown"


def record_of_model(model: Path) -> Record | None:
    """The record beside a model's folder; None if there is none, as of a base."""
    run = run_folder(model)
    return None if run is None else read_json(run / "training.json").get("decontamination")


def statuses(record: Record | None, benchmarks: Iterable[str]) -> dict[str, str]:
    """`CHECKED`, `PARTLY_CHECKED`, `NOT_CHECKED` or `UNKNOWN` for each benchmark."""
    names = sorted(set(benchmarks))
    if record is None:
        return dict.fromkeys(names, UNKNOWN)
    return {name: status_of(record.get(name, {})) for name in names}


def status_notes(by_benchmark: Mapping[str, str]) -> list[str]:
    """A line for readers of a table on each status that occurs in what `statuses` returned."""
    said = {
        CHECKED: "training corpus decontaminated (files that held problems were left out) against",
        PARTLY_CHECKED: "training corpus only partly checked (not all problems could be looked for) against",
        NOT_CHECKED: "training corpus NOT decontaminated against",
        UNKNOWN: "not known whether the training text was decontaminated against",
    }
    names = {status: [name for name, has in by_benchmark.items() if has == status] for status in said}
    return [f"{said[status]}: {', '.join(named)}" for status, named in names.items() if named]


def status_of(check: Mapping[str, Any]) -> str:
    """`CHECKED`, `PARTLY_CHECKED` or `NOT_CHECKED`, of one benchmark's check as JSON."""
    if check.get("status") != CHECKED:
        return NOT_CHECKED
    return PARTLY_CHECKED if (check.get("problems_searchable") or 0) < (check.get("problems_total") or 0) else CHECKED
