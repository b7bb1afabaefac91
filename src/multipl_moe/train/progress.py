"""What a training run tells while it goes: a progress bar, and metrics as JSON lines."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from multipl_moe.runs.journal import append_to_journal, read_journal, write_journal
from multipl_moe.system.launch import is_main
from multipl_moe.system.minute_lines import MinuteLines
from multipl_moe.train.router_watch import RouterWatch, collapse_signs, describe_health, router_scalars

METRICS_FILE = "metrics.jsonl"
HELD_OUT_FILE = "held_out.jsonl"
LOSS_PREFIX = "loss/"


class TrainingProgress(RouterWatch):
    """Shows step, loss, tokens/s, time left and router health, in a bar or a line a minute; writes `metrics.jsonl`.

    Losses on held-out text, where the recipe asks for them, go to `held_out.jsonl`, and the last one into the bar.

    It warns once of each kind of sign that routing collapses, and adds router health to the logs that trackers, which
    come after it, write. Of several processes all count and the main one shows and writes, for all of them. A context
    manager: at its end the bar and the observers are gone, also after an error.
    """

    def __init__(self, output: Path, tokens_per_step: int, console: Console) -> None:
        super().__init__()
        self.file, self.held_out_file = output / METRICS_FILE, output / HELD_OUT_FILE
        self.tokens_per_step = tokens_per_step
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not is_main(),
        )
        self._lines = MinuteLines(console, "training, steps", unit="tokens", scale=tokens_per_step)
        self._console = console
        self._warned: set[str] = set()
        self._held_out = ""

    def __enter__(self) -> "TrainingProgress":
        for file in (self.file, self.held_out_file):  # damaged ones are refused now, in all processes
            read_journal(file)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop_watching()
        self._progress.stop()
        self._lines.__exit__()

    def on_train_begin(self, args, state, control, **kwargs):
        """Start the bar and observe the routers."""
        self.watch(kwargs["model"])
        self._task = self._progress.add_task("", total=state.max_steps, completed=state.global_step, status="")
        self._progress.start()
        self._lines.begin("training, steps", state.global_step)
        if is_main():
            self._lines.__enter__()
        self._mark = (time.perf_counter(), state.global_step)
        self._keep_until(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        """Move the bar."""
        self._progress.update(self._task, completed=state.global_step)
        self._lines.update(state.global_step, state.max_steps)

    def on_log(self, args, state, control, logs: dict[str, Any] | None = None, **kwargs):
        """Write a line of metrics for a log of the loss, and observe the routers anew."""
        if logs is None or "loss" not in logs:
            return
        now, (since, step) = time.perf_counter(), self._mark
        rate = (state.global_step - step) * self.tokens_per_step / (now - since)
        layers = self.take()
        record = {
            "step": state.global_step,
            "tokens": state.global_step * self.tokens_per_step,
            "loss": logs["loss"],
            "losses": {key.removeprefix(LOSS_PREFIX): logs[key] for key in logs if key.startswith(LOSS_PREFIX)},
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs.get("grad_norm"),
            "tokens_per_s": rate,
            "routers": layers,
        }
        _append(self.file, record)
        health = describe_health(layers, self.routing)
        status = f"loss {logs['loss']:.3f}{self._held_out}  {rate:,.0f} tokens/s  {health}"
        self._progress.update(self._task, status=status)
        logs |= router_scalars(layers)
        for kind, line in collapse_signs(layers, self.routing).items():
            if kind not in self._warned:
                self._console.print(f"warning: {line}", style="yellow", soft_wrap=True)
                self._warned.add(kind)
        self._mark = (now, state.global_step)

    def on_evaluate(self, args, state, control, **kwargs):
        """Write one line of losses on held-out text, in nats a token: by language, and their mean."""
        metrics: dict[str, float] = kwargs["metrics"]
        mean, prefix = metrics["eval_loss"], f"eval_{LOSS_PREFIX}"
        losses = {key.removeprefix(prefix): loss for key, loss in metrics.items() if key.startswith(prefix)}
        tokens = state.global_step * self.tokens_per_step
        _append(self.held_out_file, {"step": state.global_step, "tokens": tokens, "loss": mean, "losses": losses})
        self._held_out = f" (held-out {mean:.3f})"

    def on_train_end(self, args, state, control, **kwargs):
        """Take the bar away."""
        self.__exit__()

    def _keep_until(self, step: int) -> None:
        """Drop the lines after the checkpoint that a resumed run starts from."""
        for file in (self.file, self.held_out_file):
            if is_main() and file.is_file():
                write_journal(file, [record for record in read_journal(file) if record["step"] <= step])


def _append(file: Path, record: dict[str, Any]) -> None:
    if is_main():
        append_to_journal(file, [record])
