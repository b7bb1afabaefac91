"""Judging the reference solutions of HumanEval-X, against running each with its plain toolchain command.

    python benchmarks/scoring.py [--quick] [--data FOLDER] [--workers N] [--output FILE.json]

The plain commands run in the same sandbox, one program at a time, with a build cache for Go that is warm, without which
each program would take a minute. Our caches are made anew in this benchmark, so that their price shows as `prepare_s`;
headers of C++ are compiled while programs are judged and count there. Target: 820 programs at least 2.5 times as fast.

    python benchmarks/scoring.py --against CHECKOUT

Every eighth problem judged with the code of another checkout of this repository, in turn with this one's, by one
worker; stored as `scoring_against`. Target: at most 1.1 times its processor time, which other work on the machine
hardly changes.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import Target, Timing, console, median_ratio, options_parser, print_table, record

from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.preflight import preflight
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Limits, Toolchain
from multipl_judge.languages.toolchains import TOOLCHAINS
from multipl_judge.problems.benchmarks import read_benchmark
from multipl_judge.problems.forms import program_of
from multipl_judge.problems.problem import Problem
from multipl_moe.system.versions import environment

_MIN_RATIO = 2.5
_QUICK_PROBLEMS = 6
_MAX_SLOWER = 1.1
_STEP, _ROUNDS = 8, 3
_LIMITS = Limits(cpu_s=120, memory_bytes=2**31, scratch_bytes=2**29)
_CACHE_LIMITS = Limits(cpu_s=1800, memory_bytes=2**32, file_bytes=2**30, scratch_bytes=2**32, output_bytes=2**24)
_TESTIFY = "github.com/stretchr/testify/assert"


def plain(language: str, source: str, compile: tuple[str, ...] | None, run: tuple[str, ...], **more: Any) -> Toolchain:
    """A toolchain as in the table, but used as a person would who knows nothing of caches."""
    return replace(TOOLCHAINS[language], source=source, compile=compile, run=run, warm={}, **more)


PLAIN = {
    "python": plain("python", "main.py", None, ("{python}", "{folder}/{source}")),
    "cpp": plain(
        "cpp",
        "main.cpp",
        ("{compiler}", "{options}", "{folder}/{source}", "-o", "{folder}/main", "{extras}"),
        ("{folder}/main",),
    ),
    "java": plain(
        "java",
        "{main}.java",
        ("{javac}", "-d", "{folder}", "{folder}/{source}"),
        ("{java}", "-ea", "-cp", "{folder}", "{main}"),
        executables={**TOOLCHAINS["java"].executables, "javac": ("/usr/bin/javac",)},
    ),
    "rust": plain(
        "rust",
        "main.rs",
        ("{compiler}", "{options}", "{folder}/{source}", "-o", "{folder}/main", "{extras}"),
        ("{folder}/main",),
    ),
    "go": plain("go", "main_test.go", None, ("{go}", "test", "-C", "{folder}", "-vet=off")),
}


class PlainRunner:
    """Runs programs with plain commands, one at a time."""

    def __init__(self, stack: ExitStack):
        self._sandbox = stack.enter_context(Sandbox())
        self._toolbox = Toolbox(PLAIN)
        self._go_cache = stack.enter_context(self._sandbox.new_folder())

    def warm_go(self) -> None:
        """Fill Go's build cache, once."""
        go = self._toolbox.installed("go", self._sandbox)
        environment = {**go.toolchain.environment, "GOCACHE": self._sandbox.seen_as(self._go_cache)}
        command = [go.executables["go"], "list", "-export", "-deps", "std", _TESTIFY]
        finished = self._sandbox.run(
            command, limits=_CACHE_LIMITS, folder=self._go_cache, writable=True, environment=environment
        )
        if finished.exit_code != 0:
            raise SystemExit(f"cannot fill Go's build cache: {finished.stderr.decode(errors='replace')}")

    def __call__(self, program: Program) -> bool:
        """Whether a program passes."""
        commands = self._toolbox.commands(program, self._sandbox)
        stdout = b""
        with self._sandbox.new_folder() as folder:
            (folder / str(commands.source)).write_text(program.source)
            for command in filter(None, (commands.compile, commands.run)):
                finished = self._sandbox.run(
                    [word.replace("{folder}", self._sandbox.seen_as(folder)) for word in command],
                    limits=_LIMITS,
                    folder=folder,
                    writable=True,
                    read_only_binds=commands.binds(command),
                    environment={**commands.toolchain.environment, "GOCACHE": str(self._go_cache)},
                    overlay=self._go_cache if program.language == "go" else None,
                )
                if finished.exit_code != 0:
                    return False
                stdout = finished.stdout
        return program.nonce.text.encode() in stdout


