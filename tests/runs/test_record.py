"""Records come back from JSON as they were, stored ones are read, and what is no record is refused by file and key."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.errors import UserError
from multipl_moe.runs.comparison import ComparisonResult
from multipl_moe.runs.result import ComparedRun, Moved, Movement, read_measured
from multipl_moe.runs.verdict import ProgramsResult
from tests.report.compared import a_run
from tests.report.judged import judged

_DOCS = Path(__file__).parents[2] / "docs"
_FLOATS = st.floats(allow_nan=False)
_MOVEMENTS = st.builds(
    Movement,
    nats_per_token=_FLOATS,
    interval=st.tuples(_FLOATS, _FLOATS),
    changed=_FLOATS,
    tokens=st.integers(),
    texts=st.integers(),
    sha256=st.text(),
)
_MOVED = st.builds(Moved, answers=_MOVEMENTS, other=st.none() | _MOVEMENTS, sentence=st.text())


@settings(max_examples=20)
@given(moved=st.none() | _MOVED, learn=_FLOATS, peak=st.none() | st.integers(), sentence=st.none() | st.text())
def test_a_run_comes_back_as_it_was(moved: Moved | None, learn: float, peak: int | None, sentence: str | None):
    run = a_run("causal", learn, 0.0).but(moved=moved, peak_bytes=peak, sentence=sentence)
    assert ComparedRun.part_of(json.loads(json.dumps(run.to_json())), Path()) == run
    with pytest.raises(UserError, match=r"^x\.json: .*restore or remove it"):
        ComparedRun.part_of([], "x.json")


def test_a_verdict_comes_back_from_its_file_as_it_was(tmp_path: Path):
    judged().write(tmp_path / "metrics.json")
    assert ProgramsResult.read(tmp_path / "metrics.json") == judged()


@pytest.mark.parametrize("folder", ["results", "replay"])
def test_stored_results_are_read_whole(folder: str):
    kinds = dict.fromkeys((_DOCS / folder / "runs").glob("*/metrics.json"), ComparedRun)
    assert kinds
    for file, kind in (kinds | {_DOCS / folder / "comparison.json": ComparisonResult}).items():
        stored, read = json.loads(file.read_text()), kind.read(file).to_json()
        assert all(read.get(key) == stored[key] for key in read.keys() | stored.keys())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tokens": None}, "tokens: "),
        ({"tokenz": 3}, "tokenz: "),
        ({"means": {"learn": {"change": "3", "interval": [0.0, 0.0]}}}, "means.learn.change: "),
        ({"languages": {"rust": {}}}, "languages.rust.change: "),
    ],
)
def test_what_is_no_record_is_refused_with_file_and_key(tmp_path: Path, change: dict[str, Any], told: str):
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps(a_run("causal", 0.0, 0.0).to_json() | change))
    with pytest.raises(UserError) as caught:
        ComparedRun.read(file)
    assert str(caught.value).startswith(f"{file}: {told}")


@pytest.mark.parametrize("text", ["{", "[]", "5", "\x00"])
@pytest.mark.parametrize("read", [ComparedRun.read, read_measured])
def test_what_is_no_json_object_is_refused_with_the_file(tmp_path: Path, text: str, read: Any):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(UserError, match=r"metrics\.json: "):
        read(tmp_path / "metrics.json")
