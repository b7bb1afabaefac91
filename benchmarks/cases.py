"""Judging programs that answer: all cases of a program in one sandbox, against a sandbox a case.

    python benchmarks/cases.py [--quick] [--programs N] [--output FILE.json]

One worker, three cases a program, in turn and several rounds. Processor time is that of judge and programs together,
which other work on the machine hardly changes. Targets: 15 Lua programs a second of processor time, at most 0.8
times that of a sandbox a case, and at most 0.2 seconds a program of Rust, Go or Ruby.
"""

import os
import time
from typing import Any

from harness import Target, Timing, console, median_ratio, options_parser, print_table, record

from multipl_judge.judge.outcome import Outcome
from multipl_judge.judge.preflight import preflight
from multipl_judge.judge.sandbox import Sandbox
from multipl_judge.judge.scoring import Task, judge_all
from multipl_judge.judge.toolbox import Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Toolchain
from multipl_judge.languages.toolchains import TOOLCHAINS

_PROGRAMS, _ROUNDS, _INPUTS = 40, 3, (3, 50, 1000)
_MIN_RATE, _MAX_RATIO = 15, 0.8
_SLOW, _MAX_S = ("rust", "go", "ruby"), 0.2
SOURCES = {
    "lua": "local s = 0\nfor i = 1, io.read('n') do s = s + i * NUMBER end\nprint(s)\n",
    "python": "print(sum(i * NUMBER for i in range(int(input()) + 1)))\n",
    "cpp": "#include <iostream>\nint main() {\n    long n, s = 0;\n    std::cin >> n;\n"
    "    for (long i = 1; i <= n; i++) s += i * NUMBER;\n    std::cout << s << std::endl;\n}\n",
    "ruby": "puts (0..gets.to_i).sum { |i| i * NUMBER }\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tvar n, s int\n\tfmt.Scan(&n)\n'
    "\tfor i := 1; i <= n; i++ {\n\t\ts += i * NUMBER\n\t}\n\tfmt.Println(s)\n}\n",
    "rust": "fn main() {\n    let mut line = String::new();\n    std::io::stdin().read_line(&mut line).unwrap();\n"
    "    let n: i64 = line.trim().parse().unwrap();\n"
    '    println!("{}", (1..=n).map(|i| i * NUMBER).sum::<i64>());\n}\n',
}
_LUA = Toolchain(
    executables={"lua": ("/usr/bin/lua5.4",)},
    version=("{lua}", "-v"),
    script=("{lua}", "{folder}/program"),
    packages=("lua5.4",),
)


def program(language: str, number: int) -> Program:
    """A program that sums multiples of a number, so that no two are equal."""
    cases = tuple((f"{n}\n", f"{number * n * (n + 1) // 2}\n") for n in _INPUTS)
    return Program(language, SOURCES[language].replace("NUMBER", str(number)), Nonce(0, 0), cases=cases)


def seconds(language: str, number: int, toolbox: Toolbox, *, shared: bool) -> tuple[float, float]:
    """Wall and processor time of judging so many programs, all of which must pass."""
    outcomes: list[Outcome] = []
    tasks = [Task(str(n), lambda n=n: program(language, n)) for n in range(number)]
    Sandbox.shares = shared
    started, before = time.perf_counter(), os.times()
    judge_all(tasks, on_result=lambda _, judgement: outcomes.append(judgement.outcome), workers=1, toolbox=toolbox)
    used = sum(os.times()[:4]) - sum(before[:4])
    wall = time.perf_counter() - started
    if set(outcomes) != {Outcome.passed} or Sandbox.shares is not shared:
        raise SystemExit(f"{language}: programs should pass, and ended in {set(outcomes)}")
    return wall, used


def main() -> None:
    parser = options_parser(__doc__, quick="two programs a language, one round")
    parser.add_argument("--programs", type=int, default=_PROGRAMS, help="programs of each language")
    options = parser.parse_args()
    number, rounds = (2, 1) if options.quick else (options.programs, _ROUNDS)
    toolbox = Toolbox({"lua": _LUA, **TOOLCHAINS})
    checks = preflight(SOURCES, toolbox=toolbox)
    if problems := [check.problem for check in checks.values() if check.problem]:
        raise SystemExit("\n".join(problems))
    results: dict[str, dict[str, Any]] = {}
    for language in SOURCES:
        seconds(language, 1, toolbox, shared=True)
        rows = [[seconds(language, number, toolbox, shared=way) for way in (True, False)] for _ in range(rounds)]
        found: dict[str, dict[str, Timing]] = {
            way: {clock: Timing(tuple(row[place][of] for row in rows)) for of, clock in enumerate(("wall_s", "cpu_s"))}
            for place, way in enumerate(("shared", "alone"))
        }
        rate = number / found["shared"]["cpu_s"].median_s
        ratio = median_ratio(found["shared"]["cpu_s"], found["alone"]["cpu_s"])
        results[language] = {"programs": number, **found, "rate": rate, "ratio": ratio}
        console.print(f"{language}: {rate:.1f} programs a second, {ratio:.2f} times the time of a sandbox a case")
    print_table(
        "Programs a second of processor time",
        ["language", "one sandbox", "times the time of a sandbox a case"],
        [[name, f"{found['rate']:.1f}", f"{found['ratio']:.2f}"] for name, found in results.items()],
    )
    targets = [
        Target("Lua programs a second of processor time", results["lua"]["rate"], _MIN_RATE),
        Target("Lua, times the time of a sandbox a case", results["lua"]["ratio"], _MAX_RATIO, at_least=False),
        *(Target(f"{name}, seconds a program", 1 / results[name]["rate"], _MAX_S, at_least=False) for name in _SLOW),
    ]
    record("cases", results, targets, repeats=rounds, options=options)


if __name__ == "__main__":
    main()
