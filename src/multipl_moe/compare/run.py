"""One run of a comparison: from the base to a scored and judged model, every step kept, so that it goes on."""

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from multipl_judge.languages.table import language_title
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.compare.schema import Run
from multipl_moe.errors import OutputError
from multipl_moe.eval.bits_per_byte import FileScore
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import RESULTS_FILE
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.eval.measures import measure_model
from multipl_moe.eval.router_health import router_health
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.report.programs import write_programs_report
from multipl_moe.runs.folder import json_text, open_run, read_json, write_text
from multipl_moe.runs.result import ComparedRun, Measures, Parameters
from multipl_moe.runs.verdict import ProgramsResult, Solved, SolvedPrograms
from multipl_moe.train.callbacks import INTERRUPT_NOTE
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_in_held_folder
from multipl_moe.upcycle.convert import upcycle

METRICS_FILE = "metrics.json"
SCORES_FILE = "scores.json"


def folder_of(run: Run, output: Path) -> Path:
    """Where a run lies in a comparison's folder."""
    return output / "runs" / run.name


def require_same_settings(run: Run, folder: Path) -> None:
    """Raise OutputError where a run's folder holds one of other settings."""
    file = folder / "recipe.yaml"
    if file.is_file() and (changes := run.recipe.training_changes(load_recipe(file))):
        raise OutputError(f"output: {folder} holds a run of other settings ({changes}); choose another folder")


class RunScores(Measures):
    """What a run has of its own: of each file bits, bytes and tokens, in the order of the base's, and more."""

    parameters: dict[str, int]
    scores: dict[str, list[tuple[float, int, int]]]
    load_ratios: dict[str, list[float]] = {}

    def of_files(self, base: LanguageScores) -> LanguageScores:
        """The scores, with the names of the base's files."""
        files = {
            name: [FileScore(score.path, *row) for score, row in zip(base.files[name], rows, strict=True)]
            for name, rows in self.scores.items()
        }
        return LanguageScores(files=files)


