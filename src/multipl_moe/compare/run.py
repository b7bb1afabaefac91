"""One run of a comparison: from the base to a scored and judged model, every step kept, so that it goes on."""

import json
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import AutoTokenizer

from multipl_judge.languages.table import language_title
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.compare.schema import Run
from multipl_moe.errors import OutputError
from multipl_moe.eval.bits_per_byte import FileScore
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.judging import RESULTS_FILE
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.eval.movement.panel import movement_of
from multipl_moe.eval.router_health import router_health
from multipl_moe.eval.score_changes import compare_scores
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe, load_recipe
from multipl_moe.report.programs import write_programs_report
from multipl_moe.runs.folder import open_run, read_json, write_json, write_text
from multipl_moe.train.callbacks import INTERRUPT_NOTE
from multipl_moe.train.progress import TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_in_held_folder
from multipl_moe.upcycle.convert import upcycle

METRICS_FILE = "metrics.json"
SCORES_FILE = "scores.json"


def require_same_settings(run: Run, folder: Path) -> None:
    """Raise OutputError where a run's folder holds one of other settings."""
    file = folder / "recipe.yaml"
    if not file.is_file():
        return
    stored = load_recipe(file)
    if changes := run.recipe.training_changes(stored):
        raise OutputError(f"output: {folder} holds a run of other settings ({changes}); choose another folder")


class RunFolder:
    """Carries out one run in its folder: upcycling, training, scores, programs.

    Args:
        run: what to do.
        folder: of the run; entered again after an interruption.
        base: folder of the base model.
        corpus: that all runs share.
        base_folder: holds the base's scores and programs/, to compare with.
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
            **self._measure(recipe, training),
        }
        if programs and (self.base_folder / "programs" / METRICS_FILE).is_file():
            metrics["programs"] = self._judge(recipe)
        metrics["environment"] = read_json(self.folder / "environment.json")
        write_json(self.folder / METRICS_FILE, metrics)
        if not keep_model:
            for name in ("hybrid", "model"):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _enter(self) -> Recipe:
        require_same_settings(self.run, self.folder)
        recipe = self.run.recipe
        if not (self.folder / "recipe.yaml").is_file():
            open_run(self.folder, recipe)
        return recipe

    def _upcycle(self, recipe: Recipe) -> Path:
        hybrid = self.folder / "hybrid"
        if (self.folder / "training.json").is_file() or hybrid.is_dir():
            return hybrid
        upcycle(recipe, hybrid, corpus=self.corpus)
        return hybrid

    def _train(self, recipe: Recipe, start: Path, output: Path) -> TrainResult:
        if (done := output / "training.json").is_file():
            return TrainResult.from_json(read_json(done))
        if not output.is_dir():
            open_run(output, recipe)
        with TrainingProgress(output, tokens_per_step(recipe.train), self.console) as progress:
            return train_in_held_folder(
                recipe,
                start,
                self.corpus,
                output,
                callbacks=[progress],
                on_interrupt=lambda: self.console.print(INTERRUPT_NOTE),
                on_note=lambda line: self.console.print(line, highlight=False, soft_wrap=True),
            )

    def _measure(self, recipe: Recipe, training: TrainResult) -> dict[str, Any]:
        folder, base = self.folder, read_base_scores(self.base_folder)
        if not (folder / SCORES_FILE).is_file():
            model, tokenizer = load_model(folder / "model"), AutoTokenizer.from_pretrained(folder / "model")
            scores = score_languages(model, tokenizer, self.corpus, recipe)
            loads = self._loads(model, tokenizer)  # before movement, which casts the model to float32
            is_asked = recipe.eval.moved_share > 0
            moved = movement_of(recipe, str(self.base), model, tokenizer, self.corpus) if is_asked else None
            write_scores(folder, scores, parameters=_parameters(model), moved=moved, loads=loads)
        stored = read_json(folder / SCORES_FILE)
        return {
            "tokens": training.tokens,
            "seconds": training.seconds,
            "tokens_per_s": training.tokens / training.seconds,
            "processor_s": training.processor_s,
            "peak_bytes": training.peak_bytes,
            "parameters": stored["parameters"] | {"trained": training.audit.num_trained},
            "frozen_sha256": training.frozen_sha256,
            "against": recipe.base,
            **compare_scores(recipe, base, read_scores(folder, base)),
            **{key: stored[key] for key in ("moved", "load_ratios") if key in stored},
        }

    def _loads(self, model: Any, tokenizer: Any) -> dict[str, list[float]]:
        """The least and the largest load of an expert, by kind of router; none where no router has a choice."""
        if not isinstance(model, MultiplMoeForCausalLM) or not model.config.moe_config.has_choice:
            return {}
        return router_health(model, tokenizer, self.corpus, self.run.recipe, in_training=False).load_ratios

    def _judge(self, recipe: Recipe) -> dict[str, Any]:
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
        verdict = read_json(folder / METRICS_FILE)
        return {"languages": count_solved(verdict), "decontamination": verdict["decontamination"]}


def read_base_scores(folder: Path) -> LanguageScores:
    """The base's scores, with the names of the files that all runs are scored on."""
    return LanguageScores.from_json(read_json(folder / SCORES_FILE))


def write_scores(
    folder: Path,
    scores: LanguageScores,
    *,
    parameters: dict[str, int],
    moved: dict[str, Any] | None,
    loads: dict[str, list[float]],
) -> None:
    """Write what a run has of its own: bits, bytes and tokens of each file, as the base's are ordered, and more."""
    rows = {
        name: [[score.bits, score.num_bytes, score.num_tokens] for score in files]
        for name, files in scores.files.items()
    }
    values = {"parameters": parameters, "scores": rows} | ({} if moved is None else {"moved": moved})
    values |= {"load_ratios": loads} if loads else {}
    write_text(folder / SCORES_FILE, json.dumps(values) + "\n")


def read_scores(folder: Path, base: LanguageScores) -> LanguageScores:
    """What `write_scores` wrote, with the names of the base's files."""
    files = {
        name: [FileScore(score.path, *row) for score, row in zip(base.files[name], rows, strict=True)]
        for name, rows in read_json(folder / SCORES_FILE)["scores"].items()
    }
    return LanguageScores(files, {})


def count_solved(verdict: dict[str, Any]) -> dict[str, Any]:
    """Passed and all problems by language, each with one sample or more, over the benchmarks of a verdict.

    Where a toolchain tells what parses or compiles, the share of that too.
    """
    counts = {}
    for language, entry in verdict["languages"].items():
        cells = entry["benchmarks"].values()
        tasks = sum(cell["tasks"] for cell in cells)
        passed = sum(cell["tasks"] * cell["pass_at_k"]["1"]["value"] for cell in cells)
        title = language_title(language, entry)
        counts[language] = {"title": title, "role": entry["role"], "tasks": tasks, "pass_at_1": passed / tasks}
        if all(cell["parses_or_compiles"] is not None for cell in cells):
            built = sum(cell["tasks"] * cell["parses_or_compiles"]["value"] for cell in cells)
            counts[language]["parses_or_compiles"] = built / tasks
    return counts


def _parameters(model: Any) -> dict[str, int]:
    if isinstance(model, MultiplMoeForCausalLM):
        counts = count_parameters(model.config).to_json()
        return {"total": counts["total"], "active": counts["active"]}
    total = sum(parameter.numel() for parameter in model.parameters())
    return {"total": total, "active": total}
