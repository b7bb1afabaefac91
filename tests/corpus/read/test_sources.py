"""Which files are read, under which name and licence, and why others are not."""

import codecs
import gzip
import io
import json
import os
import tarfile
import tracemalloc
import zipfile
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.corpus.read.candidates import Candidate, unreadable
from multipl_moe.corpus.read.checks import require_sources
from multipl_moe.corpus.read.sources import SourceReader
from multipl_moe.corpus.read.streamed_rows import EarliestRows
from multipl_moe.errors import CorpusError
from multipl_moe.recipe.corpus import SourceSection
from tests.corpus.conftest import program, recipe_of, write_files
from tests.corpus.read.finding import read
from tests.corpus.read.test_language_detection import C_HEADER, CPP_HEADER


def folder(path: Path) -> dict:
    return {"kind": "folder", "path": str(path)}


def write_rows(path: Path, seeds: range) -> Path:
    path.write_text("".join(json.dumps({"text": program(seed), "path": f"{seed}.rs"}) + "\n" for seed in seeds))
    return path


def test_folders_are_read_recursively_and_languages_told_by_extension(tmp_path):
    write_files(tmp_path / "tree" / "deep" / "er", ".rs", 2)
    write_files(tmp_path / "tree" / "__pycache__", ".rs", 1, first_seed=50)
    write_files(tmp_path / "tree", ".HPP", 1)
    (tmp_path / "tree" / "README").write_text(program(1))
    (tmp_path / "tree" / "notes.unknown").write_text(program(2))
    documents, _ = read(folder(tmp_path / "tree"), languages=("rust", "cpp", "english"))
    name = f"{tmp_path.name}/tree"
    assert sorted((document.metadata["language"], document.id) for document in documents) == [
        ("cpp", f"{name}/file_0.HPP"),
        ("english", f"{name}/README"),
        ("rust", f"{name}/deep/er/file_0.rs"),
        ("rust", f"{name}/deep/er/file_1.rs"),
    ]
    assert {document.metadata["source"] for document in documents} == {"folder"}
    assert {document.text for document in documents} == {program(0), program(1)}


def test_a_budget_can_be_one_of_a_language_and_a_part_has_its_part_of_it(tmp_path):
    for suffix in (".rs", ".py"):
        write_files(tmp_path, suffix, 20)
    budgets = {"rust": None, "python": 6 * len(program(1).encode())}
    for parts in (1, 2):
        executor = {"parts": parts}
        documents, stats = read(
            folder(tmp_path), languages=("rust", "python"), max_bytes_per_language=budgets, executor=executor
        )
        found = Counter(document.metadata["language"] for document in documents)
        assert found["rust"] == 20
        assert 4 <= found["python"] <= 7
        assert stats["dropped/over_budget/python"] == 20 - found["python"]


@pytest.mark.parametrize("kind", ["folder", "jsonl"])
def test_a_source_that_is_held_out_is_taken_whole_and_takes_nothing_of_the_budget(tmp_path, kind):
    write_files(tmp_path / "ours", ".rs", 20)
    write_files(tmp_path / "theirs", ".rs", 15, first_seed=50)
    rows = write_rows(tmp_path / "theirs.jsonl", range(50, 65))
    ours = folder(tmp_path / "ours")
    theirs = {"kind": kind, "path": str(tmp_path / "theirs" if kind == "folder" else rows)}
    budget = 6 * len(program(1).encode())
    alone, _ = read(ours, max_bytes_per_language=budget)
    documents, stats = read(ours, theirs | {"held_out": True}, max_bytes_per_language=budget)
    held_out = [document for document in documents if document.metadata.get("held_out")]
    assert {document.text for document in held_out} == {program(seed) for seed in range(50, 65)}
    assert [document.id for document in documents if document not in held_out] == [document.id for document in alone]
    assert (stats["found/rust"], stats["dropped/over_budget/rust"]) == (35, 20 - len(alone))


def test_files_that_cannot_be_used_are_counted_by_reason(tmp_path):
    write_files(tmp_path, ".rs", 2)
    (tmp_path / "binary.rs").write_bytes(b"\0" * 300)
    (tmp_path / "latin.rs").write_bytes("é".encode("latin-1") * 300)
    (tmp_path / "large.rs").write_text("x" * 5001)
    (tmp_path / "small.rs").write_text("x" * 199)
    (tmp_path / "broken.rs.gz").write_bytes(gzip.compress(program(5).encode())[:-12])
    (tmp_path / "dangling.rs").symlink_to(tmp_path / "nowhere")
    documents, stats = read(folder(tmp_path), max_file_bytes=5000)
    reasons = ("binary", "encoding", "too_large", "too_small", "unreadable")
    assert [stats[f"dropped/{reason}/rust"] for reason in reasons] == [1, 1, 1, 1, 2]
    assert (len(documents), stats["found/rust"]) == (2, 8)


