"""What a run will need, as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from multipl_moe.train.plan import TrainingPlan
from multipl_moe.train.speed import MachineSpeed

_PARTS = {
    "runtime_bytes": "interpreter and libraries",
    "frozen_bytes": "frozen weights",
    "mapped_bytes": "checkpoint's pages of trained weights",
    "master_bytes": "trained weights, float32",
    "gradient_bytes": "gradients",
    "optimizer_bytes": "optimiser state",
    "activation_bytes": "activations and logits",
    "fragmentation_bytes": "lost between blocks in use",
}


def plan_table(plan: TrainingPlan, speed: MachineSpeed, usable_bytes: int) -> Table:
    """Parameters, memory by part at its peak, and time.

    Args:
        plan: of the run.
        speed: of this machine.
        usable_bytes: memory that the run may use.
    """
    table = Table(title="What the run needs")
    table.add_column("")
    table.add_column("estimate", justify="right")
    for title, count in zip(("in all", "active for a token", "trained"), vars(plan.parameters).values(), strict=True):
        table.add_row(f"parameters, {title}", f"{count:,}")
    table.add_row("weights on disk", _gib(plan.checkpoint_bytes), end_section=True)
    for part, title in _PARTS.items():
        table.add_row(title, _gib(getattr(plan.memory, part)))
    fits = plan.memory.total_bytes <= usable_bytes
    total = Text(_gib(plan.memory.total_bytes), "green" if fits else "red")
    table.add_row(Text("memory at its peak", "bold"), total)
    table.add_row("free here", _gib(usable_bytes), end_section=True)
    tokens_per_s = plan.tokens / plan.seconds(speed)
    table.add_row("computed in a step", f"{plan.step.flops / 1e9:,.0f} GFLOP")
    table.add_row("measured here", f"{speed.flops_per_s / 1e9:,.0f} GFLOP/s, {speed.bytes_per_s / 1e9:,.1f} GB/s")
    table.add_row("tokens/s, roughly", f"{tokens_per_s:,.0f}")
    table.add_row(Text(f"time for {plan.tokens:,} tokens, roughly", "bold"), _duration(plan.seconds(speed)))
    return table


def remedies_table(plans: Sequence[tuple[dict[str, Any], TrainingPlan, MachineSpeed]]) -> Table:
    """What each change of the recipe would bring.

    Args:
        plans: changes, dotted keys and values, the plan with them, and the speed of this machine in its dtype.
    """
    table = Table(title="What would help")
    for title in ("change", "memory at its peak", "time"):
        table.add_column(title, justify="left" if title == "change" else "right")
    for changes, plan, speed in plans:
        settings = " ".join(f"--set {key}={str(value).lower()}" for key, value in changes.items())
        table.add_row(settings, _gib(plan.memory.total_bytes), _duration(plan.seconds(speed)))
    return table


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
