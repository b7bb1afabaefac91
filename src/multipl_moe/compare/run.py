"""One run of a comparison: from the base to a scored and judged model, every step kept, so that it goes on."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import AutoTokenizer

from multipl_moe.checkpoints.loading import load_model
from multipl_moe.compare.schema import Run, WarmStart
from multipl_moe.corpus.documents import read_documents
from multipl_moe.errors import OutputError
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.eval.programs import Ways
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.report.programs import write_programs_report
from multipl_moe.runs.folder import open_run, read_json, write_json
from multipl_moe.train.callbacks import INTERRUPT_NOTE
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.review import review_model
from multipl_moe.train.settings import tokens_per_step
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import upcycle

METRICS_FILE = "metrics.json"


def require_same_settings(run: Run, folder: Path) -> None:
    """Raise OutputError where a run's folder holds one of other settings."""
    file = folder / "recipe.yaml"
    if not file.is_file():
        return
    stored = load_recipe(file)
    if run.warm_start is not None:  # then experts start from what the folder itself held
        stored = _starting_from(stored, None)
    if not run.recipe.same_training(stored):
        raise OutputError(f"output: {folder} holds a run of other settings; choose another folder")


class RunFolder:
    """Carries out one run in its folder: warm start, upcycling, training, review, scores, programs.

    Args:
        run: what to do.
        folder: of the run; entered again after an interruption.
        base: folder of the base model.
        corpus: that all runs share.
        base_folder: holds the base's scores.json and programs/, to compare with.
        console: where to tell what happens.
    """

    def __init__(self, run: Run, folder: Path, *, base: Path, corpus: Path, base_folder: Path, console: Console):
        self.run, self.folder = run, folder
        self.base, self.corpus, self.base_folder, self.console = base, corpus, base_folder, console

    def finish(self, *, programs: bool, keep_model: bool) -> None:
        """Do what is missing; without `keep_model` the weights are removed once everything is measured."""
        recipe = self._enter()
        start = self.base if not recipe.train.trains_hybrid else self._upcycle(recipe)
        training = self._train(recipe, start, self.folder)
        metrics = {
            "method": self.run.method,
            "is_long": self.run.is_long,
            "learning_rate": recipe.train.learning_rate,
            "seed": recipe.seed,
            "compute_dtype": training.compute_dtype,
            **self._measure(recipe, training, self.folder),
        }
        if self.run.warm_start is not None:
            warm = read_json(self.folder / "warm_start" / "training.json")
            metrics |= both_stages(warm, metrics)
        if self.run.review:
            folder = self.folder / "review"
            metrics["review"] = self._measure(recipe, self._train_routers(recipe, folder), folder)
        if programs and (self.base_folder / "programs" / METRICS_FILE).is_file():
            metrics["programs"] = self._judge(recipe)
        metrics["environment"] = read_json(self.folder / "environment.json")
        write_json(self.folder / METRICS_FILE, metrics)
        if not keep_model:
            for name in ("hybrid", "model", "warm_start", "review/model"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _enter(self) -> Recipe:
        require_same_settings(self.run, self.folder)
        recipe = self.run.recipe
        if self.run.warm_start is not None:
            recipe = _starting_from(recipe, (self.folder / "warm_start" / "model").absolute())
        if not (self.folder / "recipe.yaml").is_file():
            open_run(self.folder, recipe)
        return recipe

    def _upcycle(self, recipe: Recipe) -> Path:
        hybrid = self.folder / "hybrid"
        if (self.folder / "training.json").is_file() or hybrid.is_dir():
            return hybrid
        if self.run.warm_start is not None:
            warm_recipe = _warm_recipe(recipe, self.run.warm_start)
            open_run(self.folder / "warm_start", warm_recipe)
            self._train(warm_recipe, self.base, self.folder / "warm_start")
        upcycle(recipe, hybrid, corpus=self.corpus)
        return hybrid

    def _train(self, recipe: Recipe, start: Path, output: Path) -> TrainResult:
        done = output / "training.json"
        if done.is_file():
            return TrainResult.from_json(read_json(done))
        with TrainingProgress(output, tokens_per_step(recipe), self.console) as progress:
            return train_model(
                recipe,
                start,
                self.corpus,
                output,
                callbacks=[progress],
                on_interrupt=lambda: self.console.print(INTERRUPT_NOTE),
            )

    def _train_routers(self, recipe: Recipe, output: Path) -> TrainResult:
        """Stage 2, on the trained model."""
        done = output / "training.json"
        if done.is_file():
            return TrainResult.from_json(read_json(done))
        if not output.is_dir():
            open_run(output, recipe)
        with TrainingProgress(output, tokens_per_step(recipe), self.console) as progress:
            return review_model(
                recipe,
                self.folder / "model",
                self.corpus,
                output,
                callbacks=[progress],
                on_interrupt=lambda: self.console.print(INTERRUPT_NOTE),
            )

    def _measure(self, recipe: Recipe, training: TrainResult, folder: Path) -> dict[str, Any]:
        """What a stage cost and did: scores of the model in its folder against the base's."""
        file = folder / "scores.json"
        if not file.is_file():
            model = load_model(folder / "model")
            write_scores(file, model, folder / "model", self.corpus, recipe, parameters=_parameters(model))
        return {
            "tokens": training.tokens,
            "seconds": training.seconds,
            "tokens_per_s": training.tokens / training.seconds,
            "parameters": read_json(file)["parameters"] | {"trained": training.audit.num_trained},
            "frozen_sha256": training.frozen_sha256,
            "against": recipe.base,
            **compare_scores(recipe, read_scores(self.base_folder), read_scores(folder)),
        }

    def _judge(self, recipe: Recipe) -> dict[str, Any]:
        folder = self.folder / "programs"
        if not (folder / METRICS_FILE).is_file():
            against = self.base_folder / "programs"
            judge_local_model(
                recipe,
                self.folder / "model",
                self.run.name,
                folder,
                against=against,
                ways=Ways(on_verdict=write_programs_report),
            )
        return read_json(folder / METRICS_FILE)


def write_scores(file: Path, model: Any, folder: Path, corpus: Path, recipe: Recipe, **more: Any) -> None:
    """Score a model's held-out files by language into a JSON file, beside what else is to be noted."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    write_json(file, score_languages(model, tokenizer, corpus, recipe).to_json() | more)


def held_out_sha256(corpus: Path, recipe: Recipe) -> str:
    """Hash of the held-out files that runs are scored on: their languages, paths and texts."""
    digest = hashlib.sha256()
    for language in recipe.languages:
        for file in read_documents(corpus, "validation", language, recipe.eval.files_per_language):
            digest.update(f"{language}\0{file.path}\0{file.text}\0".encode())
    return digest.hexdigest()


def read_scores(folder: Path) -> LanguageScores:
    """What `write_scores` wrote into a run's scores.json."""
    return LanguageScores.from_json(read_json(folder / "scores.json"))


def both_stages(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Tokens, seconds and speed of two trainings, one after the other."""
    tokens, seconds = (first[key] + second[key] for key in ("tokens", "seconds"))
    return {"tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds}


def _starting_from(recipe: Recipe, experts_from: Path | None) -> Recipe:
    return recipe.model_copy(update={"upcycle": recipe.upcycle.model_copy(update={"experts_from": experts_from})})


def _warm_recipe(recipe: Recipe, warm_start: WarmStart) -> Recipe:
    changes = {
        "method": "dense-ffn",
        "tokens": warm_start.tokens,
        "skip_tokens": 0,
        "learning_rate": warm_start.learning_rate,
    }
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=changes)})


def _parameters(model: Any) -> dict[str, int]:
    if isinstance(model, MultiplMoeForCausalLM):
        counts = count_parameters(model.config).to_json()
        return {"total": counts["total"], "active": counts["active"]}
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"total": total, "active": total}
