"""The parts of a benchmark's problem that a training file may hold, as sketches of their n-grams."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from multipl_judge.problems.problem import Problem
from multipl_moe.corpus.decontamination.words import code_ngrams, text_ngrams

Kind = Literal["prompt", "tests", "solution", "structure"]
KINDS: tuple[Kind, ...] = ("prompt", "tests", "solution", "structure")

SKETCH_SIZE = 20
MIN_NGRAMS: dict[Kind, int] = {"prompt": 6, "tests": 6, "solution": 8, "structure": 10}
MAX_PROBLEMS_OF_NGRAM = 3


@dataclass(frozen=True)
class Part:
    """One part of a problem, whose name may be that of another in another language.

    Attributes:
        kind: what it is; "structure" is the solution without names, literals and comments.
        num_ngrams: how many different n-grams it has.
        sketch: the `SKETCH_SIZE` least hashes of them, sorted: a random choice, the same for equal parts.
    """

    benchmark: str
    problem: str
    kind: Kind
    num_ngrams: int
    sketch: NDArray[np.uint32]


def parts_of(problems: Iterable[Problem]) -> list[Part]:
    """The parts that are long enough to be told from any other text, each once.

    N-grams that more than `MAX_PROBLEMS_OF_NGRAM` of the problems have are the benchmark's boilerplate and do not
    count; translations of a problem count as one.
    """
    found: list[tuple[Problem, Kind, NDArray[np.uint32]]] = []
    for problem in problems:
        found.extend((problem, kind, ngrams) for kind, ngrams in _ngrams(problem))
    common = _common([(problem.cluster or problem.key, ngrams) for problem, _, ngrams in found])
    parts: dict[tuple[str, str, Kind, bytes], Part] = {}
    for problem, kind, ngrams in found:
        telling = ngrams[~np.isin(ngrams, common, assume_unique=True)]
        if len(telling) >= MIN_NGRAMS[kind]:
            sketch = telling[:SKETCH_SIZE]
            key = (problem.benchmark, problem.id, kind, sketch.tobytes())
            parts[key] = Part(problem.benchmark, problem.id, kind, len(telling), sketch)
    return list(parts.values())


def _ngrams(problem: Problem) -> Iterator[tuple[Kind, NDArray[np.uint32]]]:
    yield "prompt", np.unique(text_ngrams(problem.prompt))
    yield "tests", np.unique(text_ngrams(problem.tests))
    if problem.reference:
        yield "solution", np.unique(text_ngrams(problem.reference))
        yield "structure", np.unique(code_ngrams(problem.reference, problem.language))


def _common(ngrams: list[tuple[str, NDArray[np.uint32]]]) -> NDArray[np.uint32]:
    clusters: dict[str, list[NDArray[np.uint32]]] = {}
    for cluster, hashes in ngrams:
        clusters.setdefault(cluster, []).append(hashes)
    of_each = [np.unique(np.concatenate(hashes)) for hashes in clusters.values()]
    if not of_each:
        return np.empty(0, np.uint32)
    values, counts = np.unique(np.concatenate(of_each), return_counts=True)
    return values[counts > MAX_PROBLEMS_OF_NGRAM]


SHIPPED_FILE = Path(__file__).parent / "benchmarks.npz"


def save_parts(file: Path, parts: Sequence[Part]) -> None:
    """Write the parts, hashes alone, from which no problem can be read; equal ones give equal bytes."""
    names = [f"{part.benchmark} {part.problem}" for part in parts]
    np.savez_compressed(
        file,
        names=np.frombuffer("\n".join(names).encode(), np.uint8),
        kinds=np.array([KINDS.index(part.kind) for part in parts], np.uint8),
        counts=np.array([part.num_ngrams for part in parts], np.uint32),
        hashes=np.concatenate([np.empty(0, np.uint32), *(part.sketch for part in parts)]),
    )


def load_parts(file: Path = SHIPPED_FILE) -> list[Part]:
    """Read parts back, in their order: of a file, or those that the package ships, which would else need the hub.

    `scripts/build_decontamination_index.py` makes the file that is shipped.
    """
    with np.load(file, allow_pickle=False) as stored:
        names = [name.partition(" ") for name in stored["names"].tobytes().decode().split("\n")]
        counts = stored["counts"]
        sketches = np.split(stored["hashes"], np.cumsum(np.minimum(counts, SKETCH_SIZE))[:-1])
        kinds = [KINDS[number] for number in stored["kinds"]]
    return [
        Part(benchmark, problem, kind, count, sketch)
        for (benchmark, _, problem), kind, count, sketch in zip(names, kinds, counts.tolist(), sketches, strict=True)
    ]