def programs(problems: list[Problem]) -> list[Callable[[], Program]]:
    """Makers of the programs with the reference solutions."""
    return [lambda problem=problem: program_of(problem, problem.reference or "", Nonce.draw()) for problem in problems]


def judge_programs(makers: list[Callable[[], Program]], toolbox: Toolbox, workers: int) -> tuple[float, list[Outcome]]:
    """Wall time of judging programs, and their outcomes."""
    outcomes: list[Outcome] = []

    def collect(_: Task, judgement: Judgement) -> None:
        outcomes.append(judgement.outcome)

    started = time.perf_counter()
    tasks = [Task(str(number), maker) for number, maker in enumerate(makers)]
    judge_all(tasks, workers=workers, on_result=collect, toolbox=toolbox)
    return time.perf_counter() - started, outcomes


def time_of_checkout(problems: list[Problem]) -> dict[str, Any]:
    """What `against` runs in a process of each checkout: seconds for some problems of a language, by one worker."""
    toolbox = Toolbox()
    preflight({problem.language for problem in problems}, toolbox=toolbox)
    before = os.times()
    seconds, outcomes = judge_programs(programs(problems[::_STEP]), toolbox, 1)
    used = sum(os.times()[:4]) - sum(before[:4])
    passed = outcomes.count(Outcome.passed)
    return {"wall_s": seconds, "processor_s": used, "passed": passed, "commit": environment()["commit"]}


def against(options: argparse.Namespace, languages: list[str]) -> None:
    """Times of this checkout's code and of another's, in turn, after a round in which each makes its caches."""
    if not (options.against / "src" / "multipl_judge").is_dir():  # Python would take this checkout's instead
        raise SystemExit(f"{options.against}: has no src/multipl_judge, choose a checkout that has one")
    sources = {"this": Path(__file__).parents[1] / "src", "other": options.against.resolve() / "src"}
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {
        name: {of: [] for of in sources} for name in [*languages, "all"]
    }
    commits: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as caches:
        for number in range(_ROUNDS + 1):
            for language, (name, source) in itertools.product(languages, sources.items()):
                variables = {"PYTHONPATH": str(source), "MULTIPL_MOE_CACHE": f"{caches}/{name}"}
                command = [sys.executable, __file__, "--data", str(options.data), "--time-of", language]
                done = subprocess.run(command, env=os.environ | variables, check=True, stdout=subprocess.PIPE)
                row = json.loads(done.stdout.splitlines()[-1])
                commits[name] = row.pop("commit")
                console.print(f"round {number}, {language}, {name}: {row}")
                rows[language][name] += [row] if number else []
    for name in sources:
        of_rounds = zip(*(rows[language][name] for language in languages), strict=True)
        rows["all"][name] = [{key: sum(row[key] for row in found) for key in found[0]} for found in of_rounds]
    results: dict[str, dict[str, Any]] = {"commits": commits}
    for language, of in rows.items():
        results[language] = {"passed": {name: of[name][0]["passed"] for name in sources}}
        for clock in ("wall_s", "processor_s"):
            timings = {name: Timing(tuple(row[clock] for row in of[name])) for name in sources}
            results[language][clock] = {**timings, "ratio": median_ratio(timings["this"], timings["other"])}
    ratio = results["all"]["processor_s"]["ratio"]
    targets = [Target("processor time, times that of the other checkout", ratio, _MAX_SLOWER, at_least=False)]
    record("scoring_against", results, targets, repeats=_ROUNDS, options=options)


