"""Programs of a model on this machine's disk: written and judged in one call."""

from pathlib import Path

from multipl_moe.codegen.generation import completed_by
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.eval.eval_set import EvalOptions, prepare_eval_set
from multipl_moe.eval.judging import RESULTS_FILE, read_results
from multipl_moe.eval.programs import evaluate_programs
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.decontamination import record_of_model, statuses


def judge_local_model(
    recipe: Recipe, model: Path, name: str, output: Path, *, against: Path | None = None, options: EvalOptions
) -> bool:
    """Have the model in a folder write programs and run them, into the folder `output`.

    A domain gate is told each language, or not, but never both.

    With the folder of an earlier evaluation, `against`, the same problems are judged; if it holds no results, as where
    nothing can be judged here, nothing is done.

    Returns:
        Whether programs were judged.

    Raises:
        ConfigError: a benchmark cannot be read, or no language of the problems can be judged here.
    """
    if against is not None and not (against / RESULTS_FILE).is_file():
        return False
    eval_set = prepare_eval_set(recipe, options)
    if against is not None:
        eval_set = eval_set.only({result["key"] for result in read_results(against)})
    output.mkdir(parents=True, exist_ok=True)
    completer = LocalCompleter.load(str(model), recipe.codegen)
    checks = statuses(record_of_model(model), eval_set.benchmarks)
    evaluate_programs(
        recipe,
        eval_set,
        completed_by(completer, recipe.codegen),
        name,
        output,
        against=against,
        options=options,
        decontamination=checks,
        gate_is_told=completer.gate_is_told(recipe.codegen),
        opens_for=completer.opens_for,
    )
    return True
