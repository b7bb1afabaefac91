"""What the benchmark scripts share: interleaved timing, peak memory, targets, and the JSON file beside the script.

    timings = interleave({"layer": step, "dense": other_step}, repeats=20)
    timings["layer"].median_s, timings["layer"].spread()
    record("layer", results, [Target(...)], repeats=20, options=options_parser(__doc__, quick="...").parse_args())

A script is run from anywhere: `python benchmarks/layer.py`.
"""

import argparse
import gc
import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table

from multipl_moe.demo.recipe import DEMO_RECIPE
from multipl_moe.runs.folder import write_json
from multipl_moe.system.versions import environment

RESULTS = Path(__file__).parent / "results"

# The demo's base and settings with the hybrid layer, without a gate, so that no corpus is needed.
HYBRID_RECIPE: dict[str, Any] = DEMO_RECIPE | {
    "moe.preset": "causal",
    "moe.gate.languages": [],
    "moe.experts.layers": "last:8",
    "train.batch_sequences": 4,
    "train.learning_rate": 5e-4,
    "moe.routing.num_token_experts": 4,
    "moe.routing.num_segment_experts": 3,
    "moe.routing.segment_capacity": 2.0,
    "upcycle.verify": False,
}

_WARM_UP_CALLS = 2

console = Console(width=max(Console().width, 130))


@dataclass(frozen=True)
class Timing:
    """Seconds of each repeat."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Median and spread, ready for JSON."""
        return {
            "median_s": self.median_s,
            "min_s": min(self.seconds),
            "max_s": max(self.seconds),
            "repeats": len(self.seconds),
        }

    def text(self) -> str:
        """Median and spread in milliseconds, for a table."""
        median, low, high = (1e3 * seconds for seconds in (self.median_s, min(self.seconds), max(self.seconds)))
        return f"{median:,.1f} ms ({low:,.1f}-{high:,.1f})"


@dataclass(frozen=True)
class Target:
    """A promise about one number, and what was measured."""

    name: str
    measured: float
    bound: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "measured": self.measured,
            "bound": self.bound,
            "at_least": self.at_least,
            "met": self.met,
        }


def clock_name() -> str:
    """`cpu` with one thread, else `wall`.

    The processor time of one thread hardly depends on what else runs on the machine; of several threads it counts the
    time that they spin while they wait for each other.
    """
    return "cpu" if torch.get_num_threads() == 1 else "wall"


def interleave(steps: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Timing]:
    """Time the steps in turn, `repeats` rounds after a warm-up, so that drift of the machine hits all of them."""
    clock = time.process_time if clock_name() == "cpu" else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(_WARM_UP_CALLS):
            step()
    for _ in range(repeats):
        for name, step in steps.items():
            start = clock()
            step()
            seconds[name].append(clock() - start)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def median_ratio(numerator: Timing, denominator: Timing) -> float:
    """Median over the rounds of one step's time over another's."""
    return statistics.median(a / b for a, b in zip(numerator.seconds, denominator.seconds, strict=True))


def peak_memory_bytes(step: Callable[[], object]) -> int:
    """Growth of the process's peak resident memory during one call; meant for a fresh process."""
    gc.collect()
    before = psutil.Process().memory_info().rss
    step()
    return max(peak_resident_bytes() - before, 0)


def peak_resident_bytes() -> int:
    """High-water mark of this process's resident memory (Linux).

    getrusage's would begin with that of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def in_fresh_process(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` in a new interpreter: its heap and its peak memory owe nothing to what ran before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A rich table."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def options_parser(description: str | None, *, quick: str) -> argparse.ArgumentParser:
    """A parser with the options that every script has; `quick` says what is left out with `--quick`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{quick}, to see that it runs; only --output stores it")
    parser.add_argument("--output", type=Path, help="JSON file instead of benchmarks/results/NAME.json")
    return parser


def record(
    name: str, results: Mapping[str, Any], targets: list[Target], *, repeats: int, options: argparse.Namespace
) -> Path | None:
    """Print the targets, and write everything with hardware, versions and commit to `--output` or `results/NAME.json`.

    Returns:
        The file; None with `--quick` and no `--output`, where nothing is stored.
    """
    rows = [
        [t.name, f"{t.measured:.3g}", f"{'>=' if t.at_least else '<='} {t.bound:g}", "yes" if t.met else "NO"]
        for t in targets
    ]
    if rows:
        print_table("Targets", ["target", "measured", "bound", "met"], rows)
    if options.quick and options.output is None:
        return None
    ran = environment()
    if (ran["commit"] or "").endswith("-dirty"):
        console.print("measured with changes that no commit has: measure again after committing them", style="yellow")
    file = options.output or RESULTS / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        file,
        {
            "benchmark": name,
            "environment": ran,
            "threads": torch.get_num_threads(),
            "clock": clock_name(),
            "repeats": repeats,
            "results": _plain(results),
            "targets": [target.to_dict() for target in targets],
        },
    )
    console.print(f"written: {file}")
    return file


def _plain(value: Any) -> Any:
    """`value` with each timing as its median and spread."""
    if isinstance(value, Timing):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
