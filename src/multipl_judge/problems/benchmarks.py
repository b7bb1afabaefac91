"""The table of benchmarks, and how a user names one."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from multipl_judge.errors import ConfigError
from multipl_judge.languages.entries import ENTRIES
from multipl_judge.problems.autocodebench import read_autocodebench
from multipl_judge.problems.exercism import read_exercism
from multipl_judge.problems.human_eval import read_human_eval
from multipl_judge.problems.humaneval_x import read_humaneval_x
from multipl_judge.problems.mbpp import read_mbpp
from multipl_judge.problems.mbxp import read_mbxp
from multipl_judge.problems.multipl_e import read_multipl_e
from multipl_judge.problems.own import read_own
from multipl_judge.problems.problem import Problem
from multipl_judge.problems.starter_set import read_starter

_TRANSLATED = ("java", "cpp", "rust", "go", "ruby")
_ALL = ("python", *_TRANSLATED)
_ANY = "multipl-e"  # of a file alone, and no benchmark: tasks in the form of MultiPL-E, named after their file


@dataclass(frozen=True)
class Benchmark:
    """One published benchmark.

    Attributes:
        read: its problems, from a local copy or from where it usually comes from, of some languages.
        languages: those that it may have problems in.
        num_problems: how many it has, if copies with fewer are about; 0: not known, or it depends on the release.
    """

    read: Callable[[Path | None, Collection[str] | None], list[Problem]]
    languages: Collection[str]
    num_problems: int = 0


BENCHMARKS: Mapping[str, Benchmark] = {
    "starter": Benchmark(lambda _, languages: read_starter(languages), _ALL),
    "humaneval": Benchmark(lambda path, _: read_human_eval(path), ("python",), 164),
    "mbpp": Benchmark(lambda path, _: read_mbpp(path), ("python",), 500),
    "mbpp-sanitized": Benchmark(lambda path, _: read_mbpp(path, sanitized=True), ("python",), 257),
    "multipl-e-humaneval": Benchmark(partial(read_multipl_e, "humaneval"), (*_TRANSLATED, *ENTRIES), 161),
    "multipl-e-mbpp": Benchmark(partial(read_multipl_e, "mbpp"), (*_TRANSLATED, *ENTRIES)),
    "humaneval-x": Benchmark(lambda path, _: read_humaneval_x(path), ("python", "java", "cpp", "go", "rust"), 820),
    "mbxp": Benchmark(lambda path, _: read_mbxp(path), ("python", "java", "cpp", "go", "ruby")),
    "autocodebench": Benchmark(lambda path, _: read_autocodebench(path), _ALL),
    "exercism": Benchmark(read_exercism, _ALL),
}


def is_in_any_of(name: str, languages: Collection[str]) -> bool:
    """Whether a benchmark may have problems in one of these languages; of a set of one's own nobody knows."""
    return name not in BENCHMARKS or any(language in BENCHMARKS[name].languages for language in languages)


def read_benchmark(spec: str, languages: Collection[str] | None = None) -> list[Problem]:
    """The problems that a user names.

    Args:
        spec: a name of the table; `NAME:PATH` for a local copy of it (a file, or a folder with one file a language);
            or the path of a user's own set, `PATH.jsonl` or `PATH.jsonl.gz`; `multipl-e:PATH` for one in the form of
            MultiPL-E, all rows of it.
        languages: only these; all if None.

    Raises:
        ConfigError: an unknown name, a path that is not there, a file in another format, a key used twice, or no
            problem left.
    """
    name, colon, path = spec.partition(":")
    if name in BENCHMARKS:
        if colon and (name == "starter" or not path):
            remedy = "" if name == "starter" else f" or '{name}:PATH'"
            raise ConfigError(f"benchmark '{spec}': write '{name}'{remedy}")
        problems = BENCHMARKS[name].read(Path(path) if colon else None, languages)
    elif name == _ANY and path:
        problems = read_multipl_e(None, Path(path), languages)
    elif spec.endswith((".jsonl", ".jsonl.gz")) and (not colon or Path(spec).exists()):
        problems = read_own(Path(spec))
    else:
        nearest = get_close_matches(name, [*BENCHMARKS, f"{_ANY}:PATH"], n=1)
        hint = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(BENCHMARKS)}"
        raise ConfigError(f"unknown benchmark '{spec}'; {hint} (a set of your own is a file PATH.jsonl)")
    chosen = [problem for problem in problems if languages is None or problem.language in languages]
    if not chosen:
        asked = f" in {', '.join(sorted(languages))}" if languages is not None else ""
        raise ConfigError(f"benchmark '{spec}' has no problem{asked}")
    twice = [key for key, count in Counter(problem.key for problem in chosen).items() if count > 1]
    if twice:
        raise ConfigError(f"benchmark '{spec}' holds {', '.join(twice[:3])} more than once; give one copy of each")
    return chosen
