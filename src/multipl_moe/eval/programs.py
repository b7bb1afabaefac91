"""Programs that work: a model completes problems, its programs are run in the sandbox, and the verdict is drawn.

The folder of an evaluation holds samples.jsonl, results.jsonl, details.jsonl, what `EvalOptions.on_verdict` writes, and
metrics.json; `BY_ITSELF` in it the first three of a gate that was not told. Every step goes on with what an interrupted
run left there.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import DID_NOT_FIT
from multipl_moe.codegen.generation import Complete
from multipl_moe.codegen.samples import ORIGIN_FILE
from multipl_moe.errors import ConfigError
from multipl_moe.eval.eval_set import EvalOptions, EvalSet
from multipl_moe.eval.form_faults import form_faults
from multipl_moe.eval.judging import judge_samples, read_details, read_results
from multipl_moe.eval.tally import require_samples
from multipl_moe.eval.verdict import VerdictSettings, build_verdict
from multipl_moe.eval.verdict_against import judge_against
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.runs.folder import read_json
from multipl_moe.runs.verdict import AtPrompts, Gate, ProgramsResult, Verdict
from multipl_moe.system.versions import environment

BY_ITSELF = "gate_by_itself"


def evaluate_programs(
    recipe: Recipe,
    eval_set: EvalSet,
    complete: Complete,
    name: str,
    output: Path,
    *,
    against: Path | None,
    options: EvalOptions,
    decontamination: Mapping[str, str] | None = None,
    gate_is_told: bool | None = None,
    opens_for: Callable[[Problem], bool] | None = None,
    by_itself: Complete | None = None,
) -> ProgramsResult:
    """The verdict on a model's programs, also written to `output` with all that it rests on.

    Args:
        name: of the model, for the report.
        output: folder of this evaluation, existing.
        against: folder of an earlier evaluation on the same problems, of the model before.
        decontamination: by benchmark, whether the text that the model was trained on was checked for its problems.
        gate_is_told, opens_for: whether the model's domain gate was told the language of each problem, and whether it
            opens by itself where the answer to one begins; None: it has none.
        by_itself: makes the samples once more, without telling it, for a second verdict.

    Raises:
        UserError: the model cannot write, or `against` lacks results.
    """
    before = None if against is None else _results_of(against, eval_set.scored)
    if against is not None:
        _require_same_limits(recipe, against)
    judge = partial(_judge, recipe, eval_set, against=against, before=before, options=options)
    verdict, gate = judge(complete, output), None
    if gate_is_told is not None and opens_for is not None:
        untold = None if by_itself is None else judge(by_itself, output / BY_ITSELF)
        gate = Gate(is_told=gate_is_told, at_prompts=_at_prompts(eval_set.scored, opens_for), by_itself=untold)
    result = ProgramsResult(
        **vars(verdict),
        model=name,
        benchmarks=recipe.programs.benchmarks,
        seed=recipe.seed,
        gate=gate,
        problems_left_out={problem.key: said for problem, said in eval_set.left_out},
        decontamination=dict(decontamination or {}),
        environment=environment(),
    )
    options.on_verdict(output, eval_set, result, against)
    result.write(output / "metrics.json")
    return result


def _at_prompts(problems: Sequence[Problem], opens_for: Callable[[Problem], bool]) -> dict[str, AtPrompts]:
    asked = Counter(problem.language for problem in problems)
    opened = Counter(problem.language for problem in problems if opens_for(problem))
    return {language: AtPrompts(open=opened[language], prompts=number) for language, number in asked.items()}


def _judge(
    recipe: Recipe,
    eval_set: EvalSet,
    complete: Complete,
    folder: Path,
    *,
    against: Path | None,
    before: list[dict[str, Any]] | None,
    options: EvalOptions,
) -> Verdict:
    """Make samples into a folder and judge them there; the verdict, with what samples and outputs say beside it."""
    options.on_step("writing programs")
    samples = complete(eval_set.scored, folder, options.on_progress)
    require_samples(recipe.programs.pass_at, len(samples) // len(eval_set.scored))
    if against is not None:
        _require_same_problems(folder, against)
    options.on_step("running programs")
    results = judge_samples(eval_set.scored, samples, folder, options, recipe.programs)
    settings = VerdictSettings(
        roles=recipe.languages,
        titles={name: entry.title for name, entry in recipe.language_table.items()},
        pass_at=None if recipe.programs.pass_at is None else tuple(recipe.programs.pass_at),
        not_scored=eval_set.not_scored,
        flags=eval_set.flags,
    )
    if before is None:
        verdict = build_verdict(eval_set.problems, results, settings)
    else:
        verdict = judge_against(eval_set.problems, before, results, settings)
    return verdict.but(
        did_not_fit=sorted({key for (key, _), sample in samples.items() if sample == DID_NOT_FIT}),
        form_faults=form_faults(verdict, eval_set.scored, samples, read_details(folder)),
    )


def _results_of(folder: Path, problems: Sequence[Problem]) -> list[dict[str, Any]]:
    results = read_results(folder)
    if not results:
        raise ConfigError(
            f"--against: {folder} holds no results of an evaluation; give a folder that "
            "`multipl-moe eval --metric pass` wrote"
        )
    wanted = {problem.key for problem in problems}
    found = [result for result in results if result["key"] in wanted]
    if missing := sorted(wanted - {result["key"] for result in found}):
        raise ConfigError(
            f"--against: {folder} has no result of {len(missing)} of the problems, such as {missing[0]}; "
            "evaluate both models on the same benchmarks and languages"
        )
    return found


def _require_same_problems(output: Path, against: Path) -> None:
    now, then = (read_json(folder / ORIGIN_FILE)["problems"] for folder in (output, against))
    changed = sorted(name for name, digest in now.items() if then.get(name, digest) != digest)
    if changed:
        raise ConfigError(
            f"--against: {against} was evaluated on other problems or stop strings of {', '.join(changed)}; "
            "evaluate both models on the same ones"
        )


def _require_same_limits(recipe: Recipe, against: Path) -> None:
    file = against / "recipe.yaml"
    if file.is_file() and (then := load_recipe(file).programs.limits) != recipe.programs.limits:
        raise ConfigError(
            f"--against: the programs in {against} ran with {_told(then)}, these would with "
            f"{_told(recipe.programs.limits)}; evaluate both models with the same limits"
        )


def _told(limits: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in limits.items()) or "the usual limits"
