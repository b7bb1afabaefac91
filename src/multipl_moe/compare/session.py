"""A comparison in one folder: the corpus and the base once, then every run, then tables and plot.

Layout: comparison.yaml, corpus/, base/, runs/NAME/, and as results comparison.json and pages of it, comparison.html
and comparison.md, with their pictures.
"""

import hashlib
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.compare.result import comparison_result
from multipl_moe.compare.run import METRICS_FILE, SCORES_FILE, RunFolder, folder_of, require_same_settings
from multipl_moe.compare.schema import Comparison, Run, common_recipe, load_comparison, planned_runs
from multipl_moe.corpus.documents import read_documents
from multipl_moe.corpus.pipeline import build_corpus
from multipl_moe.errors import ConfigError, HeldError, OutputError, UserError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.language_scores import score_folder
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.recipe.recipe import Recipe
from multipl_moe.report.comparison_page import write_comparison
from multipl_moe.report.programs import write_programs_report
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.folder import read_json, write_json, write_text
from multipl_moe.system.staging import held_folder, is_unused
from multipl_moe.train.plan import starting_config
from multipl_moe.train.quantised import require_quantisation
from multipl_moe.train.setup import require_a_step

COMPARISON_FILE = "comparison.yaml"


class ComparisonSession:
    """Carries out a comparison in the folder `output`, to create or to go on in.

    Of its methods those named in `only` are run now; another process may run others in the same folder, once the base
    is measured, and those that it is at are left to it. With `keep_models` the trained weights stay after they were
    measured.
    """

    def __init__(
        self,
        comparison: Comparison,
        output: Path,
        console: Console,
        *,
        only: Collection[str] | None = None,
        keep_models: bool = False,
    ) -> None:
        if unknown := sorted(set(only or ()) - set(comparison.methods)):
            raise ConfigError(
                f"--only: {', '.join(unknown)}: no such method; there are {', '.join(comparison.methods)}"
            )
        self.comparison, self.output, self.console = comparison, output, console
        self.only, self.keep_models = only, keep_models
        self.recipe = common_recipe(comparison)

    def run(self) -> ComparisonResult:
        """Do what is missing; after each run, write the results of those that are finished.

        Returns:
            The content of comparison.json.

        Raises:
            OutputError: the folder holds something else, or its runs were scored on other files than there are here.
            UserError: a run failed; the others are finished and the results written before.
        """
        runs = planned_runs(self.comparison)
        for run in runs:
            require_a_step(run.recipe.train)
        self._enter(runs)
        asked = [run for run in runs if self.only is None or run.method in self.only]
        missing = [run for run in asked if not self._is_finished(run)]
        failures = []
        if missing:
            base = self._prepare()
            for number, run in enumerate(missing, start=1):
                self.console.print(f"{number} of {len(missing)}: {run.name}", style="bold")
                try:
                    with held_folder(folder_of(run, self.output)):
                        if not self._is_finished(run):  # as another process may have done since
                            self._finish(run, base)
                except HeldError as error:
                    self._tell(f"left out: {error}")
                except UserError as error:
                    failures.append(f"{run.name}: {error}")
                    self._tell(str(error))
                else:
                    if number < len(missing):
                        self._write_result(runs)
        result = self._write_result(runs)
        if failures:
            raise UserError("; ".join(failures))
        return result

    def _enter(self, runs: list[Run]) -> None:
        for run in runs:
            if run.recipe.train.quantise is not None:
                require_quantisation(run.recipe.train, starting_config(run.recipe))
        file = self.output / COMPARISON_FILE
        if file.is_file():
            if not self.comparison.goes_on_from(load_comparison(file)):
                raise OutputError(
                    f"output: {self.output} holds another comparison, {file}: methods, rates and seeds may be added, "
                    "all else must stay; choose another folder"
                )
            for run in runs:
                require_same_settings(run, folder_of(run, self.output))
        elif not is_unused(self.output):
            raise OutputError(f"output: {self.output} exists and is not a comparison; choose another folder")
        with held_folder(self.output):
            write_text(file, self.comparison.to_yaml())

    def _prepare(self) -> Path:
        base = resolve_base(self.recipe.base)
        if not (self.output / "corpus").is_dir():
            self.console.print("corpus", style="bold")
            build_corpus(self.recipe, base, self.output / "corpus", self._tell)
        self._measure_base(base)
        return base

    def _measure_base(self, base: Path) -> None:
        folder, corpus = self.output / "base", self.output / "corpus"
        file, held_out = folder / SCORES_FILE, _held_out_sha256(corpus, self.recipe)
        programs = folder / "programs"
        measured = [file, programs / METRICS_FILE] if self.comparison.programs else [file]
        with ExitStack() as stack:
            if not all(each.is_file() for each in measured):
                stack.enter_context(held_folder(folder))
            if not file.is_file():
                self.console.print("base", style="bold")
                scores = score_folder(self.recipe, base, corpus)
                write_json(file, scores.to_json() | {"held_out_sha256": held_out})
            elif read_json(file).get("held_out_sha256") != held_out:
                raise OutputError(
                    f"output: {file} was measured on other held-out files than those of {corpus} (built from other "
                    "versions of the sources?); start in a new folder, as scores could not be compared"
                )
            if not measured[-1].is_file():
                options = EvalOptions(on_verdict=write_programs_report)
                judge_local_model(self.recipe, base, "base", programs, options=options)

    def _finish(self, run: Run, base: Path) -> None:
        programs = self.comparison.programs and run.is_long
        RunFolder(run, self.output, base, self.console).finish(programs=programs, keep_model=self.keep_models)

    def _is_finished(self, run: Run) -> bool:
        return (folder_of(run, self.output) / METRICS_FILE).is_file()

    def _write_result(self, runs: list[Run]) -> ComparisonResult:
        finished = {run.name: folder_of(run, self.output) for run in runs if self._is_finished(run)}
        result = comparison_result(self.comparison, finished, self.output / "base")
        result.write(self.output / "comparison.json")
        write_comparison(self.output, result)
        return result

    def _tell(self, message: str) -> None:
        self.console.print(f"  {message}", highlight=False)


def _held_out_sha256(corpus: Path, recipe: Recipe) -> str:
    """Hash of the held-out files that runs are scored on: their languages, paths and texts."""
    digest = hashlib.sha256()
    for language in recipe.languages:
        for file in read_documents(corpus, "validation", language, recipe.eval.files_per_language):
            digest.update(f"{language}\0{file.path}\0{file.text}\0".encode())
    return digest.hexdigest()
