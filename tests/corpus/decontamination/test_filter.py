"""The pipeline's step, and what a corpus's manifest then says."""

import json

import pytest
from datatrove.data import Document
from datatrove.pipeline.writers import JsonlWriter

from multipl_moe.corpus import CorpusManifest, build_corpus, read_documents
from multipl_moe.corpus.decontamination.benchmark_check import BenchmarkCheck
from multipl_moe.corpus.decontamination.filter import Decontaminate
from multipl_moe.corpus.decontamination.index import BenchmarkIndex
from multipl_moe.corpus.decontamination.parts import parts_of
from multipl_moe.problems.starter_set import read_starter
from tests.corpus.conftest import program, recipe_of, write_files
from tests.corpus.decontamination.disguises import whole

ROMAN, SPIRAL = (problem for problem in read_starter(["rust"]) if problem.id in ("spiral_order", "to_roman"))


def documents(**texts: str) -> list[Document]:
    return [Document(text, name, metadata={"language": "rust", "path": name}) for name, text in texts.items()]


@pytest.fixture(scope="module")
def index() -> BenchmarkIndex:
    return BenchmarkIndex(parts_of(read_starter()))


def test_files_with_problems_are_dropped_with_the_problems_named_and_counted(index):
    step = Decontaminate(index)
    given = documents(clean=program(1), one=program(2) + whole(SPIRAL), both=whole(SPIRAL) + whole(ROMAN))
    assert [document.id for document in step.run(given)] == ["clean"]
    assert given[1].metadata["detail"].startswith("starter/spiral_order (")
    assert {"starter/spiral_order", "starter/to_roman"} <= set(given[2].metadata["detail"].replace(" ", ",").split(","))
    counts = {label: int(value.total) for label, value in step.stats.stats.items() if "contaminated" in label}
    assert counts == {
        "dropped_contaminated": 2,
        "dropped/contaminated/rust": 2,
        "contaminated/starter/spiral_order": 2,
        "contaminated/starter/to_roman": 1,
    }


def test_what_is_dropped_goes_to_the_writer_with_the_detail(index, tmp_path):
    writer = JsonlWriter(str(tmp_path), "dropped.jsonl", compression=None)
    list(Decontaminate(index, exclusion_writer=writer).run(documents(clean=program(1), one=whole(ROMAN))))
    (row,) = map(json.loads, (tmp_path / "dropped.jsonl").read_text().splitlines())
    assert (row["id"], row["metadata"]["filter_reason"]) == ("one", "contaminated")
    assert row["metadata"]["detail"] == "starter/to_roman (prompt 1.00)"


def test_a_corpus_holds_none_of_them_and_its_manifest_counts_them(tmp_path, tokenizer_folder):
    for first_seed, suffix in ((0, ".rs"), (50, ".py")):
        write_files(tmp_path / "in", suffix, 3, first_seed)
    (tmp_path / "in" / "spiral.rs").write_text(program(7) + whole(SPIRAL))
    source = {"kind": "folder", "path": str(tmp_path / "in")}
    told: list[str] = []
    manifest = build_corpus(recipe_of(source), tokenizer_folder, tmp_path / "out", told.append)
    assert CorpusManifest.load(tmp_path / "out") == manifest
    assert manifest.languages["rust"].dropped["contaminated"] == 1
    assert manifest.languages["rust"].dropped["near_duplicate"] == 0
    assert manifest.decontamination["starter"] == BenchmarkCheck("checked", {"spiral_order": 1}, 31, 31)
    assert manifest.decontamination["mbxp"] == BenchmarkCheck("unavailable", {})
    assert "mbxp" in told[0]
    kept = [file.text for split in ("train", "validation") for file in read_documents(tmp_path / "out", split, "rust")]
    assert len(kept) == 3
    assert not any("spiral" in text for text in kept)


def test_on_request_nothing_is_checked(tmp_path, tokenizer_folder):
    for first_seed, suffix in ((0, ".rs"), (50, ".py")):
        write_files(tmp_path / "in", suffix, 3, first_seed)
    (tmp_path / "in" / "spiral.rs").write_text(whole(SPIRAL))
    recipe = recipe_of({"kind": "folder", "path": str(tmp_path / "in")}, decontaminate="none")
    manifest = build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert manifest.languages["rust"].dropped["contaminated"] == 0
    assert manifest.decontamination == {}
