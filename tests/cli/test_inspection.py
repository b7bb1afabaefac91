"""`inspect`: a page beside the corpus, not in it, and over nothing."""

import shutil

import pytest

from multipl_moe.corpus import CorpusManifest
from tests.fixtures import tree


def test_a_page_is_written_here_and_the_table_told(run, corpus, tmp_path):
    before = tree(corpus)
    outcome = run("inspect", corpus)
    assert [path.name for path in tmp_path.iterdir()] == ["inspect.html"]
    page = (tmp_path / "inspect.html").read_text(encoding="utf-8")
    for row in CorpusManifest.load(corpus).languages.values():
        told = [f"{row.train_tokens:,}", f"{row.train_bytes / row.train_tokens:.2f}"]
        assert all(number in outcome.out and f"<td>{number}</td>" in page for number in told)
    assert "page: inspect.html" in outcome.out
    assert tree(corpus) == before


def test_flags_choose_what_there_is_to_read_and_where_the_page_goes(run, corpus, tmp_path):
    pages = {}
    for name, seed, lines in (("one", 1, 2), ("same", 1, 2), ("other", 2, 2), ("longer", 1, 9)):
        flags = "--seed", str(seed), "--documents", "1", "--lines", str(lines)
        run("inspect", corpus, "--output", f"{name}.html", *flags)
        pages[name] = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
    assert pages["one"] == pages["same"] != pages["other"]
    assert len(pages["longer"].splitlines()) == len(pages["one"].splitlines()) + 2 * 7


def test_the_corpus_folder_is_written_to_only_if_asked(run, refused, corpus, tmp_path, monkeypatch):
    shutil.copytree(corpus, tmp_path / "mine")
    monkeypatch.chdir(tmp_path / "mine")
    assert "output: this is the corpus folder" in refused("inspect", ".")
    assert "page: v[red]x.html" in run("inspect", ".", "--output", "v[red]x.html").out, "printed as it is"
    assert (tmp_path / "mine" / "v[red]x.html").is_file()


@pytest.mark.parametrize("damaged", ["documents/train/rust.jsonl.gz", "dropped.jsonl.gz", "manifest.json"])
def test_a_broken_folder_is_one_line(refused, corpus, tmp_path, damaged):
    shutil.copytree(corpus, tmp_path / "mine")
    (tmp_path / "mine" / damaged).write_bytes(b"\x1f\x8b broken")
    assert damaged.rsplit("/", 1)[-1] in refused("inspect", "mine")
