"""Data sets through the datasets library; a local folder stands for the hub."""

import re
import sys

import pytest

from multipl_judge.extras import install_hint
from multipl_moe.corpus.read import rows
from multipl_moe.errors import CorpusError
from tests.corpus.conftest import program
from tests.corpus.read.finding import find
from tests.corpus.read.test_rows import SMOL, STACK, write_parquet


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))


def find_in(path, **keys) -> list[tuple[str, str, str | None]]:
    return [(row.language, row.path, row.text) for row in find("hub", path, "rust", "cpp", **keys)]


def test_a_data_set_is_streamed_with_nothing_set_and_a_subset_is_a_folder_of_it(tmp_path):
    for name, row in {"rust": SMOL, "cpp": STACK}.items():
        folder = tmp_path / "stack" / "data" / name
        folder.mkdir(parents=True)
        write_parquet(folder / "train-00000-of-00001.parquet", [row, row | {"content": program(9)}])
    found = find_in(tmp_path / "stack", subset="data/rust")
    name = f"{tmp_path.name}/stack"
    assert found == [("rust", f"{name}#0/c.in", program(3)), ("rust", f"{name}#1/c.in", program(9))]
    assert [language for language, *_ in find_in(tmp_path / "stack", subset="data/cpp")] == ["cpp", "cpp"]


@pytest.mark.parametrize(("data_set", "name"), [("squad", "_/squad"), ("me/stack", "me/stack")])
def test_the_name_of_a_data_set_has_two_parts_whatever_its_id(monkeypatch, data_set, name):
    monkeypatch.setattr(rows, "read_hub", lambda source: iter([SMOL]))
    assert [path for _, path, _ in find_in(data_set)] == [f"{name}#0/c.in"]


def test_a_data_set_or_split_that_is_not_there_is_refused_with_the_reason(tmp_path):
    write_parquet(tmp_path / "train.parquet", [SMOL])
    with pytest.raises(CorpusError, match=r"the data set cannot be read .*validation"):
        find_in(tmp_path, split="validation")
    with pytest.raises(CorpusError, match="someone/nothing: the data set cannot be read"):
        find_in("someone/nothing")


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match=re.escape(install_hint("hub"))):
        find_in(tmp_path)
