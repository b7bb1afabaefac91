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
_TOLD_PROBLEMS = 3
CHECKED, PARTLY_CHECKED, NOT_CHECKED, UNKNOWN = "checked", "partly checked", "not checked", "unknown"


def record_of_model(model: Path) -> Record | None:
    """The record beside a model's folder; None if there is none, as of a base."""
    run = run_folder(model)
    return None if run is None else read_json(run / "training.json").get("decontamination")


def statuses(record: Record | None, benchmarks: Iterable[str]) -> dict[str, str]:
    """`CHECKED`, `PARTLY_CHECKED` with what was looked for, `NOT_CHECKED` or `UNKNOWN` for each benchmark."""
    names = sorted(set(benchmarks))
    if record is None:
        return dict.fromkeys(names, UNKNOWN)
    return {name: status_of(check := record.get(name, {})) + looked_for(check) for name in names}


def looked_for(check: Mapping[str, Any]) -> str:
    """In brackets, how many problems of a benchmark that is partly checked were looked for, and which not, as far as is
    known; empty for others."""
    if status_of(check) != PARTLY_CHECKED:
        return ""
    missing = check.get("too_short", [])
    more = len(missing) - _TOLD_PROBLEMS
    named = [*missing[:_TOLD_PROBLEMS], *([f"{more:,} more"] if more > 0 else [])]
    without = f", too short: {', '.join(named)}" if named else ""
    return f" ({check['problems_searchable'] or 0:,} of {check['problems_total']:,}{without})"


def status_notes(by_benchmark: Mapping[str, str]) -> list[str]:
    """A line for readers of a table on each status that occurs in what `statuses` returned."""
    said = {
        CHECKED: "training corpus decontaminated (files that held problems were left out) against",
        PARTLY_CHECKED: "training corpus only partly checked (problems looked for) against",
        NOT_CHECKED: "training corpus NOT decontaminated against",
        UNKNOWN: "not known whether the training text was decontaminated against",
    }
    names = {status: named_with(by_benchmark, status) for status in said}
    return [f"{said[status]}: {', '.join(named)}" for status, named in names.items() if named]


def named_with(by_benchmark: Mapping[str, str], status: str) -> list[str]:
    """The benchmarks of a status in what `statuses` returned, each with what that says beside the status."""
    return [f"{name}{has.removeprefix(status)}" for name, has in by_benchmark.items() if has.startswith(status)]


def status_of(check: Mapping[str, Any]) -> str:
    """`CHECKED`, `PARTLY_CHECKED` or `NOT_CHECKED`, of one benchmark's check as JSON."""
    if check.get("status") != CHECKED:
        return NOT_CHECKED
    return PARTLY_CHECKED if (check.get("problems_searchable") or 0) < (check.get("problems_total") or 0) else CHECKED
