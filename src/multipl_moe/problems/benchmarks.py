"""The table of benchmarks, and how a user names one."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from multipl_moe.errors import ConfigError
from multipl_moe.problems.human_eval import read_human_eval
from multipl_moe.problems.humaneval_x import read_humaneval_x
from multipl_moe.problems.mbpp import read_mbpp
from multipl_moe.problems.mbxp import read_mbxp
from multipl_moe.problems.multipl_e import read_multipl_e
from multipl_moe.problems.own import read_own
from multipl_moe.problems.problem import Problem
from multipl_moe.problems.starter_set import read_starter


@dataclass(frozen=True)
class BenchmarkSpec:
    """Which of a benchmark's problems to read.

    Attributes:
        path: local copy; None for where the benchmark usually comes from.
        languages: only these; all if None.
        official_stops: the benchmark's own stop strings even where they are known to spoil right answers.
    """

    path: Path | None = None
    languages: Collection[str] | None = None
    official_stops: bool = False


BENCHMARKS: Mapping[str, Callable[[BenchmarkSpec], list[Problem]]] = {
    "starter": lambda spec: read_starter(spec.languages),
    "humaneval": lambda spec: read_human_eval(spec.path),
    "mbpp": lambda spec: read_mbpp(spec.path),
    "mbpp-sanitized": lambda spec: read_mbpp(spec.path, sanitized=True),
    "multipl-e-humaneval": lambda spec: read_multipl_e(
        "humaneval", spec.path, languages=spec.languages, official_stops=spec.official_stops
    ),
    "multipl-e-mbpp": lambda spec: read_multipl_e(
        "mbpp", spec.path, languages=spec.languages, official_stops=spec.official_stops
    ),
    "humaneval-x": lambda spec: read_humaneval_x(spec.path),
    "mbxp": lambda spec: read_mbxp(spec.path),
}


def read_benchmark(
    spec: str, languages: Collection[str] | None = None, *, official_stops: bool = False
) -> list[Problem]:
    """The problems that a user names.

    Args:
        spec: a name of the table; `NAME:PATH` for a local copy of it (a file, or a folder with one file a language);
            or the path of a user's own set, `PATH.jsonl` or `PATH.jsonl.gz`.
        languages: only these; all if None.
        official_stops: see `BenchmarkSpec`.

    Raises:
        ConfigError: an unknown name, a path that is not there, a file in another format, a key used twice, or no
            problem left.
    """
    name, colon, path = spec.partition(":")
    wanted = BenchmarkSpec(Path(path) if colon else None, languages, official_stops)
    if name in BENCHMARKS:
        if colon and (name == "starter" or not path):
            remedy = "" if name == "starter" else f" or '{name}:PATH'"
            raise ConfigError(f"benchmark '{spec}': write '{name}'{remedy}")
        problems = BENCHMARKS[name](wanted)
    elif spec.endswith((".jsonl", ".jsonl.gz")):
        problems = read_own(Path(spec))
    else:
        nearest = get_close_matches(name, BENCHMARKS, n=1)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(BENCHMARKS)}"
        raise ConfigError(f"unknown benchmark '{spec}'; {hint} (a set of your own is a file PATH.jsonl)")
    chosen = [problem for problem in problems if languages is None or problem.language in languages]
    if not chosen:
        asked = f" in {', '.join(sorted(languages))}" if languages is not None else ""
        raise ConfigError(f"benchmark '{spec}' has no problem{asked}")
    _check_keys(spec, chosen)
    return chosen


def _check_keys(spec: str, problems: list[Problem]) -> None:
    keys = [problem.key for problem in problems]
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise ConfigError(f"benchmark '{spec}' holds {', '.join(twice[:3])} more than once; give one copy of each")
