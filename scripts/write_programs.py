#!/usr/bin/env python
"""Put what an evaluation of programs said into docs/programs.json, from which docs/programs.md and README.md are told.

    .venv/bin/python scripts/write_programs.py "lua, practice" runs/lua-cool-programs --moved runs/lua-cool-moved

The row of that name, of one language, is added or replaced. It is what `comparison` in the evaluation's metrics.json
says, with what training.json beside the model has of its cost, and how far the model moved.
"""

import argparse
from pathlib import Path
from typing import Any

from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.runs.result import EvaluatedMeasure
from multipl_moe.runs.verdict import ProgramsResult
from multipl_moe.system.versions import environment

FILE = Path(__file__).parents[1] / "docs" / "programs.json"
_COUNTED = (
    "tasks",
    "before",
    "after",
    "difference",
    "interval",
    "gained",
    "lost",
    "is_noise",
    "parses_or_compiles",
)
_OF_TRAINING = ("tokens", "steps", "learning_rate", "processor_s", "peak_bytes")
_DIGITS = 7  # of how far a model moved


def row_of(
    name: str, evaluation: Path, moved: Path | None, training: Path | None, *, by_itself: bool = False
) -> dict[str, Any]:
    """The row of an evaluation that judged a model's programs against another's, in one language and benchmark.

    `by_itself`: of the programs for which nobody told its gate the language.
    """
    result = ProgramsResult.read(evaluation / "metrics.json")
    verdict = result.gate and result.gate.by_itself if by_itself else result
    assert verdict is not None
    assert verdict.comparison is not None
    ((language, _, benchmark, programs),) = verdict.comparison.cells()
    row: dict[str, Any] = {"name": name, "language": language, "benchmark": benchmark}
    counted = programs.to_json()
    row |= {key: counted[key] for key in _COUNTED if key in counted}
    if moved is not None:
        found = EvaluatedMeasure.read(moved / "metrics.json").moved
        assert found is not None
        low, high = found.answers.interval
        nats = round(found.answers.nats_per_token, _DIGITS)
        row["moved"] = {"nats_per_token": nats, "interval": [round(low, _DIGITS), round(high, _DIGITS)]}
    run = training or Path(result.model).parent
    record = read_json(run / "training.json") if (run / "training.json").is_file() else {}
    return row | {key: _whole(record[key]) for key in _OF_TRAINING if key in record}


def _whole(value: Any) -> Any:
    """Seconds of processors without their fractions, which a pause does not lengthen; rates as they are."""
    return round(value) if isinstance(value, float) and value > 1 else value


def main() -> None:
    """Write the row, and tell it."""
    parser = argparse.ArgumentParser(description="Put an evaluation of programs into docs/programs.json.")
    parser.add_argument("name", help="name of the row, such as 'lua, practice'")
    parser.add_argument("evaluation", type=Path, help="folder of `eval ... --against`, which judged programs")
    parser.add_argument("--moved", type=Path, help="folder of `eval --metric moved` of the same model")
    parser.add_argument("--training", type=Path, help="folder of the run that made the model, if it lies elsewhere")
    parser.add_argument(
        "--by-itself", action="store_true", help="the programs that codegen.tell_language=both made besides"
    )
    arguments = parser.parse_args()
    paths = arguments.evaluation, arguments.moved, arguments.training
    row = row_of(arguments.name, *paths, by_itself=arguments.by_itself)
    stored = read_json(FILE) if FILE.is_file() else {"environment": environment(), "rows": []}
    names = [other["name"] for other in stored["rows"]]
    place = names.index(row["name"]) if row["name"] in names else len(names)
    stored["rows"][place : place + 1] = [row]
    write_json(FILE, stored)
    print(f"{FILE}: {row['name']}, {row['before']:.1%} to {row['after']:.1%} of {row['tasks']}")


if __name__ == "__main__":
    main()
