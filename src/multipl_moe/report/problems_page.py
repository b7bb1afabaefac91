"""problems.html: one self-contained page where one reads each problem, what models wrote, and what became of it."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markupsafe import Markup

from multipl_judge.judge.outcome import Outcome
from multipl_judge.languages.table import language_title
from multipl_judge.problems.problem import Problem
from multipl_moe.report.page import page_templates
from multipl_moe.runs.folder import write_text

_SCRIPT = "problems.js"
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
    details: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


def write_problems_page(
    file: Path,
    problems: Sequence[Problem],
    models: Sequence[ModelAnswers],
    *,
    flags: Mapping[str, str] | None = None,
    not_scored: Mapping[str, str] | None = None,
    titles: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write the page, whole or not at all.

    Completions are untrusted: they travel as JSON that cannot end its script element, the script puts them into text
    nodes only, and the page's policy runs no other script and loads nothing.

    Args:
        file: to write; an existing one is replaced.
        problems: those that were judged.
        models: one, or two that are shown side by side, the one before first.
        flags: problems whose tests prove nothing, by key, and why.
        not_scored: languages that were not scored, and why.
        titles: how people write the names of languages that the package's table does not have.
        notes: what else a reader must know, a line each.
    """
    titles = titles or {}
    environment = page_templates()
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    assert environment.loader is not None
    script = environment.loader.get_source(environment, _SCRIPT)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.get_template("problems.html.j2").render(
        data=page_data(problems, models, flags=flags or {}, titles=titles),
        not_scored={language_title(name): reason for name, reason in (not_scored or {}).items()},
        notes=notes,
        script=Markup(script),
        script_digest=digest,
    )
    write_text(file, page)


def page_data(
    problems: Sequence[Problem],
    models: Sequence[ModelAnswers],
    *,
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
        by_key.setdefault(line["key"], []).append(_answer(line, results.get(name, {}), outputs.get(name, "")))
    described = {}
    for key, answers in by_key.items():
        counts = Counter(answer["outcome"] for answer in answers)
        outcomes = {str(outcome): counts[outcome] for outcome in Outcome if counts[outcome]}
        shown = answers[:samples_per_problem]
        described[key] = {"num_samples": len(answers), "outcomes": outcomes, "samples": shown}
    return described


def _answer(line: Mapping[str, Any], result: Mapping[str, Any], output: str) -> dict[str, Any]:
    written = {key: line[key] for key in ("sample", "completion")}
    written |= {key: line.get(key, "") for key in ("said", "finish")}
    return written | {key: result.get(key, "") for key in ("outcome", "stage")} | {"output": output}
