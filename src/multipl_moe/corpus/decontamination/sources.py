"""Which benchmarks a corpus is checked against, and where their problems come from.

A name alone asks for what the package ships, or for a copy in the hub's cache. The hub itself is asked only for a
benchmark that the user names: a build without a network must neither fail nor wait.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache

from multipl_judge.languages.own import add_languages
from multipl_judge.problems.benchmarks import BENCHMARKS, is_in_any_of, read_benchmark
from multipl_judge.problems.hub import cached_files_only, hub_answers
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.decontamination.index import REASON, BenchmarkIndex
from multipl_moe.corpus.decontamination.parts import Part, load_parts, parts_of
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.recipe import Recipe


@dataclass(frozen=True)
class Decontamination:
    """What a corpus is checked against.

    Attributes:
        index: problems that are looked for.
        checked: by name of their benchmarks, names of the problems that were read.
        unavailable: names of benchmarks whose problems cannot be had here.
        note: one line on those of them that the recipe uses, in a language that training reads, if there are any.
    """

    index: BenchmarkIndex
    checked: dict[str, set[str]]
    unavailable: list[str]
    note: str | None = None

    @property
    def sha256(self) -> str:
        """Of all that decides which files are left out and what the manifest says of it."""
        read = {name: sorted(problems) for name, problems in self.checked.items()}
        digest = hashlib.sha256(repr((read, sorted(self.unavailable))).encode())
        for part in self.index.parts:
            digest.update(repr((part.benchmark, part.problem, part.kind, part.num_ngrams)).encode())
            digest.update(part.sketch.tobytes())
        return digest.hexdigest()

    def checks(self, counts: Mapping[str, int]) -> dict[str, BenchmarkCheck]:
        """What the manifest says of each benchmark, by the pipeline's statistics."""
        searchable = {(part.benchmark, part.problem) for part in self.index.parts}
        checked = {}
        for name, problems in self.checked.items():
            too_short = sorted(problem for problem in problems if (name, problem) not in searchable)
            total = max(len(problems), BENCHMARKS[name].num_problems if name in BENCHMARKS else 0)
            found = counted_below(f"{REASON}/{name}/", counts)
            checked[name] = BenchmarkCheck("checked", found, len(problems) - len(too_short), total, too_short)
        return checked | {name: BenchmarkCheck("unavailable", {}) for name in self.unavailable}


def prepare_decontamination(recipe: Recipe) -> Decontamination:
    """Gather the problems of the benchmarks that the recipe names, those that are to be evaluated on among them.

    Raises:
        ConfigError: the recipe names what is no benchmark, or a path that holds none.
    """
    wanted = recipe.corpus.decontaminate
    if wanted == "none":
        return Decontamination(BenchmarkIndex([]), {}, [])
    add_languages(recipe.own_languages)
    named = [] if wanted == "all" else list(wanted)
    found: dict[str, list[Part]] = {}
    problems: dict[str, set[str]] = {}
    missing: list[str] = []
    for spec in dict.fromkeys([*named, *(BENCHMARKS if wanted == "all" else ()), *recipe.programs.benchmarks]):
        name, has_path, _ = spec.partition(":")
        try:
            benchmark, parts, names = _parts(spec, may_download=spec in named)
        except ConfigError as error:
            if has_path or name not in BENCHMARKS:
                key = "corpus.decontaminate" if spec in named else "programs.benchmarks"
                raise ConfigError(f"{key}: {error}") from None
            missing.append(name)
            continue
        found.setdefault(benchmark, []).extend(parts)
        problems.setdefault(benchmark, set()).update(names)
    index = BenchmarkIndex(part for parts in found.values() for part in parts)
    unavailable = [name for name in dict.fromkeys(missing) if name not in found]
    return Decontamination(index, problems, unavailable, _note(recipe, unavailable))


def _note(recipe: Recipe, unavailable: Iterable[str]) -> str | None:
    in_use, read = recipe.benchmarks_in_use, recipe.mixture_weights
    names = ", ".join(name for name in unavailable if name in in_use and is_in_any_of(name, read))
    if not names:
        return None
    return f"Not checked for problems of {names}: no copy here; give one in corpus.decontaminate, as NAME:PATH"


def _parts(spec: str, *, may_download: bool) -> tuple[str, list[Part], set[str]]:
    """Name of a benchmark, the parts of its problems, and the names of all problems, those without parts among them.

    A local copy may be of another version, or a part, so what is shipped is added to it.
    """
    name, has_path, _ = spec.partition(":")
    shipped = _shipped().get(name, [])
    names = {part.problem for part in shipped}
    if shipped and not has_path:
        return name, shipped, names
    with nullcontext() if has_path or (may_download and hub_answers()) else cached_files_only():
        problems = read_benchmark(spec)
    return problems[0].benchmark, [*shipped, *parts_of(problems)], names | {problem.id for problem in problems}


@cache
def _shipped() -> dict[str, list[Part]]:
    parts: dict[str, list[Part]] = {}
    for part in load_parts():
        parts.setdefault(part.benchmark, []).append(part)
    return parts


def counted_below(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    """The statistics whose labels begin so, by what follows."""
    return {label.removeprefix(prefix): counts[label] for label in sorted(counts) if label.startswith(prefix)}