def test_names_and_licences_that_are_no_utf8_are_read_under_names_that_are(tmp_path):
    root = tmp_path / os.fsdecode(b"\xe9")
    archive, lines = root / os.fsdecode(b"\xe9.zip"), root / os.fsdecode(b"\xe9.jsonl")
    write_files(root, ".rs", 1)
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("a.rs", program(2))
    row = {"text": program(3), "path": "\ud800.rs", "licence": ["\ud800", "MIT"]}
    lines.write_text(json.dumps(row) + "\n")
    sources = [{"kind": kind, "path": str(path)} for kind, path in (("archive", archive), ("jsonl", lines))]
    documents, _ = read(folder(root), *sources)
    told = {document.id.encode().decode(): document.metadata["licence"] for document in documents}
    assert told == {
        f"{tmp_path.name}/�/file_0.rs": "unknown",
        "�/�.zip/a.rs": "unknown",
        "�/�.jsonl#0/?.rs": "? AND MIT",
    }


@pytest.mark.parametrize("is_stripped", [True, False])
def test_a_file_without_text_is_too_small_whatever_the_limit_and_a_bomb_is_not_unpacked(tmp_path, is_stripped):
    for number, content in enumerate((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"")):
        (tmp_path / f"{number}.rs").write_bytes(content)
    (tmp_path / "a.rs.gz").write_bytes(gzip.compress(program(1).encode()))
    (tmp_path / "bomb.rs.gz").write_bytes(gzip.compress(b"x" * 20_000_000, 1))
    documents, stats = read(folder(tmp_path), min_file_bytes=0, strip_licence_headers=is_stripped)
    assert [document.text for document in documents] == [program(1)]
    assert (stats["dropped/too_small/rust"], stats["dropped/too_large/rust"]) == (3, 1)


def test_toolchains_read_folders_behind_links_once_and_the_first_archive(tmp_path, monkeypatch):
    write_files(tmp_path / "real" / "library", ".rs", 2)
    write_files(tmp_path / "real" / "library" / "site-packages", ".rs", 1, first_seed=7)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for version in ("17", "21"):
        (tmp_path / version).mkdir()
        with zipfile.ZipFile(tmp_path / version / "src.zip", "w") as archive:
            archive.writestr("java.base/java/A.java", program(int(version)))
            archive.writestr("java.base/notes.txt", program(1))
    (tmp_path / "11").mkdir()
    (tmp_path / "11" / "src.zip").symlink_to(tmp_path / "nowhere")
    libraries = {"rust": ("link/library", "real/library"), "java": ("*/src.zip",)}
    for language, patterns in libraries.items():
        entry = replace(LANGUAGES[language], library=tuple(f"{tmp_path}/{pattern}" for pattern in patterns))
        monkeypatch.setitem(LANGUAGES, language, entry)
    documents, _ = read({"kind": "toolchains"}, languages=("rust", "java"))
    assert [document.text for document in documents if document.metadata["language"] == "java"] == [program(17)]
    assert sorted(document.id for document in documents) == [
        "17/src.zip/java.base/java/A.java",
        "real/library/file_0.rs",
        "real/library/file_1.rs",
    ]
    assert {document.metadata["licence"] for document in documents} == {
        LANGUAGES["java"].library_licence,
        LANGUAGES["rust"].library_licence,
    }


def test_the_draw_depends_on_the_seed_and_a_larger_budget_keeps_the_files_of_a_smaller_one(tmp_path):
    write_files(tmp_path / "tree", ".rs", 20)
    rows = write_rows(tmp_path / "rows.jsonl", range(50, 60))
    sources = [{"kind": "jsonl", "path": str(rows)}, folder(tmp_path / "tree")]
    documents, stats = read(*sources, max_bytes_per_language=None)
    assert {document.text for document in documents} == {program(seed) for seed in (*range(20), *range(50, 60))}
    assert stats["found/rust"] == 30
    for budget in (8_000, 10_000, 10**7):
        budgeted, stats = read(*sources, max_bytes_per_language=budget)
        assert [document.id for document in budgeted] == [document.id for document in documents[: len(budgeted)]]
        drawn_bytes = sum(len(document.text.encode()) for document in budgeted)
        assert budget - 1_000 < drawn_bytes <= budget or len(budgeted) == 30
        assert stats.get("dropped/over_budget/rust", 0) == 30 - len(budgeted)
    other, _ = read(*sources, max_bytes_per_language=8_000, seed=1)
    assert [document.id for document in other] != [document.id for document in documents[: len(other)]]


