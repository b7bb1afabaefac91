"""Programs of a model on this machine's disk: written and judged in one call."""

from pathlib import Path

from multipl_moe.codegen.generation import generate_samples
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.eval.judging import RESULTS_FILE, read_results
from multipl_moe.eval.programs import Ways, evaluate_programs, prepare_exam
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.runs.decontamination import record_of_model, statuses


def judge_local_model(
    recipe: Recipe, model: Path, name: str, output: Path, *, against: Path | None = None, ways: Ways
) -> bool:
    """Have a model write programs and run them, into the folder `output`.

    Args:
        recipe: codegen and programs are used.
        model: its folder.
        name: of the model, for the report.
        output: folder of the evaluation.
        against: folder of an earlier evaluation, of the model before; the same problems are judged. If it holds no
            results, as where nothing can be judged here, nothing is done.
        ways: how it is carried out.

    Returns:
        Whether programs were judged.

    Raises:
        ConfigError: a benchmark cannot be read, or no language of the problems can be judged here.
    """
    if against is not None and not (against / RESULTS_FILE).is_file():
        return False
    exam = prepare_exam(recipe, ways)
    if against is not None:
        exam = exam.only({result["key"] for result in read_results(against)})
    output.mkdir(parents=True, exist_ok=True)
    completer = LocalCompleter.load(str(model), recipe.codegen)

    def complete(problems, folder, on_progress):
        return generate_samples(problems, completer, recipe.codegen, folder, on_progress)

    checks = statuses(record_of_model(model), exam.benchmarks)
    evaluate_programs(recipe, exam, complete, name, output, against=against, ways=ways, decontamination=checks)
    return True
