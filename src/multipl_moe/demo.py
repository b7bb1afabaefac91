"""The one-command story: a base model, a corpus, the hybrid, training, and what was gained and kept.

Every step leaves its output in the run folder and is skipped when that is already there, so an interrupted demo goes
on where it stopped and a finished one only shows its result again.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from transformers import AutoTokenizer

from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.corpus.pipeline import build_corpus
from multipl_moe.corpus.read.candidates import has_library
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.eval.movement.panel import movement_of
from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE, outcome_sentence
from multipl_moe.eval.router_health import router_health
from multipl_moe.eval.run_metrics import run_metrics
from multipl_moe.judge.preflight import LanguageCheck
from multipl_moe.model.parameters import count_parameters
from multipl_moe.recipe.recipe import Recipe, load_recipe, validate_recipe
from multipl_moe.report.html import write_report
from multipl_moe.report.programs import write_programs_report
from multipl_moe.report.tables import audit_table, result_table
from multipl_moe.report.verdict_tables import SMALL_MODEL_NOTE, comparison_table
from multipl_moe.runs.folder import open_run, read_json, write_json
from multipl_moe.runs.journal import read_journal
from multipl_moe.system.device import fast_dtype
from multipl_moe.train.callbacks import INTERRUPT_NOTE
from multipl_moe.train.machine import measure_throughput
from multipl_moe.train.progress import HELD_OUT_FILE, METRICS_FILE, TrainingProgress
from multipl_moe.train.result import TrainResult
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_model
from multipl_moe.upcycle.convert import start_lines, upcycle

DEMO_RECIPE: dict[str, Any] = {
    "moe.preset": "single",
    "moe.layers": "upper",
    "moe.domain_gate": True,
    "corpus.max_bytes_per_language": 2_500_000,
    "corpus.validation_share": 0.2,
    "train.sequence_tokens": 256,
    "train.packing": "windows",
    "train.batch_sequences": 4,
    "train.learning_rate": 1e-3,
    "train.replay": 0.0,
    "train.calibration_tokens": 16_128,
    "train.calibration_sequence_tokens": 256,
    "train.save_every_steps": 150,
    "codegen.max_new_tokens": 64,
    "programs.problems_per_language": 5,
    "eval.files_per_language": 24,
    "eval.tokens_per_file": 256,
    "eval.window_tokens": 256,
    "eval.moved_share": 0.1,
}
_FULL_MINUTES = 15
# What a processor without bfloat16 instructions computes in the same time, measured on 2 cores with AVX2 alone.
_FLOAT32_SHARE = 0.35
_SPEED_MARGIN = 0.98
# Scoring, calibration, expert use, router health and movement from the base after training, in multiples of the time
# that scoring the base took.
_AFTER_TRAINING = 9.1
_SECONDS_AFTER_TRAINING = 25
# The hybrid's programs, in multiples of the time that the base's took.
_PROGRAMS_AFTER_TRAINING = 1.6


def demo_recipe(minutes: float) -> dict[str, Any]:
    """`DEMO_RECIPE`, with less to measure and calibrate where a whole demo would take more than these minutes here."""
    share = min(minutes / _FULL_MINUTES, 1) * (1 if fast_dtype() == torch.bfloat16 else _FLOAT32_SHARE)
    scaled = {
        "train.calibration_tokens": round(share * DEMO_RECIPE["train.calibration_tokens"]),
        "eval.files_per_language": max(round(share * DEMO_RECIPE["eval.files_per_language"]), 4),
        "eval.moved_share": max(round(share * DEMO_RECIPE["eval.moved_share"], 3), 0.01),
        "programs.problems_per_language": max(round(share * DEMO_RECIPE["programs.problems_per_language"]), 2),
    }
    return DEMO_RECIPE | scaled


class Demo:
    """The steps of the demo in one run folder.

    Args:
        recipe: what to do.
        output: run folder.
        minutes: computing time for the whole demo, downloads apart; sets `train.tokens` from this machine's speed.
            None keeps the recipe's tokens, to repeat a run exactly.
        console: where to tell what happens.
    """

    def __init__(self, recipe: Recipe, output: Path, minutes: float | None, console: Console) -> None:
        self.recipe, self.output, self.minutes, self.console = recipe, output, minutes, console
        self.seconds_used = 0.0
        self._options = EvalOptions(on_checks=self._tell_unfit, on_verdict=write_programs_report)

    def run(self) -> dict[str, Any]:
        """All steps; returns the content of metrics.json."""
        if (self.output / "metrics.json").is_file():
            self._enter()
            self.console.print(f"{self.output} holds a finished run; its result:")
            return self._show(self._read("metrics.json"))
        if not self.recipe.train.trains_hybrid:
            raise ConfigError(
                f"train.method: {self.recipe.train.method} trains the dense base, and the demo makes a hybrid of it; "
                "use `compare`, which measures every method, or `corpus` and `train`"
            )
        if self.minutes is not None and self.recipe.train.language_tokens is not None:
            raise ConfigError("train.language_tokens: the demo fits its tokens to --minutes; give train.weights")
        base = resolve_base(self.recipe.base)
        self._enter()
        self._step("corpus", "corpus", lambda: build_corpus(self.recipe, base, self.output / "corpus", self._tell))
        self._step("upcycle", "hybrid", self._upcycle)
        self._step("bits per byte of the base", "scores_before.json", lambda: self._score_base(base))
        self._step("programs of the base", "programs_before/metrics.json", lambda: self._judge_programs(base))
        self._step("speed of training", "budget.json", self._fit_budget)
        self.recipe = self.recipe.with_settings("train", tokens=self._read("budget.json")["tokens"])
        open_run(self.output, self.recipe)
        self._step("training", "training.json", self._train)
        self._step("bits per byte of the hybrid", "scores_after.json", self._score_hybrid)
        self._step("programs of the hybrid", "programs_after/metrics.json", self._judge_hybrid)
        return self._show(self._report())

    def _enter(self) -> None:
        """Create the run folder, or check that the existing one is of this recipe."""
        file = self.output / "recipe.yaml"
        if file.is_file():
            found = load_recipe(file)
            if self.minutes is not None:
                found = found.with_settings("train", tokens=self.recipe.train.tokens)
            made = self._read("budget.json")["minutes"] if (self.output / "budget.json").is_file() else self.minutes
            if made != self.minutes:
                raise OutputError(
                    f"output: {self.output} holds a run with --minutes {made}; choose another folder, or the same"
                )
            if found != self.recipe:
                raise OutputError(f"output: {self.output} holds a run of another recipe; choose another folder")
        elif self.output.exists() and (not self.output.is_dir() or any(self.output.iterdir())):
            raise OutputError(f"output: {self.output} exists and is no run of the demo; choose another folder")
        else:
            open_run(self.output, self.recipe)

    def _step(self, title: str, result: str, work: Callable[[], object]) -> None:
        """Do what makes the step's result, unless that is there, and tell how long it took."""
        if (self.output / result).exists():
            self.console.print(f"[dim]{title}: done before[/dim]")
            return
        begin = time.perf_counter()
        self.console.print(f"[bold]{title}[/bold]")
        work()
        seconds = time.perf_counter() - begin
        self.seconds_used += seconds
        self._tell(f"{seconds:.0f} s")

    def _read(self, name: str) -> Any:
        return read_json(self.output / name)

    def _tell(self, message: str) -> None:
        self.console.print(f"  {message}", highlight=False)

    def _tell_unfit(self, checks: Mapping[str, LanguageCheck]) -> None:
        for name, check in checks.items():
            if check.problem is not None:
                self._tell(f"{name}: programs are not scored: {check.problem}")

    def _upcycle(self) -> None:
        report = upcycle(self.recipe, self.output / "hybrid", corpus=self.output / "corpus")
        counts = report.parameters
        self._tell(
            f"parameters: {counts.total:,} in all, {counts.active:,} active per token, {counts.trained:,} to train"
        )
        if report.verification is not None:
            difference = report.verification.max_difference
            self._tell(f"largest difference of a logit from the base's: {difference:.1e} (float32)")
        for line in start_lines(report):
            self._tell(line)

    def _score_base(self, base: Path) -> None:
        begin = time.perf_counter()
        model = load_dense(base)
        tokenizer = AutoTokenizer.from_pretrained(base)
        scores = score_languages(model, tokenizer, self.output / "corpus", self.recipe, self._tell)
        write_json(self.output / "scores_before.json", scores.to_json() | {"seconds": time.perf_counter() - begin})

    def _judge_hybrid(self) -> None:
        self._judge_programs(self.output / "model", "after", "the hybrid", self.output / "programs_before")

    def _judge_programs(
        self, model: Path, when: str = "before", name: str = "the base", against: Path | None = None
    ) -> None:
        """Have the model write programs and run them; where none can be run here, say why and go on without."""
        begin = time.perf_counter()
        output = self.output / f"programs_{when}"
        try:
            is_judged = judge_local_model(self.recipe, model, name, output, against=against, options=self._options)
        except ConfigError as error:
            self._tell(f"programs are not run: {error}")
            return
        if is_judged:
            write_json(output / "seconds.json", time.perf_counter() - begin)

    def _fit_budget(self) -> None:
        """Decide how many tokens to train on from the time that is left and the speed of this machine."""
        tokens, rate = self.recipe.train.tokens, None
        if self.minutes is not None:
            begin = time.perf_counter()
            rate = measure_throughput(self.recipe, self.output / "hybrid", self.output / "corpus")
            used = self.seconds_used + time.perf_counter() - begin
            after = _SECONDS_AFTER_TRAINING + _AFTER_TRAINING * self._read("scores_before.json")["seconds"]
            if (seconds_file := self.output / "programs_before" / "seconds.json").is_file():
                after += _PROGRAMS_AFTER_TRAINING * read_json(seconds_file)
            seconds = max(60 * self.minutes - used - after, 0)
            tokens = max(int(seconds * rate * _SPEED_MARGIN), tokens_per_step(self.recipe.train))
            self._tell(f"{rate:,.0f} tokens/s: {tokens:,} tokens in {seconds:.0f} s")
        write_json(self.output / "budget.json", {"tokens": tokens, "tokens_per_s": rate, "minutes": self.minutes})

    def _train(self) -> None:
        with TrainingProgress(self.output, tokens_per_step(self.recipe.train), self.console) as progress:
            result = train_model(
                self.recipe,
                self.output / "hybrid",
                self.output / "corpus",
                self.output,
                callbacks=[progress],
                on_audit=lambda audit: self.console.print(audit_table(audit)),
                on_interrupt=lambda: self._tell(INTERRUPT_NOTE),
            )
        self._tell(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)")

    def _score_hybrid(self) -> None:
        folder, corpus = self.output / "model", self.output / "corpus"
        model, tokenizer = load_hybrid(folder), AutoTokenizer.from_pretrained(folder)
        scores = score_languages(model, tokenizer, corpus, self.recipe, self._tell)
        health = router_health(model, tokenizer, corpus, self.recipe)
        write_json(self.output / "router_health.json", health.to_json())
        values = scores.to_json() | {"parameters": count_parameters(model.config).to_json()}
        if self.recipe.eval.moved_share:
            values["moved"] = movement_of(self.recipe, self.recipe.base, model, tokenizer, corpus)
        write_json(self.output / "scores_after.json", values)

    def _report(self) -> dict[str, Any]:
        before, after = self._read("scores_before.json"), self._read("scores_after.json")
        metrics = run_metrics(
            self.recipe,
            LanguageScores.from_json(before),
            LanguageScores.from_json(after),
            TrainResult.from_json(self._read("training.json")),
            parameters=after["parameters"],
            against=self.recipe.base,
            router_health=self._read("router_health.json"),
            environment=self._read("environment.json"),
        )
        records, held_out = (read_journal(self.output / name) for name in (METRICS_FILE, HELD_OUT_FILE))
        metrics = {"sentence": outcome_sentence(self.recipe, metrics)} | metrics
        if "moved" in after:
            metrics["moved"] = after["moved"]
        if (programs := self.output / "programs_after" / "metrics.json").is_file():
            metrics["programs"] = read_json(programs)
        write_report(self.output, metrics, records, held_out, self.recipe.to_yaml(), self.output / "model")
        write_json(self.output / "metrics.json", metrics)
        return metrics

    def _show(self, metrics: dict[str, Any]) -> dict[str, Any]:
        self.console.print(f"{metrics['sentence']}\n{BITS_PER_BYTE_NOTE}", highlight=False)
        self.console.print(result_table(metrics))
        if "moved" in metrics:
            self.console.print(metrics["moved"]["sentence"], highlight=False)
        if "programs" in metrics:
            self.console.print(comparison_table(metrics["programs"]["comparison"]))
            self.console.print(SMALL_MODEL_NOTE, highlight=False)
        health = metrics["router_health"]
        loads = [f"{kind} loads {low:.2f} to {high:.2f}" for kind, (low, high) in health["load_ratios"].items()]
        self.console.print(
            f"routers: {', '.join(loads)} of a fair share, "
            f"{health['max_mode_difference']:.0%} apart between training and evaluation, "
            f"{health['dead_experts']} dead experts: {'in order' if health['is_healthy'] else 'out of bounds'}",
            highlight=False,
        )
        self.console.print(f"report: {self.output / 'report.html'}\nmodel: {self.output / 'model'}", highlight=False)
        return metrics


def without_missing_languages(recipe: Recipe, console: Console) -> Recipe:
    """The recipe less the languages that no source on this machine has, each named with what would bring it."""
    if any(source.kind != "toolchains" for source in recipe.corpus.sources):
        return recipe
    missing = [name for name in recipe.languages if not has_library(recipe.language_table[name])]
    for name in missing:
        packages = " ".join(recipe.language_table[name].packages)
        console.print(f"{name}: no toolchain with sources here (apt install {packages}); going on without it")
    roles = {role: [name for name in getattr(recipe, role) if name not in missing] for role in ("learn", "keep")}
    values: dict[str, Any] = recipe.to_values() | roles
    if recipe.train.weights is not None:
        values["train"]["weights"] = {name: w for name, w in recipe.train.weights.items() if name not in missing}
    return validate_recipe(values)
