"""The pages of an evaluation of programs: problems.html and programs.png, and examples for the report of the run."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.samples import SAMPLES_FILE
from multipl_moe.errors import UserError
from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.eval.judging import read_details, read_results
from multipl_moe.report.plots import verdict_plot
from multipl_moe.report.problems_page import ModelAnswers, page_data, write_problems_page
from multipl_moe.report.verdict_tables import form_notes
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.runs.journal import read_journal
from multipl_moe.runs.verdict import ProgramsResult

EXAMPLES_FILE = "examples.json"
_NUM_EXAMPLES = 3
_PNG_DPI = 150


def write_programs_report(output: Path, eval_set: EvalSet, result: ProgramsResult, against: Path | None) -> None:
    """Write problems.html and programs.png of a verdict, beside the model evaluated in `against`.

    With such a model also `EXAMPLES_FILE`: what both wrote for the first problems of languages to learn.

    Raises:
        UserError: the name of the model in `against` cannot be read.
    """
    models = [_answers_in(output, result.model)]
    if against is not None:
        models.insert(0, _answers_in(against, _model_name(against)))
    notes = form_notes(result) + status_notes(result.decontamination)
    titles = {name: row.title for name, row in result.languages.items()}
    told: dict[str, Any] = {
        "flags": eval_set.flags,
        "not_scored": eval_set.not_scored,
        "titles": titles,
        "notes": notes,
    }
    write_problems_page(output / "problems.html", eval_set.problems, models, **told)
    verdict_plot(result).savefig(output / "programs.png", dpi=_PNG_DPI)
    if against is not None:
        learnt = [problem for problem in eval_set.problems if result.role(problem.language) == "learn"]
        write_json(output / EXAMPLES_FILE, _examples(learnt, models, titles))


def _answers_in(folder: Path, name: str) -> ModelAnswers:
    samples = read_journal(folder / SAMPLES_FILE)
    return ModelAnswers(name, samples, read_results(folder), list(read_details(folder).values()))


def _examples(
    problems: Sequence[Problem], models: Sequence[ModelAnswers], titles: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The first problems, a language after the other, and the first answer of each model."""
    by_language: dict[str, list[Problem]] = {}
    for problem in problems:
        by_language.setdefault(problem.language, []).append(problem)
    in_turn = [problem for turn in zip_longest(*by_language.values()) for problem in turn if problem is not None]
    data = page_data(in_turn[:_NUM_EXAMPLES], models, flags={}, titles=titles, samples_per_problem=1)
    return [
        {
            "id": row["id"],
            "language": data["languages"][row["language"]],
            "prompt": row["prompt"],
            "answers": [answer["samples"][0] for answer in row["answers"]],
        }
        for row in data["problems"]
        if all(answer["samples"] for answer in row["answers"])
    ]


def _model_name(folder: Path) -> str:
    try:
        return str(read_json(folder / "metrics.json")["model"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{folder}: its metrics.json cannot be read ({error}); evaluate that model again") from error