class RunFolder:
    """Carries out one run in its folder of a comparison's `output`: upcycling, training, scores, programs.

    The folder is entered again after an interruption. That of the base model is `base`; its scores and programs/, to
    compare with, are in the comparison's.
    """

    def __init__(self, run: Run, output: Path, base: Path, console: Console) -> None:
        self.run, self.base, self.console = run, base, console
        self.folder, self.corpus, self.base_folder = folder_of(run, output), output / "corpus", output / "base"

    def finish(self, *, programs: bool, keep_model: bool) -> None:
        """Do what is missing; without `keep_model` the weights are removed once everything is measured."""
        require_same_settings(self.run, self.folder)
        recipe = self.run.recipe
        if not (self.folder / "recipe.yaml").is_file():
            open_run(self.folder, recipe)
        start = self._upcycle(recipe) if recipe.train.trains_hybrid else self.base
        training = self._train(recipe, start)
        result = self._measure(recipe, training)
        if programs and (self.base_folder / "programs" / METRICS_FILE).is_file():
            result = result.but(programs=self._judge(recipe))
        result.write(self.folder / METRICS_FILE)
        if not keep_model:
            for name in ("hybrid", "model"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _upcycle(self, recipe: Recipe) -> Path:
        hybrid = self.folder / "hybrid"
        if not ((self.folder / "training.json").is_file() or hybrid.is_dir()):
            upcycle(recipe, hybrid, corpus=self.corpus)
        return hybrid

    def _train(self, recipe: Recipe, start: Path) -> TrainResult:
        if (done := self.folder / "training.json").is_file():
            return TrainResult.read(done)
        with TrainingProgress(self.folder, tokens_per_step(recipe.train), self.console) as progress:
            return train_in_held_folder(
                recipe,
                start,
                self.corpus,
                self.folder,
                callbacks=[progress],
                on_interrupt=lambda: self.console.print(INTERRUPT_NOTE),
                on_note=lambda line: self.console.print(line, highlight=False, soft_wrap=True),
            )

    def _measure(self, recipe: Recipe, training: TrainResult) -> ComparedRun:
        folder, base = self.folder, read_base_scores(self.base_folder)
        if not (folder / SCORES_FILE).is_file():
            model, tokenizer = load_model(folder / "model"), load_tokenizer(folder / "model")
            scores = score_languages(model, tokenizer, self.corpus, recipe).files
            loads = self._loads(model, tokenizer)  # before movement, which casts the model to float32
            measures = measure_model(recipe, str(self.base), model, tokenizer, self.corpus)
            rows = {
                name: [(one.bits, one.num_bytes, one.num_tokens) for one in files] for name, files in scores.items()
            }
            found = RunScores(**vars(measures), parameters=_parameters(model), scores=rows, load_ratios=loads)
            write_text(folder / SCORES_FILE, json_text(found.to_json(), folder / SCORES_FILE) + "\n")
        stored = RunScores.read(folder / SCORES_FILE)
        return ComparedRun(
            **vars(compare_scores(recipe, base, stored.of_files(base))),
            **vars(Measures.narrowed(stored)),
            method=self.run.method,
            is_long=self.run.is_long,
            learning_rate=float(recipe.learning_rate),
            seed=recipe.seed,
            compute_dtype=training.compute_dtype,
            tokens=training.tokens,
            seconds=training.seconds,
            tokens_per_s=training.tokens / training.seconds,
            processor_s=training.processor_s,
            peak_bytes=training.peak_bytes,
            parameters=Parameters(**stored.parameters, trained=training.audit.num_trained),
            frozen_sha256=training.frozen_sha256,
            against=recipe.base,
            load_ratios=stored.load_ratios,
            environment=read_json(folder / "environment.json"),
        )

    def _loads(self, model: Any, tokenizer: Any) -> dict[str, list[float]]:
        """The least and the largest load of an expert, by kind of router; none where no router has a choice."""
        if not isinstance(model, MultiplMoeForCausalLM) or not model.config.moe_config.has_choice:
            return {}
        return router_health(model, tokenizer, self.corpus, self.run.recipe, in_training=False).load_ratios

    def _judge(self, recipe: Recipe) -> SolvedPrograms:
        """Solved problems, compared with the base's where its results are at hand, as they are not in a stored form."""
        folder, before = self.folder / "programs", self.base_folder / "programs"
        if not (folder / METRICS_FILE).is_file():
            judge_local_model(
                recipe,
                self.folder / "model",
                self.run.name,
                folder,
                against=before if (before / RESULTS_FILE).is_file() else None,
                options=EvalOptions(on_verdict=write_programs_report),
            )
        return count_solved(ProgramsResult.read(folder / METRICS_FILE))


def read_base_scores(folder: Path) -> LanguageScores:
    """The base's scores, with the names of the files that all runs are scored on."""
    return LanguageScores.part_of(read_json(file := folder / SCORES_FILE), file)


def read_scores(folder: Path, base: LanguageScores) -> LanguageScores:
    """A run's scores, with the names of the base's files."""
    return RunScores.read(folder / SCORES_FILE).of_files(base)


def count_solved(verdict: ProgramsResult) -> SolvedPrograms:
    """Shares of the problems of each language, over the benchmarks of a verdict."""
    counts = {}
    for language, row in verdict.languages.items():
        cells = list(row.benchmarks.values())
        tasks = sum(cell.tasks for cell in cells)
        built = [cell.tasks * rate.value for cell in cells if (rate := cell.parses_or_compiles) is not None]
        counts[language] = Solved(
            title=language_title(language, row.title),
            role=row.role,
            tasks=tasks,
            pass_at_1=sum(cell.tasks * cell.pass_at_k[1].value for cell in cells) / tasks,
            parses_or_compiles=sum(built) / tasks if len(built) == len(cells) else None,
        )
    return SolvedPrograms(languages=counts, decontamination=verdict.decontamination)


def _parameters(model: Any) -> dict[str, int]:
    if isinstance(model, MultiplMoeForCausalLM):
        counts = count_parameters(model.config)
        return {"total": counts.total, "active": counts.active}
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"total": total, "active": total}
