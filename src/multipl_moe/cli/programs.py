"""The programs of `multipl-moe eval`: where completions come from, what is refused, and the verdict in the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import refuse_where

if TYPE_CHECKING:
    from multipl_judge.judge.preflight import LanguageCheck
    from multipl_judge.problems.problem import Problem
    from multipl_moe.codegen.completer import Completion, SampleKey
    from multipl_moe.eval.eval_set import EvalSet
    from multipl_moe.recipe.recipe import Recipe
    from multipl_moe.runs.verdict import ProgramsResult


@dataclass(frozen=True)
class Asked:
    """Whose programs are judged, as flags say: one of `model`, `endpoint`, `completions` and `reference` has a value.

    Attributes:
        endpoint_model: the server's name of the model.
        chat: whether answers are those of a chat.
        against: folder of the evaluation to compare with.
    """

    model: str | None
    endpoint: str | None
    endpoint_model: str | None
    completions: Path | None
    reference: bool
    chat: bool
    against: str | None


def check_asked(recipe: "Recipe", asked: Asked, corpus: Path | None) -> None:
    """Raise ConfigError where flags do not go together; a corpus goes with none of them."""
    from multipl_moe.codegen.samples import interface_of
    from multipl_moe.eval.tally import require_samples

    interface = "chat" if asked.chat else "completions"
    before = None if asked.against is None or asked.completions else interface_of(Path(asked.against))
    sources = {"--model": asked.model, "--endpoint": asked.endpoint}
    sources |= {"--completions": asked.completions, "--reference": asked.reference}
    given = [flag for flag, value in sources.items() if value]
    found = f"not {' and '.join(given)}" if given else "what is to be evaluated?"
    refuse_where(
        (len(given) != 1, f"give one of {', '.join(sources)}; {found}"),
        (corpus is not None, "--corpus: not for --metric pass; leave it out"),
        (bool(asked.endpoint) != bool(asked.endpoint_model), "--endpoint, --endpoint-model: both or none"),
        (
            before not in (None, interface),
            f"--against: {asked.against} holds {before}, and this would be {interface}; ask both models the same way",
        ),
        (asked.chat and asked.reference, "--chat: references are no answers of a chat; leave it out"),
        (
            asked.against is not None and asked.reference,
            "--against: references are compared with nothing; leave it out",
        ),
        (
            recipe.codegen.tell_language == "both" and not asked.model,
            "codegen.tell_language: both is about the domain gate of a --model; leave it out",
        ),
    )
    if asked.completions is None:
        require_samples(recipe.programs.pass_at, recipe.codegen.num_samples)


def judge_programs(recipe: "Recipe", asked: Asked, output: Path, *, unsafe: bool) -> "ProgramsResult":
    """The verdict on them, in a folder; a bar a step is drawn, and languages that cannot be judged are named."""
    from multipl_moe.codegen.from_file import require_answers
    from multipl_moe.eval.eval_set import EvalOptions, prepare_eval_set
    from multipl_moe.eval.programs import evaluate_programs
    from multipl_moe.eval.references import check_references, prepare_reference_set
    from multipl_moe.report.programs import write_programs_report
    from multipl_moe.runs.decontamination import record_of_model, statuses
    from multipl_moe.runs.folder import open_run
    from multipl_moe.system.allocator import keep_freed_memory

    keep_freed_memory()
    with progress_bar() as (on_step, on_progress):
        options = EvalOptions(unsafe, on_step, on_progress, on_checks=_tell_unfit, on_verdict=write_programs_report)
        if asked.reference:
            eval_set = prepare_reference_set(recipe, options)
            open_run(output, recipe)
            return check_references(recipe, eval_set, output, options)
        answered = asked.completions and partial(require_answers, asked.completions)
        eval_set = prepare_eval_set(recipe, options, require=answered)
        completions = _completions_of(recipe, asked, eval_set)
        open_run(output, recipe)
        return evaluate_programs(
            recipe,
            eval_set,
            output=output,
            options=options,
            against=Path(asked.against) if asked.against is not None else None,
            decontamination=statuses(record_of_model(Path(asked.model)) if asked.model else None, eval_set.benchmarks),
            **completions,
        )


def _completions_of(recipe: "Recipe", asked: Asked, eval_set: "EvalSet") -> dict[str, Any]:
    """Name of a model, and what makes its completions, as arguments of `evaluate_programs`."""
    from multipl_judge.problems.extract import completion_of_answer
    from multipl_moe.codegen.endpoint import EndpointCompleter
    from multipl_moe.codegen.from_file import import_samples, what_was_cut
    from multipl_moe.codegen.generation import completed_by
    from multipl_moe.codegen.local import LocalCompleter

    if (file := asked.completions) is not None:

        def imported(problems: "Sequence[Problem]", folder: Path, _: object) -> "Mapping[SampleKey, Completion]":
            samples = import_samples(problems, file, folder, chat=asked.chat, ignored=eval_set.unscored)
            console.print(f"{file}: {what_was_cut(samples.values())}", soft_wrap=True)
            return samples

        return {"name": str(file), "complete": imported}
    extract = completion_of_answer if asked.chat else None
    if asked.endpoint is not None:
        assert asked.endpoint_model is not None
        endpoint = EndpointCompleter(asked.endpoint, asked.endpoint_model, extract=extract)
        return {"name": endpoint.name, "complete": completed_by(endpoint, recipe.codegen)}
    assert asked.model is not None
    local, untold = LocalCompleter.load(asked.model, recipe.codegen, extract), None
    is_told = local.gate_is_told(recipe.codegen)
    if is_told and recipe.codegen.tell_language == "both":
        untold = completed_by(local, recipe.codegen.model_copy(update={"tell_language": False}))
    gate = {"gate_is_told": is_told, "opens_for": local.opens_for, "by_itself": untold}
    return {"name": local.name, "complete": completed_by(local, recipe.codegen)} | gate


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
