"""The file of hashed n-grams: read back whole, and what the package ships is what the readers give now."""

import importlib.util
from pathlib import Path

import numpy as np

from multipl_moe.corpus.decontamination.parts import parts_of
from multipl_moe.corpus.decontamination.storage import SHIPPED_FILE, load_parts, save_parts
from multipl_moe.problems.starter_set import read_starter
from tests.problems.samples import BENCH

_SCRIPT = Path(__file__).parents[3] / "scripts" / "build_decontamination_index.py"


def comparable(parts):
    return [(part.benchmark, part.problem, part.kind, part.num_ngrams, part.sketch.tolist()) for part in parts]


def test_parts_are_read_back_and_equal_ones_give_equal_bytes(tmp_path):
    parts = parts_of(read_starter(["rust"]))
    for name in ("a.npz", "b.npz"):
        save_parts(tmp_path / name, parts)
    assert comparable(load_parts(tmp_path / "a.npz")) == comparable(parts)
    assert load_parts(tmp_path / "a.npz")[0].sketch.dtype == np.uint32
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_shipped_file_is_what_the_script_makes_of_the_benchmarks():
    spec = importlib.util.spec_from_file_location("build_decontamination_index", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert comparable(load_parts()) == comparable(script.shipped_parts(BENCH)), f"run {_SCRIPT.name} again"


def test_the_shipped_file_is_small_and_names_three_benchmarks():
    assert SHIPPED_FILE.stat().st_size < 500_000
    assert {part.benchmark for part in load_parts()} == {"humaneval", "humaneval-x", "multipl-e-humaneval"}