def measure(problems: list[Problem], run_plain: PlainRunner, toolbox: Toolbox, workers: int) -> dict[str, Any]:
    """Wall time of both ways for the problems of one language, after each has run once."""
    makers = programs(problems)
    run_plain(makers[0]())
    started = time.perf_counter()
    num_passed_plain = sum(run_plain(maker()) for maker in makers)
    plain_s = time.perf_counter() - started
    ours_s, outcomes = judge_programs(makers, toolbox, workers)
    return {
        "programs": len(makers),
        "passed_plain": num_passed_plain,
        "passed": outcomes.count(Outcome.passed),
        "plain_s": plain_s,
        "ours_s": ours_s,
        "ratio": plain_s / ours_s,
    }


def main() -> None:
    parser = options_parser(__doc__, quick=f"{_QUICK_PROBLEMS} problems a language")
    parser.add_argument("--data", type=Path, help="folder with HumanEval-X (default: $MULTIPL_MOE_BENCH/humaneval-x)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="programs at a time")
    parser.add_argument("--against", type=Path, help="another checkout, whose code judges in turn with this one's")
    parser.add_argument("--time-of", metavar="LANGUAGE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data is None:
        if not os.environ.get("MULTIPL_MOE_BENCH"):
            parser.error("HumanEval-X: give --data FOLDER, or set MULTIPL_MOE_BENCH (CONTRIBUTING.md says how)")
        options.data = Path(os.environ["MULTIPL_MOE_BENCH"], "humaneval-x")
    by_language: dict[str, list[Problem]] = {}
    for problem in read_benchmark(f"humaneval-x:{options.data}"):
        by_language.setdefault(problem.language, []).append(problem)
    if options.time_of:
        print(json.dumps(time_of_checkout(by_language[options.time_of])))
        return
    if options.against:
        against(options, list(by_language))
        return
    if options.quick:
        by_language = {language: problems[:_QUICK_PROBLEMS] for language, problems in by_language.items()}
    results: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        os.environ["MULTIPL_MOE_CACHE"] = stack.enter_context(tempfile.TemporaryDirectory())
        toolbox, run_plain = Toolbox(), PlainRunner(stack)
        checks = preflight(by_language, toolbox=toolbox)
        if problems := [check.problem for check in checks.values() if check.problem]:
            raise SystemExit("\n".join(problems))
        if "go" in by_language:
            run_plain.warm_go()
        for language, problems in by_language.items():
            results[language] = measure(problems, run_plain, toolbox, options.workers)
            results[language] |= {"prepare_s": checks[language].seconds, "version": checks[language].version}
            console.print(f"{language}: {results[language]}")
    summed = ("programs", "passed_plain", "passed", "plain_s", "ours_s")
    total = {key: sum(result[key] for result in results.values()) for key in summed}
    results["all"] = {**total, "ratio": total["plain_s"] / total["ours_s"]}
    columns = ["programs", "passed", "plain_s", "ours_s", "ratio"]
    rows = [[name, *(f"{result[column]:.4g}" for column in columns)] for name, result in results.items()]
    print_table("Judging HumanEval-X", ["language", "programs", "passed", "plain s", "ours s", "ratio"], rows)
    targets = [
        Target("times as fast as plain commands", results["all"]["ratio"], _MIN_RATIO),
        Target("share of reference solutions that pass", total["passed"] / total["programs"], 1.0),
        Target("share that passes with plain commands", total["passed_plain"] / total["programs"], 1.0),
    ]
    record("scoring", {"workers": options.workers, **results}, targets, repeats=1, options=options)


if __name__ == "__main__":
    main()