def test_headers_count_only_where_their_content_is_of_the_language(tmp_path):
    with tarfile.open(tmp_path / "headers.tar", "w") as archive:
        for number in range(12):
            (tmp_path / "file").write_bytes((C_HEADER if number % 3 else CPP_HEADER) + b"// %d\n" % number)
            archive.add(tmp_path / "file", f"inc/{number}.h")
    (tmp_path / "file").unlink()
    (tmp_path / "script").write_text("#!/usr/bin/env ruby\n" + program(1))
    (tmp_path / "tree.h").write_bytes(CPP_HEADER)
    sources = ({"kind": "archive", "path": str(tmp_path / "headers.tar")}, folder(tmp_path))
    for budget in (None, 4 * len(CPP_HEADER)):
        documents, stats = read(*sources, languages=("cpp", "ruby"), max_bytes_per_language=budget)
        of_ruby = [document for document in documents if document.metadata["language"] == "ruby"]
        assert [document.id.rsplit("/", 1)[1] for document in of_ruby] == ["script"]
        assert all(document.text.startswith("#pragma once") for document in documents if document not in of_ruby)
        assert len(documents) == (6 if budget is None else 4)
        assert stats["found/ruby"] == 1
        assert stats["found/cpp"] - stats.get("dropped/over_budget/cpp", 0) == len(documents) - 1


@pytest.mark.parametrize(("kind", "budget"), [("archive", None), ("jsonl", 400_000)])
def test_memory_is_that_of_the_budget_and_not_of_the_source(tmp_path, kind, budget):
    texts = [program(seed) * 100 for seed in range(120)]  # 80 kB each
    path = tmp_path / {"archive": "a.tar.gz", "jsonl": "a.jsonl.gz"}[kind]
    if kind == "jsonl":
        with gzip.open(path, "wt", compresslevel=1) as lines:
            lines.writelines(json.dumps({"text": text, "path": "a.rs"}) + "\n" for text in texts)
    else:
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for number, text in enumerate(texts):
                (tmp_path / "file").write_text(text)
                archive.add(tmp_path / "file", f"{number}.rs")
    total = sum(len(text.encode()) for text in texts)
    del texts
    reader = SourceReader(
        recipe_of({"kind": kind, "path": str(path)}, max_bytes_per_language=budget).corpus, ["rust"], 0
    )
    tracemalloc.start()
    drawn = sum(len(document.text.encode()) for document in reader.run())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 8_000_000
    assert drawn == total if budget is None else 300_000 < drawn <= 400_000
    assert peak < 1_500_000


def row(name: str, content: bytes | None, size: int | None) -> Candidate:
    opener = unreadable if content is None else partial(io.BytesIO, content)
    return Candidate("rust", "archive", name, "MIT", opener, size)


def test_rows_of_refused_sizes_take_no_budget_and_large_ones_no_memory():
    reader = SourceReader(recipe_of({"kind": "toolchains"}, min_file_bytes=2, max_file_bytes=100).corpus, ["rust"], 0)
    rows = EarliestRows(lambda row: int(row.path), 25, (2, 100), reader._content)
    contents = [b"x" * 101, None, b"z", None, *[b"x" * 10] * 20]
    for place, content in enumerate(contents):
        rows.put(row(str(place), content, size={1: 10**6, 3: 9}.get(place)))
    held = {int(one.path): one for one in rows.rows()}
    assert sorted(held) == [0, 1, 2, 3, 4, 5, 6], "those that fit and one more"
    assert rows.num_dropped == len(contents) - 7
    assert [held[place].size for place in range(4)] == [101, 10**6, 1, None]
    for place in (0, 1, 3):
        with pytest.raises(OSError, match="no text"):
            held[place].open()


def test_a_source_of_a_language_that_is_neither_learnt_nor_kept_is_refused(tmp_path):
    (tmp_path / "a.rs").write_text("")
    values = [
        {"kind": "folder", "path": tmp_path, "language": "rust"},
        {"kind": "folder", "path": tmp_path},
        {"kind": "folder", "path": tmp_path, "language": "java"},
        {"kind": "toolchains", "language": "java"},
    ]
    sources = [SourceSection.model_validate(value) for value in values]
    require_sources(sources, ["rust", "java"])
    with pytest.raises(CorpusError) as caught:
        require_sources(sources, ["rust", "python"])
    assert all(
        f"corpus.sources.{place}.language: java is not in learn or keep" in str(caught.value) for place in (2, 3)
    )
