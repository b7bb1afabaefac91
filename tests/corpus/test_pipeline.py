"""Building a corpus: duplicates, splits, errors, interruption, reproducibility."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from multipl_moe.corpus import CorpusManifest, TextFile, build_corpus, read_documents
from multipl_moe.corpus.manifest import DROP_REASONS
from multipl_moe.corpus.pipeline import base_name
from multipl_moe.corpus.read.row_files import rows_of
from multipl_moe.corpus.read.sources import no_files
from multipl_moe.errors import BaseModelError, CorpusError
from multipl_moe.recipe.corpus import SourceSection
from tests.corpus.token_files import token_lists

from .conftest import SPLITS, nearly, program, recipe_of, write_files


def documents(folder: Path, language: str) -> dict[str, list[TextFile]]:
    return {split: read_documents(folder, split, language) for split in SPLITS}


def test_of_many_planted_near_duplicates_hardly_one_is_missed_and_no_clean_file_is_lost(tmp_path, tokenizer_folder):
    write_files(tmp_path / "in", ".rs", 80)
    write_files(tmp_path / "in", ".py", 2, first_seed=900)
    for seed in range(60):
        (tmp_path / "in" / f"near_{seed}.rs").write_text(nearly(program(seed), 0.02, seed), encoding="utf-8")
    recipe = recipe_of({"kind": "folder", "path": str(tmp_path / "in")})
    manifest = build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert 58 <= manifest.languages["rust"].dropped["near_duplicate"] <= 60
    clusters = list(rows_of(tmp_path / "out" / "duplicates.jsonl"))
    assert len(clusters) == manifest.duplicate_clusters == manifest.languages["rust"].dropped["near_duplicate"]
    numbers = [sorted(path.split("_")[-1] for path in cluster["paths"]) for cluster in clusters]
    assert all(len(pair) == 2 and pair[0] == pair[1] for pair in numbers), "a file was taken for another's duplicate"


def test_near_duplicates_stay_if_asked_and_the_terminal_stays_quiet(sources_folder, tokenizer_folder, tmp_path, capfd):
    source = {"kind": "folder", "path": str(sources_folder)}
    recipe = recipe_of(source, near_duplicates=False, executor={"workers": 2})
    manifest = build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert manifest.languages["rust"].dropped["near_duplicate"] == 0
    assert manifest.languages["rust"].train_files + manifest.languages["rust"].validation_files == 34
    assert capfd.readouterr() == ("", "")
    assert "Processing done" in (tmp_path / "out" / "logs" / "1_read" / "logs" / "task_00000.log").read_text()


def test_what_was_dropped_is_told_with_the_reason_and_how_it_begins(corpus):
    folder, _ = corpus
    dropped = list(rows_of(folder / "dropped.jsonl.gz"))
    assert Counter(row["reason"] for row in dropped) == {"near_duplicate": 3, "exact_duplicate": 1}
    assert all(row.keys() == {"path", "language", "reason", "detail", "excerpt"} for row in dropped)
    kept = {cluster["kept"] for cluster in rows_of(folder / "duplicates.jsonl")}
    assert {row["detail"] for row in dropped} == kept
    held = [*documents(folder, "rust").values(), *documents(folder, "python").values()]
    paths = {file.path for files in held for file in files}
    assert paths & (kept | {row["path"] for row in dropped}) == kept
    (copy,) = [row for row in dropped if row["reason"] == "exact_duplicate"]
    assert program(100).startswith(copy["excerpt"])
    assert len(copy["excerpt"]) == 300


def test_the_share_held_out_is_that_asked_for_and_the_manifest_counts_it(corpus, tokenizer_folder):
    folder, manifest = corpus
    assert manifest == CorpusManifest.load(folder)
    digest = hashlib.sha256((tokenizer_folder / "tokenizer.json").read_bytes()).hexdigest()
    assert (manifest.tokenizer, manifest.tokenizer_sha256, manifest.seed) == ("tiny", digest, 3)
    assert list(manifest.languages) == ["rust", "python"]
    for language, counts in manifest.languages.items():
        held = documents(folder, language)
        assert tuple(counts.dropped) == DROP_REASONS
        assert (counts.train_files, counts.validation_files) == (len(held["train"]), len(held["validation"]))
        num_bytes = [sum(len(file.text.encode()) for file in held[split]) for split in SPLITS]
        assert [counts.train_bytes, counts.validation_bytes] == num_bytes
        assert abs(counts.validation_files - 0.2 * (counts.train_files + counts.validation_files)) <= 1
    assert manifest.languages["python"].licences == {"Apache-2.0": 19, "MIT": 1}
    row = next(rows_of(folder / "documents" / "train" / "python.jsonl.gz"))
    assert set(row) == {"text", "id", "metadata"}
    assert row["metadata"].keys() == {"language", "path", "source", "licence", "split"}
    assert row["id"].endswith(".py")


def test_only_training_documents_are_tokenised_and_decode_to_the_same_bytes(corpus, tokenizer_folder):
    folder, manifest = corpus
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    for language, counts in manifest.languages.items():
        written = token_lists(folder / "tokens" / "train" / language)
        assert counts.train_tokens == sum(map(len, written))
        assert all(document.index(tokenizer.eos_token_id) == len(document) - 1 for document in written)
        decoded = [tokenizer.decode(document[:-1], clean_up_tokenization_spaces=False) for document in written]
        assert decoded == [file.text for file in documents(folder, language)["train"]]
    assert not (folder / "tokens" / "validation").exists()


def test_all_languages_without_files_or_whose_files_all_drop_out_are_named(tokenizer_folder, tmp_path):
    source = {"kind": "folder", "path": str(tmp_path / "in")}
    write_files(tmp_path / "in", ".py", 4)
    (tmp_path / "in" / "a.rs").write_text("fn main() {}")
    (tmp_path / "in" / "b.rs").write_text(program(50))
    with pytest.raises(CorpusError, match=r"rust: 1 of 2 files left \(too_small 1\)"):
        build_corpus(recipe_of(source), tokenizer_folder, tmp_path / "out")
    recipe = recipe_of(source, learn=("rust", "go"), keep=("ruby", "python"))
    message = rf"no source file for go \(\.go\), ruby \(\.rb\) in {tmp_path / 'in'}; add to corpus"
    with pytest.raises(CorpusError, match=message):
        build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    told = no_files(["go", "ruby"], [SourceSection(kind="toolchains")])
    assert "no source file for go (apt install golang-go), ruby (apt install ruby); install what is missing" in told


def test_progress_is_told(corpus, told):
    titles, tasks = told
    assert [title.split()[0] for title in titles] == [
        "Reading", "Looking", "Signing", "Looking", "Choosing", "Splitting",
    ]  # fmt: skip
    assert tasks[0] == (titles[0], 0, 2)
    ended = {title: (num_done, num_tasks) for title, num_done, num_tasks in tasks}
    assert list(ended.items()) == list(zip(titles, [(num, num) for num in (2, 1, 2, 4, 1, 2)], strict=True))


def test_a_tokenizer_that_is_missing_or_without_end_of_text_is_refused(corpus_recipe, tokenizer_folder, tmp_path):
    with pytest.raises(BaseModelError, match=r"no tokenizer\.json"):
        build_corpus(corpus_recipe, tmp_path, tmp_path / "out")
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes())
    config = json.loads((tokenizer_folder / "tokenizer_config.json").read_text())
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config | {"eos_token": None}))
    with pytest.raises(BaseModelError, match="eos_token"):
        build_corpus(corpus_recipe, tmp_path, tmp_path / "out")


def test_a_whole_source_can_be_held_out(tokenizer_folder, tmp_path):
    for name, first in {"ours": 0, "theirs": 50}.items():
        write_files(tmp_path / name, ".rs", 12, first_seed=first)
        write_files(tmp_path / name, ".py", 6, first_seed=first + 20)
    (tmp_path / "theirs" / "copy.rs").write_text(program(3))
    sources = [
        {"kind": "folder", "path": str(tmp_path / name), "held_out": name == "theirs"} for name in ("ours", "theirs")
    ]
    build_corpus(recipe_of(*sources), tokenizer_folder, tmp_path / "out")
    rust, python = (documents(tmp_path / "out", language) for language in ("rust", "python"))
    assert not any("/theirs/" in file.path for file in [*rust["train"], *python["train"]])
    assert 11 <= len(rust["train"]) <= 12
    assert all("/theirs/" in file.path for file in rust["validation"])
    assert sum(file.text == program(3) for files in rust.values() for file in files) == 1


@pytest.mark.parametrize(
    ("base", "folder", "name"),
    [
        ("smollm2-135m", "cache/smollm2-135m-3", "smollm2-135m"),
        ("models/mine.gguf", "cache/gguf-3-1d9614638d18024d", "mine.gguf"),
        ("owner/name", "hub/models--owner--name/snapshots/a1b2c3", "name"),
        ("./", "models/mine", "mine"),
    ],
)
def test_a_base_is_called_what_the_user_called_it(monkeypatch, tmp_path, base: str, folder: str, name: str):
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "cache"))
    assert base_name(base, tmp_path / folder) == name
