"""Parts of problems in a file: hashes alone, from which no problem can be read.

The package comes with such a file (`scripts/build_decontamination_index.py` makes it) for benchmarks that would else
need the hub.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from multipl_moe.corpus.decontamination.parts import KINDS, SKETCH_SIZE, Part

SHIPPED_FILE = Path(__file__).parent / "benchmarks.npz"


def save_parts(file: Path, parts: Sequence[Part]) -> None:
    """Write the parts; equal ones give equal bytes."""
    names = [f"{part.benchmark} {part.problem}" for part in parts]
    np.savez_compressed(
        file,
        names=np.frombuffer("\n".join(names).encode(), np.uint8),
        kinds=np.array([KINDS.index(part.kind) for part in parts], np.uint8),
        counts=np.array([part.num_ngrams for part in parts], np.uint32),
        hashes=np.concatenate([np.empty(0, np.uint32), *(part.sketch for part in parts)]),
    )


def load_parts(file: Path = SHIPPED_FILE) -> list[Part]:
    """Read the parts back, in their order."""
    with np.load(file, allow_pickle=False) as stored:
        names = [name.partition(" ") for name in stored["names"].tobytes().decode().split("\n")]
        counts = stored["counts"]
        sketches = np.split(stored["hashes"], np.cumsum(np.minimum(counts, SKETCH_SIZE))[:-1])
        kinds = [KINDS[number] for number in stored["kinds"]]
    return [
        Part(benchmark, problem, kind, count, sketch)
        for (benchmark, _, problem), kind, count, sketch in zip(names, kinds, counts.tolist(), sketches, strict=True)
    ]
