"""Processor time of what answers before a model is loaded: a version, help, and what is refused.

    python benchmarks/startup.py [--quick] [--output FILE.json]

Each command runs in fresh processes of its own, one after the other in turn. An interpreter that does nothing stands
beside them.
"""

import resource
import subprocess
import sys
import tempfile

from harness import Target, Timing, options_parser, print_table, record

from multipl_moe.cli import app

_HELP_S, _REFUSAL_S = 0.5, 1.5
_REFUSED = {
    "an unknown recipe key": ["train", "hybrid", ".", "run", "--set", "train.tokns=1"],
    "an unknown key of the demo": ["demo", "--set", "train.tokns=1"],
    "a corpus that is not there": ["train", "hybrid", "corpus", "run"],
    "a model that is not there": ["export", "hybrid", "export"],
}


def processor_seconds(arguments: list[str], folder: str) -> float:
    """Of one fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure, print, store."""
    options = options_parser(__doc__, quick="one process a command").parse_args()
    repeats = 1 if options.quick else 5
    command = ["-m", "multipl_moe"]
    helps = {"--version": ["--version"], "--help": ["--help"]}
    helps |= {f"{verb.name} --help": [str(verb.name), "--help"] for verb in app.registered_commands}
    cases = {"an interpreter alone": ["-c", "pass"]}
    cases |= {name: command + arguments for name, arguments in (helps | _REFUSED).items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, arguments in cases.items():
                seconds[name].append(processor_seconds(arguments, folder))
    timings = {name: Timing(tuple(of_case)) for name, of_case in seconds.items()}
    print_table("Processor time of a process", ["command", "time"], [[n, t.text()] for n, t in timings.items()])
    targets = [
        Target(f"{what}, the slowest, seconds", max(timings[name].median_s for name in names), bound, at_least=False)
        for what, names, bound in (("version and help", helps, _HELP_S), ("refusals", _REFUSED, _REFUSAL_S))
    ]
    record("startup", {"timings": timings}, targets, repeats=repeats, options=options)


if __name__ == "__main__":
    main()
