"""The one-command story: a base model, a corpus, the hybrid, training, and what was gained and kept.

Every step leaves its output in the run folder and is skipped when that is already there, so an interrupted demo goes
on where it stopped and a finished one only shows its result again.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from transformers import PreTrainedTokenizerBase

from multipl_judge.judge.preflight import LanguageCheck
from multipl_moe.checkpoints.base import resolve_base
from multipl_moe.checkpoints.loading import load_dense, load_hybrid, ready_for_evaluation
from multipl_moe.corpus.documents import read_documents
from multipl_moe.corpus.pipeline import build_corpus
from multipl_moe.demo import practice
from multipl_moe.demo.continuations import continue_prompts
from multipl_moe.demo.plan import (
    TRAINING,
    DemoPlan,
    describe_plan,
    plan_demo,
    require_planned_order,
    require_steps,
    why_no_gain,
)
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.eval.eval_set import EvalOptions
from multipl_moe.eval.language_scores import LanguageScores, score_folder, score_languages
from multipl_moe.eval.local_programs import judge_local_model
from multipl_moe.eval.measures import findings, measure_model
from multipl_moe.eval.outcome import BITS_PER_BYTE_NOTE, has_gain, learn_outcome, outcome_sentences
from multipl_moe.eval.router_health import router_health
from multipl_moe.eval.score_changes import HybridScores, run_metrics
from multipl_moe.generate.reading import read_text
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.parameters import count_parameters
from multipl_moe.packs.files import size_of
from multipl_moe.packs.write import pack_of_run
from multipl_moe.practice.summary import practice_table
from multipl_moe.recipe.recipe import Recipe, load_recipe, validate_recipe
from multipl_moe.report.continuations import CONTINUATIONS_FILE, Continuation, continuations_table
from multipl_moe.report.html import NO_GAIN, READING_FILE, write_report
from multipl_moe.report.programs import write_programs_report
from multipl_moe.report.tables import audit_table, result_table
from multipl_moe.report.verdict_tables import SMALL_MODEL_NOTE, comparison_table
from multipl_moe.runs.folder import RECORD_FILES, open_run, read_json, write_json
from multipl_moe.runs.journal import read_journal
from multipl_moe.runs.result import Health, Parameters, RunResult
from multipl_moe.runs.verdict import ProgramsResult
from multipl_moe.system.minute_lines import MinuteLines, minutes_of
from multipl_moe.system.staging import is_unused
from multipl_moe.train.callbacks import INTERRUPT_NOTE
from multipl_moe.train.machine import leave_busy_processors, measure_throughput
from multipl_moe.train.memory_note import run_notes
from multipl_moe.train.plan import starting_config
from multipl_moe.train.progress import HELD_OUT_FILE, METRICS_FILE, TrainingProgress
from multipl_moe.train.quantised import require_quantisation
from multipl_moe.train.result import TrainResult
from multipl_moe.train.setup import tokens_per_step
from multipl_moe.train.trainer import train_in_held_folder
from multipl_moe.upcycle.convert import random_hybrid, start_lines, upcycle

_PLAN_FILE = "plan.json"
_SHOWN_TOKENS = 200
_SOURCE_TRAINING = "training on source text"
_TELL_THEMSELVES = ("practice", TRAINING, _SOURCE_TRAINING)
_ELSEWHERE = "choose another folder (--output, OUTPUT= of make)"


class Demo:
    """The steps of the demo in one run folder.

    `minutes` are computing time for the whole demo, downloads apart; they can only shorten training. None: the recipe's
    tokens, however long they take.
    """

    def __init__(self, recipe: Recipe, output: Path, minutes: float | None, console: Console) -> None:
        self.recipe, self.output, self.minutes, self.console = recipe, output, minutes, console
        self.seconds_used = 0.0
        self._options = EvalOptions(on_checks=self._tell_unfit, on_verdict=write_programs_report)

    def run(self) -> RunResult:
        """All steps; returns the content of metrics.json."""
        if (self.output / "metrics.json").is_file():
            self._enter()
            self.console.print(f"{self.output} holds a finished run; its result:")
            return self._show(RunResult.read(self.output / "metrics.json"))
        if not self.recipe.train.trains_hybrid:
            raise ConfigError(
                f"train.method: {self.recipe.train.method} trains the dense base, and the demo makes a hybrid of it; "
                "use `compare`, which measures every method, or `corpus` and `train`"
            )
        require_steps(self.recipe)
        if self._has_source:
            require_steps(practice.source_recipe(self.recipe), "practice.source_tokens")
        require_planned_order(self.recipe, self.minutes)
        practice.require_possible(self.recipe)
        base = resolve_base(self.recipe.base)
        require_quantisation(self.recipe.train, starting_config(self.recipe))
        self._enter()
        if (busy := leave_busy_processors()) is not None:
            self._tell(busy)
        if not (self.output / _PLAN_FILE).exists() and (note := run_notes(self.recipe)[1]) is not None:
            self._tell(note)
        if self._has_source:
            self._learn_source(base)
        if self.recipe.practice.tasks:
            self._step("practice", f"{practice.FOLDER}/done.json", self._practise)
        asked = practice.with_kept_answers(self.recipe, self.output)
        self._step("corpus", "corpus", lambda: build_corpus(asked, base, self.output / "corpus", self._tell))
        self._step("speed of training", _PLAN_FILE, self._make_plan)
        plan = self._plan()
        if not self._has_source:
            self._step("upcycle", "hybrid", lambda: self._upcycle(self.recipe, self.output))
        self.recipe = plan.applied_to(self.recipe)
        open_run(self.output, self.recipe)
        self._step("bits per byte of the base", "scores_before.json", lambda: self._score_base(base))
        begins_as = self._source_model if self._has_source else self.output / "hybrid"
        self._step(TRAINING, "training.json", lambda: self._train(self.recipe, begins_as, self.output))
        self._step("measures of the new model", "scores_after.json", self._score_hybrid)
        self._judge_both(plan, base)
        self._step("what both write", CONTINUATIONS_FILE, self._continue_prompts)
        return self._show(self._report())

    @property
    def _has_source(self) -> bool:
        return self.recipe.practice.source_tokens > 0

    @property
    def _source_model(self) -> Path:
        return self.output / practice.SOURCE / "model"

    def _enter(self) -> None:
        """Create the run folder, or check that the existing one is of this recipe.

        Until something is scored tokens, minutes and the least yield may change, as what was told or refused asks for.
        """
        file, plan = self.output / "recipe.yaml", self.output / _PLAN_FILE
        if is_unused(self.output, but=RECORD_FILES):  # a record alone is of a run that did not get to its first step
            open_run(self.output, self.recipe)
            return
        if not file.is_file():
            raise OutputError(f"output: {self.output} exists and is not a run of the demo; {_ELSEWHERE}")
        found, minutes = load_recipe(file), self.minutes
        if plan.is_file():
            found, minutes = validate_recipe(self._read(_PLAN_FILE)["asked"]), self._plan().minutes
        is_same = (found, minutes) == (self.recipe, self.minutes)
        if not is_same and not (self.output / "scores_before.json").exists():
            found, minutes = found.with_settings("train", tokens=self.recipe.train.tokens), self.minutes
            found = found.with_settings("practice", min_yield=self.recipe.practice.min_yield)
        if changes := self.recipe.changes_from(found):
            raise OutputError(f"output: {self.output} holds a run of another recipe ({changes}); {_ELSEWHERE}")
        if minutes != self.minutes:
            held = "without --minutes" if minutes is None else f"with --minutes {minutes:g}"
            raise OutputError(f"output: {self.output} holds a run {held}; give the same, or {_ELSEWHERE}")
        if not is_same:
            open_run(self.output, self.recipe)
            plan.unlink(missing_ok=True)

    def _step(self, title: str, result: str, work: Callable[[], object]) -> None:
        """Do what makes the step's result, unless that is there, and tell how long it took."""
        if (self.output / result).exists():
            self.console.print(f"{title}: done before", style="dim")
            return
        begin = time.perf_counter()
        self.console.print(title, style="bold")
        with nullcontext() if title in _TELL_THEMSELVES else MinuteLines(self.console, f"  {title}"):
            work()
        seconds = time.perf_counter() - begin
        self.seconds_used += seconds
        self._tell(f"{seconds:.0f} s")

    def _read(self, name: str) -> Any:
        file = self.output / name
        try:
            return read_json(file)
        except ValueError as error:  # of JSON or of UTF-8
            raise OutputError(f"output: {file} is damaged; remove it and start again, or {_ELSEWHERE}") from error

    def _plan(self) -> DemoPlan:
        return DemoPlan(**self._read(_PLAN_FILE)["plan"])

    def _tell(self, message: str) -> None:
        self.console.print(f"  {message}", highlight=False)

    def _tell_unfit(self, checks: Mapping[str, LanguageCheck]) -> None:
        for name, check in checks.items():
            if check.problem is not None:
                self._tell(f"{name}: programs are not scored: {check.problem}")

    def _learn_source(self, base: Path) -> None:
        folder, recipe = self.output / practice.SOURCE, practice.source_recipe(self.recipe)
        corpus = folder / "corpus"
        folder.mkdir(exist_ok=True)
        open_run(folder, recipe)
        if not (folder / "training.json").exists():
            practice.require_practice(self.recipe, self._options)
            if (note := run_notes(recipe)[0]) is not None:
                self._tell(f"before practice it learns source text, {note}")
        begun = f"{practice.SOURCE}/"
        self._step("corpus of source text", begun + "corpus", lambda: build_corpus(recipe, base, corpus, self._tell))
        self._step("upcycle", begun + "hybrid", lambda: self._upcycle(recipe, folder))
        train = partial(self._train, recipe, folder / "hybrid", folder)
        self._step(_SOURCE_TRAINING, begun + "training.json", train)

    def _practise(self) -> None:
        model = str(self._source_model) if self._has_source else self.recipe.base
        asked = self.recipe.practice.model or model
        result = practice.practise_tasks(self.recipe, asked, self.output, self._options, self._tell, self.console)
        write_json(self.output / practice.FOLDER / "done.json", result)

    def _upcycle(self, recipe: Recipe, folder: Path) -> None:
        report = upcycle(recipe, folder / "hybrid", corpus=folder / "corpus")
        counts = report.parameters
        told = f"{counts.total:,} in all, {counts.active:,} active per token, {counts.trained:,} to train"
        self._tell(f"parameters: {told}")
        if report.verification is not None:
            difference = report.verification.max_difference
            self._tell(f"largest difference of a logit from the base's: {difference:.1e} (float32)")
        for line in start_lines(report):
            self._tell(line)

    def _score_base(self, base: Path) -> None:
        self._tell(BITS_PER_BYTE_NOTE)
        scores = score_folder(self.recipe, base, self.output / "corpus", self._tell)
        scores.write(self.output / "scores_before.json")

    def _judge_both(self, plan: DemoPlan, base: Path) -> None:
        """A taste of the programs that base and hybrid write, as far as it takes a small part of the time."""
        if plan.problems_per_language == 0:
            self.console.print("programs: left out, as they would take too long", style="dim")
            return
        self._judge_programs("the base", base, "programs_before")
        took = "programs_before/seconds.json"
        if (self.output / took).is_file() and (seconds := self._read(took)) > plan.programs_s:
            self._tell(f"those of the hybrid are left out, as the base's took {minutes_of(seconds)}")
        else:
            against = self.output / "programs_before"
            self._judge_programs("the hybrid", self.output / "model", "programs_after", against)

    def _judge_programs(self, name: str, model: Path, folder: str, against: Path | None = None) -> None:
        """Have a model write programs and run them; where none can be run here, say why and go on without."""

        def judge() -> None:
            begin, output = time.perf_counter(), self.output / folder
            try:
                if judge_local_model(self.recipe, model, name, output, against=against, options=self._options):
                    write_json(output / "seconds.json", time.perf_counter() - begin)
            except ConfigError as error:
                self._tell(f"programs are not run: {error}")

        self._step(f"programs of {name}", f"{folder}/metrics.json", judge)

    def _make_plan(self) -> None:
        """Measure how fast this machine trains, before anything is spent on it, and tell how long all of it takes."""
        begin = time.perf_counter()
        rate = measure_throughput(self.recipe, random_hybrid(self.recipe), self.output / "corpus")
        used = self.seconds_used + time.perf_counter() - begin
        plan = plan_demo(self.recipe, tokens_per_s=rate, used_s=used, minutes=self.minutes)
        for line in describe_plan(self.recipe, plan, self.output):
            self._tell(line)
        write_json(self.output / _PLAN_FILE, {"asked": self.recipe.to_values(), "plan": asdict(plan)})

    def _train(self, recipe: Recipe, begins_as: Path, folder: Path) -> None:
        with TrainingProgress(folder, tokens_per_step(recipe.train), self.console) as progress:
            result = train_in_held_folder(
                recipe,
                begins_as,
                folder / "corpus",
                folder,
                callbacks=[progress],
                on_audit=lambda audit: self.console.print(audit_table(audit)),
                on_interrupt=lambda: self._tell(INTERRUPT_NOTE),
                on_note=self._tell,
            )
        self._tell(f"no frozen parameter changed (SHA-256 {result.frozen_sha256[:16]}…)")

    def _score_hybrid(self) -> None:
        folder, corpus = self.output / "model", self.output / "corpus"
        model, tokenizer = load_hybrid(folder), load_tokenizer(folder)
        scores = score_languages(model, tokenizer, corpus, self.recipe, self._tell)
        health, parameters = None, Parameters(**vars(count_parameters(model.config)))
        if model.config.moe_config.has_choice:
            health = Health(**router_health(model, tokenizer, corpus, self.recipe).to_json())
        measures = vars(measure_model(self.recipe, self.recipe.base, model, tokenizer, corpus, self._tell))
        found = HybridScores(**vars(scores), **measures, parameters=parameters, router_health=health)
        found.write(self.output / "scores_after.json")
        self._read_a_text(model, tokenizer)

    def _read_a_text(self, model: MultiplMoeForCausalLM, tokenizer: PreTrainedTokenizerBase) -> None:
        """For the report: the first held-out file of the first language to learn, in the last routed layer."""
        file = read_documents(self.output / "corpus", "validation", self.recipe.learn[0], 1)[0]
        is_gated = model.config.moe_config.gate.languages
        base = None if is_gated else ready_for_evaluation(load_dense(resolve_base(self.recipe.base)))
        layers = [*model.hybrid_layers][-1:]
        reading = read_text(model, tokenizer, file.text, layers=layers, max_tokens=_SHOWN_TOKENS, base=base)
        write_json(self.output / READING_FILE, reading.to_json())

    def _continue_prompts(self) -> None:
        found = continue_prompts(self.recipe, self.output / "model")
        write_json(self.output / CONTINUATIONS_FILE, [one.to_json() for one in found])

    def _report(self) -> RunResult:
        programs = self.output / "programs_after/metrics.json"
        result = run_metrics(
            self.recipe,
            LanguageScores.read(self.output / "scores_before.json"),
            HybridScores.read(self.output / "scores_after.json"),
            TrainResult.read(self.output / "training.json"),
            environment=self._read("environment.json"),
            programs=ProgramsResult.read(programs) if programs.is_file() else None,
        )
        records, held_out = (read_journal(self.output / name) for name in (METRICS_FILE, HELD_OUT_FILE))
        told, reasons = outcome_sentences(self.recipe, result), []
        if not has_gain(self.recipe, result):
            why = why_no_gain(self.recipe, learn_outcome(self.recipe, result))
            reasons = [f"{why[0].upper()}{why[1:]}.", *told]
        result = result.but(sentence=" ".join([NO_GAIN, *reasons] if reasons else told))
        practised = practice_table(self._read(f"{practice.FOLDER}/done.json")) if self.recipe.practice.tasks else None
        write_report(self.output, result, records, held_out, self.recipe, self.output / "model", reasons, practised)
        result.write(self.output / "metrics.json")
        return result

    def _show(self, result: RunResult) -> RunResult:
        self.console.print(f"{result.sentence}\n{BITS_PER_BYTE_NOTE}", highlight=False)
        self.console.print(result_table(result))
        for _, found in findings(result):
            self.console.print(found.sentence, highlight=False)
        if result.programs is not None and result.programs.comparison is not None:
            self.console.print(comparison_table(result.programs.comparison))
            if not self.recipe.practice.tasks:
                self.console.print(SMALL_MODEL_NOTE, highlight=False)
        if result.router_health is not None:
            self._show_health(result.router_health)
        written = self._read(CONTINUATIONS_FILE) if (self.output / CONTINUATIONS_FILE).is_file() else []
        if written:
            self.console.print(continuations_table([Continuation.from_json(one) for one in written]))
        self.console.print(f"report: {self.output / 'report.html'}\nmodel: {self.output / 'model'}", highlight=False)
        if (pack := pack_of_run(self.output)) is not None:
            self.console.print(f"pack, what was learnt by itself: {pack} ({size_of(pack)})", highlight=False)
        return result

    def _show_health(self, health: Health) -> None:
        loads = [f"{kind} loads {low:.2f} to {high:.2f}" for kind, (low, high) in health.load_ratios.items()]
        self.console.print(
            f"routers: {', '.join(loads)} of a fair share, "
            f"{health.max_mode_difference:.0%} apart between training and evaluation, "
            f"{health.dead_experts} dead experts: {'in order' if health.is_healthy else 'out of bounds'}",
            highlight=False,
        )
