"""The pages of an evaluation of programs, and examples for the report of the run.

problems.html is one self-contained page where one reads each problem, what models wrote, and what became of it.
"""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from markupsafe import Markup

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.table import language_title
from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.samples import SAMPLES_FILE
from multipl_moe.errors import UserError
from multipl_moe.eval.eval_set import EvalSet
from multipl_moe.eval.judging import read_details, read_results
from multipl_moe.report.page import page_templates
from multipl_moe.report.plots import verdict_plot
from multipl_moe.report.verdict_tables import form_notes
from multipl_moe.runs.decontamination import status_notes
from multipl_moe.runs.folder import read_json, write_json, write_text
from multipl_moe.runs.journal import read_journal
from multipl_moe.runs.verdict import ProgramsResult

EXAMPLES_FILE = "examples.json"
_NUM_EXAMPLES = 3
_PNG_DPI = 150
_SHOWN = ("key", "benchmark", "language", "id", "prompt", "tests")
_NO_ANSWER: dict[str, Any] = {"num_samples": 0, "outcomes": {}, "samples": []}


@dataclass(frozen=True)
class ModelAnswers:
    """What one model wrote and what came of it: the lines of samples.jsonl, results.jsonl and details.jsonl.

    Answers without details show no output.
    """

    name: str
    samples: Sequence[Mapping[str, Any]]
    results: Sequence[Mapping[str, Any]]
    details: Sequence[Mapping[str, Any]] = ()


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
    write_problems_page(output / "problems.html", eval_set, models, titles, notes)
    verdict_plot(result).savefig(output / "programs.png", dpi=_PNG_DPI)
    if against is not None:
        learnt = [problem for problem in eval_set.problems if result.role(problem.language) == "learn"]
        write_json(output / EXAMPLES_FILE, _examples(learnt, models, titles))


def write_problems_page(
    file: Path,
    eval_set: EvalSet,
    models: Sequence[ModelAnswers],
    titles: Mapping[str, str],
    notes: Sequence[str] = (),
) -> None:
    """Write problems.html, whole or not at all; an existing one is replaced.

    Completions are untrusted: they travel as JSON that cannot end its script element, the script puts them into text
    nodes only, and the page's policy runs no other script and loads nothing.

    Args:
        models: one, or two that are shown side by side, the one before first.
        titles: how people write the names of languages that the package's table does not have.
        notes: what else a reader must know, a line each.
    """
    environment = page_templates()
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    assert environment.loader is not None
    script = environment.loader.get_source(environment, "problems.js")[0]
    page = environment.get_template("problems.html.j2").render(
        data=page_data(eval_set.problems, models, eval_set.flags, titles),
        not_scored={language_title(name): reason for name, reason in eval_set.not_scored.items()},
        notes=notes,
        script=Markup(script),
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    write_text(file, page)


def page_data(
    problems: Sequence[Problem],
    models: Sequence[ModelAnswers],
    flags: Mapping[str, str],
    titles: Mapping[str, str],
    samples_per_problem: int = 10,
) -> dict[str, Any]:
    """What the page embeds: every problem with so many answers of each model, and the count of all."""
    languages = dict.fromkeys(problem.language for problem in problems)
    answers = [_answers(model, samples_per_problem) for model in models]
    return {
        "models": [model.name for model in models],
        "outcomes": [str(outcome) for outcome in Outcome],
        "languages": {name: titles.get(name) or language_title(name) for name in languages},
        "problems": [
            {key: getattr(problem, key) for key in _SHOWN}
            | {
                "flag": flags.get(problem.key, ""),
                "answers": [by_key.get(problem.key, _NO_ANSWER) for by_key in answers],
            }
            for problem in problems
        ],
    }


def _answers(model: ModelAnswers, samples_per_problem: int) -> dict[str, dict[str, Any]]:
    """By problem the count of each outcome, over all samples, and the first samples in full."""
    results = {(line["key"], line["sample"]): line for line in model.results}
    outputs = {(line["key"], line["sample"]): line["output"] for line in model.details}
    by_key: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(model.samples, key=lambda line: line["sample"]):
        name = (line["key"], line["sample"])
        written = {key: line[key] for key in ("sample", "completion")}
        written |= {key: line.get(key, "") for key in ("said", "finish")}
        became = {key: results.get(name, {}).get(key, "") for key in ("outcome", "stage")}
        by_key.setdefault(line["key"], []).append(written | became | {"output": outputs.get(name, "")})
    described = {}
    for key, answers in by_key.items():
        counts = Counter(answer["outcome"] for answer in answers)
        outcomes = {str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]}
        shown = answers[:samples_per_problem]
        described[key] = {"num_samples": len(answers), "outcomes": outcomes, "samples": shown}
    return described


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
    data = page_data(in_turn[:_NUM_EXAMPLES], models, {}, titles, samples_per_problem=1)
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
