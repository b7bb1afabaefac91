"""What a program costs the one beside it: verdicts of a small problem while another worker judges hostile outputs.

    python benchmarks/neighbours.py [--quick] [--output FILE.json]

The neighbour is a right Python program. Beside it a worker judges, again and again, nothing, another right program, or
one that prints 1 MiB made to be slow to read. Two programs share the processors however good the judge is, so what
counts is the time beside a hostile one over that beside a right one. A thread that wakes every 2 ms tells how long the
judge ever stood still. Target: at most 1.5 times the time, whatever is printed.
"""

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from harness import Target, Timing, median_ratio, options_parser, print_table, record

from multipl_judge.judge.judge import judge
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.starter_set import read_starter

_MAX_RATIO = 1.5
_ROUNDS, _VERDICTS = 3, 20
_TICK_S = 0.002
# Python expressions: what is printed before the program ends badly.
_OUTPUTS = {
    "blank lines": r"b'\n' * 2**20",
    "one line": r"b'x' * 2**20",
    "NUL": r"b'\0' * 2**20",
    "no text": r"b'\xff' * 2**20",
    "digits": r"b'1' * 2**20",
    "short lines": r"b''.join(b'%x\n' % n for n in range(2**18))",
    "nearly a failed test": r"b'AssertionErro\n' * 2**16",
    "nearly out of memory": r"b'memory allocation of 1' * 2**16",
    "nonces": r"b'nonce 1234567890\n' * 2**16",
    "30 kB of blank lines": r"b'\n' * 30_000",
}
_PRINTS = "import os, sys\nsys.stdout.buffer.write(({})[: 2**20 - 1])\nsys.stdout.flush()\nos._exit(1)\n"
_BYTE_BY_BYTE = "import os\nfor _ in range(2**18):\n    os.write(1, b'x')\nos._exit(1)\n"


def hostile(source: str) -> Callable[[], Program]:
    """Makes programs of a text, which none of them passes with."""
    return lambda: Program("python", source, Nonce.draw())


def beside(
    other: Callable[[], Program] | None,
    right: Callable[[], Program],
    sandboxes: list[Sandbox],
    toolbox: Toolbox,
    verdicts: int,
) -> tuple[float, float]:
    """Median seconds of the neighbour's verdicts, and the longest for which the judge stood still meanwhile."""
    done = threading.Event()
    pauses = [0.0]

    def disturb() -> None:
        while other and not done.is_set():
            judge(other(), sandboxes[1], toolbox)

    def tick() -> None:
        while not done.is_set():
            started = time.monotonic()
            time.sleep(_TICK_S)
            pauses[0] = max(pauses[0], time.monotonic() - started - _TICK_S)

    threads = [threading.Thread(target=target) for target in (disturb, tick)]
    for thread in threads:
        thread.start()
    seconds = []
    try:
        for _ in range(verdicts):
            started = time.monotonic()
            judge(right(), sandboxes[0], toolbox)
            seconds.append(time.monotonic() - started)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return statistics.median(seconds), pauses[0]


def main() -> None:
    options = options_parser(__doc__, quick="one verdict each").parse_args()
    rounds, verdicts = (1, 1) if options.quick else (_ROUNDS, _VERDICTS)
    problem = next(problem for problem in read_starter({"python"}) if problem.id == "double_number")

    def right() -> Program:
        return program_of(problem, problem.reference or "", Nonce.draw())

    others: dict[str, Callable[[], Program] | None] = {"nothing": None, "a right program": right}
    others |= {name: hostile(_PRINTS.format(output)) for name, output in _OUTPUTS.items()}
    others["byte by byte"] = hostile(_BYTE_BY_BYTE)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in others}
    with ExitStack() as stack:
        sandboxes, toolbox = [stack.enter_context(Sandbox()) for _ in range(2)], Toolbox()
        for _ in range(rounds):
            for name, other in others.items():
                measured[name].append(beside(other, right, sandboxes, toolbox, verdicts))
    results: dict[str, dict[str, Any]] = {}
    verdicts_of = {name: Timing(tuple(seconds for seconds, _ in rows)) for name, rows in measured.items()}
    for name, verdict in verdicts_of.items():
        ratio = median_ratio(verdict, verdicts_of["a right program"])
        pause_s = max(pause for _, pause in measured[name])
        results[name] = {"verdict": verdict, "ratio": ratio, "longest_pause_s": pause_s}
    print_table(
        "A neighbour's verdicts",
        ["beside", "verdict", "times that beside a right program", "longest pause"],
        [
            [name, row["verdict"].text(), f"{row['ratio']:.2f}", f"{row['longest_pause_s'] * 1e3:.0f} ms"]
            for name, row in results.items()
        ],
    )
    worst = max(row["ratio"] for row in results.values())
    target = Target("times as slow beside hostile outputs", worst, _MAX_RATIO, at_least=False)
    record("neighbours", results, [target], repeats=rounds, options=options)


if __name__ == "__main__":
    main()
