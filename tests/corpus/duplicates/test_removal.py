"""Which documents are duplicates, and which of them stays, whatever the tasks that read them."""

import struct
from pathlib import Path

import orjson
from datatrove.data import Document

from multipl_moe.corpus.duplicates.pool import PoolOrder, write_index
from multipl_moe.corpus.duplicates.removal import (
    DuplicateClusters,
    WithoutRemoved,
    list_exact_duplicates,
    removed_places,
)
from multipl_moe.corpus.read.candidates import draw_order

SEED = 5


def document(path: str, language: str, text: str) -> Document:
    return Document(text, path, metadata={"path": path, "language": language})


def index(folder: Path, files: dict[str, dict[str, str]]) -> PoolOrder:
    """Index texts by language and path, drawn as the reader does."""
    for task, (language, texts) in enumerate(files.items()):
        paths = sorted(texts, key=lambda path: draw_order(SEED, path))
        list(write_index(folder, (document(path, language, texts[path]) for path in paths), task))
    return PoolOrder(SEED, len(files), 1)


def removed_paths(folder: Path, removed: Path, order: PoolOrder) -> dict[str, tuple[str, str]]:
    return {
        entry.path: removed_places(removed, entry.task)[entry.position]
        for entry in order.entries(folder)
        if entry.position in removed_places(removed, entry.task)
    }


def test_of_equal_texts_the_first_of_the_draw_stays_in_whatever_task(tmp_path):
    go = {f"{number}.go": f"text {number % 7}" for number in range(20)}
    ruby = {f"{number}.rb": f"text {number}" for number in range(9)}
    order = index(tmp_path / "index", {"go": go, "ruby": ruby})
    list_exact_duplicates(tmp_path / "index", tmp_path / "exact", order)
    drawn = sorted(go, key=lambda path: draw_order(SEED, path))
    first = {text: next(path for path in drawn if go[path] == text) for text in go.values()}
    expected = {path: ("exact_duplicate", first[text]) for path, text in go.items() if first[text] != path}
    expected |= {path: ("exact_duplicate", first[text]) for path, text in ruby.items() if text in first}
    assert removed_paths(tmp_path / "index", tmp_path / "exact", order) == expected


def test_a_cluster_is_of_near_duplicates_and_their_copies_and_keeps_its_first(tmp_path):
    texts = {f"{number}.go": f"text {number}" for number in range(12)}
    a, b, c, d, copy_of_b, copy_of_d, *_ = drawn = sorted(texts, key=lambda path: draw_order(SEED, path))
    texts |= {copy_of_b: texts[b], copy_of_d: texts[d]}
    order = index(tmp_path / "index", {"go": texts})
    list_exact_duplicates(tmp_path / "index", tmp_path / "exact", order)
    # MinHash knows nothing of the copies, so the last document is its number 9. It found a, b and the last one alike.
    (tmp_path / "near").mkdir()
    pairs = [(0, 7), (1, 7), (9, 7)]
    (tmp_path / "near" / "000000.clusters").write_bytes(b"".join(struct.pack("<2I", *pair) for pair in pairs))
    index_folder, exact, near = (tmp_path / name for name in ("index", "exact", "near"))
    DuplicateClusters(index_folder, exact, near, tmp_path / "removed", tmp_path / "report.jsonl", order).run()
    assert removed_paths(tmp_path / "index", tmp_path / "removed", order) == {
        b: ("near_duplicate", a),
        copy_of_b: ("exact_duplicate", a),
        copy_of_d: ("exact_duplicate", d),
        drawn[-1]: ("near_duplicate", a),
    }
    report = [orjson.loads(line) for line in (tmp_path / "report.jsonl").read_bytes().splitlines()]
    assert report == [
        {"cluster": 0, "kept": a, "paths": [a, b, copy_of_b, drawn[-1]], "languages": ["go"] * 4},
        {"cluster": 1, "kept": d, "paths": [d, copy_of_d], "languages": ["go"] * 2},
    ]
    assert c in drawn


def test_a_file_of_two_sources_with_one_name_is_removed_once(tmp_path):
    order = PoolOrder(SEED, 1, 1)
    twice = [document("a.go", "go", "text"), document("a.go", "go", "text")]
    list(write_index(tmp_path / "index", twice))
    list_exact_duplicates(tmp_path / "index", tmp_path / "exact", order)
    for position, found in enumerate(twice):
        found.metadata["place"] = (0, position)
    assert list(WithoutRemoved(tmp_path / "exact").run(iter(twice))) == twice[:1]
    assert "place" not in twice[0].metadata
