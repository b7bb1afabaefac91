"""A corpus folder is read whole, and what does not fit together is told in one line."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from multipl_moe.corpus import read_documents
from multipl_moe.corpus.inspection.documents import inspect_documents
from multipl_moe.corpus.inspection.inspection import inspect_corpus
from multipl_moe.errors import ConfigError, CorpusError
from tests.corpus.conftest import program


@pytest.fixture
def copy(corpus, tmp_path) -> Path:
    return Path(shutil.copytree(corpus[0], tmp_path / "copy"))


def test_lengths_are_those_of_the_tokenised_documents(corpus):
    folder, manifest = corpus
    for language, lengths_D in inspect_corpus(folder).lengths.items():
        row = manifest.languages[language]
        assert len(lengths_D) == row.train_files
        assert lengths_D.sum() == row.train_tokens
        (index,) = (folder / "tokens" / "train" / language).glob("*.index")
        assert np.array_equal(np.cumsum(lengths_D), np.fromfile(index, np.uint64))


def test_samples_are_drawn_by_the_seed_from_both_splits(corpus):
    folder, manifest = corpus
    draws = [inspect_documents(folder, manifest, seed, 2, 4).samples for seed in range(20)]
    assert draws[0] == inspect_documents(folder, manifest, 0, 2, 4).samples
    assert all(len(samples) == 2 for draw in draws for samples in draw.values())
    for split in ("train", "validation"):
        paths = {file.path for file in read_documents(folder, split, "rust")}
        drawn = {sample.path for draw in draws for sample in draw["rust"] if sample.split == split}
        assert drawn <= paths
        assert len(drawn) > len(paths) / 2


def test_a_sample_is_a_documents_first_lines_with_what_is_known_of_it(corpus):
    folder, manifest = corpus
    counts, samples = manifest.languages["python"], inspect_documents(folder, manifest, 0, 100, 4).samples["python"]
    assert len(samples) == counts.train_files + counts.validation_files
    (sample,) = [sample for sample in samples if sample.path.endswith("file_107.py")]
    text = program(107)
    assert sample.beginning.splitlines() == text.splitlines()[:4]
    assert (sample.num_lines, sample.num_bytes) == (len(text.splitlines()), len(text.encode()))
    assert sample.licence == "Apache-2.0"


def test_benchmarks_that_were_not_checked_are_named_with_the_reason(copy):
    assert inspect_corpus(copy).unchecked == {}
    recipe = (copy / "recipe.yaml").read_text()
    assert "\n  benchmarks:\n  - starter\n" in recipe
    (copy / "recipe.yaml").write_text(recipe.replace("\n  - starter\n", "\n  - starter\n  - mbpp\n  - humaneval\n"))
    assert inspect_corpus(copy).unchecked == {"mbpp": "no copy was at hand"}
    content = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(content | {"decontamination": {}}))
    assert inspect_corpus(copy).unchecked == dict.fromkeys(["starter", "humaneval", "mbpp"], "not asked for")


def test_lists_that_were_removed_are_none(copy):
    (copy / "dropped.jsonl.gz").unlink()
    (copy / "duplicates.jsonl").unlink()
    inspection = inspect_corpus(copy)
    assert (inspection.dropped, inspection.duplicates) == (None, None)


def rewrite(file: Path, change) -> None:
    """Change the rows of a compressed list."""
    rows = change(gzip.decompress(file.read_bytes()).splitlines(keepends=True))
    file.write_bytes(gzip.compress(b"".join(rows)))


DOCUMENTS = "documents/train/rust.jsonl.gz"
FAULTS = {
    "documents missing": (DOCUMENTS, lambda file: file.unlink(), "rust.jsonl.gz: broken .No such file"),
    "documents cut off": (DOCUMENTS, lambda file: file.write_bytes(file.read_bytes()[:-30]), "rust.jsonl.gz: broken"),
    "one too few": (
        DOCUMENTS,
        lambda file: rewrite(file, lambda rows: rows[1:]),
        r"rust.jsonl.gz: has \d+ documents, but manifest.json says \d+; build the corpus again",
    ),
    "another text": (
        DOCUMENTS,
        lambda file: rewrite(file, lambda rows: [rows[0].replace(b";", b"; ", 1), *rows[1:]]),
        "bytes of text, but manifest.json says",
    ),
    "drops of another": (
        "dropped.jsonl.gz",
        lambda file: rewrite(file, lambda rows: rows[:-1]),
        r"dropped.jsonl.gz: has \d files in \w+ dropped as \w+, but manifest.json says \d",
    ),
    "a cluster lost": (
        "duplicates.jsonl",
        lambda file: file.write_bytes(file.read_bytes().partition(b"\n")[2]),
        "duplicates.jsonl: has 3 clusters, but manifest.json says 4",
    ),
    "tokens missing": ("tokens/train/rust", shutil.rmtree, "rust: no tokens"),
    "manifest missing": ("manifest.json", lambda file: file.unlink(), "not a corpus"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_broken_or_does_not_fit_is_told(copy, fault):
    place, damage, message = FAULTS[fault]
    damage(copy / place)
    with pytest.raises((CorpusError, ConfigError), match=message) as caught:
        inspect_corpus(copy)
    assert "\n" not in str(caught.value)
    assert str(copy) in str(caught.value)
