"""What the verbs that judge programs share: where completions come from, progress, and the verdict in the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multipl_moe.cli.app import console, progress_bar

if TYPE_CHECKING:
    from multipl_judge.judge.preflight import LanguageCheck
    from multipl_judge.problems.problem import Problem
    from multipl_moe.codegen.completer import Completion, SampleKey
    from multipl_moe.eval.eval_set import EvalOptions, EvalSet
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.runs.verdict import ProgramsResult


def completions_of(
    recipe: "Recipe", sources: Mapping[str, Any], endpoint_model: str | None, chat: bool, eval_set: "EvalSet"
) -> dict[str, Any]:
    """Name of a model, and what makes its completions, as arguments of `evaluate_programs`.

    Args:
        recipe: codegen is used.
        sources: one of `--model`, `--endpoint` and `--completions` has a value.
        endpoint_model: the server's name of the model.
        chat: whether answers are those of a chat.
        eval_set: a file may hold completions of its problems that are not scored here.
    """
    from multipl_judge.problems.extract import completion_of_answer
    from multipl_moe.codegen.endpoint import EndpointCompleter
    from multipl_moe.codegen.from_file import import_samples, what_was_cut
    from multipl_moe.codegen.generation import completed_by
    from multipl_moe.codegen.local import LocalCompleter

    if (file := sources["--completions"]) is not None:

        def imported(problems: "Sequence[Problem]", folder: Path, _: object) -> "Mapping[SampleKey, Completion]":
            samples = import_samples(problems, file, folder, chat=chat, ignored=eval_set.unscored)
            console.print(f"{file}: {what_was_cut(samples.values())}", soft_wrap=True)
            return samples

        return {"name": str(file), "complete": imported}
    extract = completion_of_answer if chat else None
    if (url := sources["--endpoint"]) is not None:
        assert endpoint_model is not None
        endpoint = EndpointCompleter(url, endpoint_model, extract=extract)
        return {"name": endpoint.name, "complete": completed_by(endpoint, recipe.codegen)}
    local, untold = LocalCompleter.load(sources["--model"], recipe.codegen, extract), None
    is_told = local.gate_is_told(recipe.codegen)
    if is_told and recipe.codegen.tell_language == "both":
        untold = completed_by(local, recipe.codegen.model_copy(update={"tell_language": False}))
    complete = completed_by(local, recipe.codegen)
    gate = {"gate_is_told": is_told, "opens_for": local.opens_for, "by_itself": untold}
    return {"name": local.name, "complete": complete} | gate


@contextmanager
def options_shown(unsafe: bool) -> Iterator["EvalOptions"]:
    """Options of an evaluation that draw a bar a step, name languages that cannot be judged and write the pages."""
    from multipl_moe.eval.eval_set import EvalOptions
    from multipl_moe.report.programs import write_programs_report

    with progress_bar() as (on_step, on_progress):
        yield EvalOptions(
            unsafe=unsafe,
            on_step=on_step,
            on_progress=on_progress,
            on_checks=_tell_unfit,
            on_verdict=write_programs_report,
        )


def show_verdict(result: "ProgramsResult", output: Path) -> None:
    """The tables, what they do not show, and where to read the programs."""
    from multipl_moe.report.verdict_tables import comparison_table, failures_table, mean_sentences, verdict_table

    console.print(verdict_table(result))
    console.print(failures_table(result))
    if result.comparison is not None:
        console.print(comparison_table(result.comparison))
        for sentence in mean_sentences(result.comparison):
            console.print(sentence)
    console.print(f"every program and its outcome: {output / 'problems.html'}", soft_wrap=True)


def _tell_unfit(checks: Mapping[str, "LanguageCheck"]) -> None:
    for language, check in checks.items():
        if check.problem is not None:
            console.print(f"{language} is not scored: {check.problem}", style="yellow")
