"""Answers: tokens and what counts of them, and a corpus that is built of answers and files."""

from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from multipl_judge.languages.answers import cuts_of, parts_of
from multipl_judge.problems.starter_set import read_starter
from multipl_moe.corpus import CorpusManifest, build_corpus, pipeline, read_documents
from multipl_moe.corpus.answers import tokenised_answer
from multipl_moe.corpus.inspection.inspection import inspect_corpus
from multipl_moe.corpus.token_files import TokenFiles
from multipl_moe.corpus.tokens import LanguageTokenizer, document_bounds
from multipl_moe.data.packed import PackedTokens, packing_by_language
from multipl_moe.data.packing import PACKINGS
from multipl_moe.recipe.recipe import Recipe
from tests.corpus.read.test_answers import CHAT
from tests.corpus.token_files import token_lists
from tests.fixtures import save_beginning_texts, save_chat_tokenizer
from tests.multipl_judge.problems.samples import write_rows

from .conftest import content, nearly, on_executor, program, recipe_of, write_files

NAME = "rust.answers"
SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def written(folder: Path, output: Path, *answers: list[str]) -> tuple[list[list[int]], list[list[bool]]]:
    """Tokens of answers of these parts, and whether each counts, as a corpus holds them."""
    metadata = {"language": NAME, "split": "train"}
    documents = [
        Document("".join(parts), str(number), metadata=metadata | {"path": str(number), "cuts": cuts_of(parts)})
        for number, parts in enumerate(answers)
    ]
    LanguageTokenizer(output, folder / "tokenizer.json", document_bounds(folder)).run(documents)
    files = TokenFiles(output / NAME)
    counted = np.split(files.counted(0, files.num_tokens), files.document_ends[:-1])
    return token_lists(output / NAME), [row.tolist() for row in counted]


_TEXT = st.text(min_size=1, max_size=20)


@pytest.fixture(scope="module", params=[False, True], ids=["", "with a start token"])
def folder(request, tokenizer_folder, tmp_path_factory) -> Path:
    if not request.param:
        return tokenizer_folder
    folder = tmp_path_factory.mktemp("begun") / "tiny"
    save_beginning_texts(tokenizer_folder, folder)
    return folder


@settings(max_examples=10)
@given(st.lists(st.tuples(_TEXT, _TEXT), min_size=1, max_size=5))
def test_an_answer_is_its_prompt_as_generation_reads_it_its_completion_and_the_end(
    folder: Path, tmp_path_factory, answers: list[tuple[str, str]]
):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows, counted = written(folder, tmp_path_factory.mktemp("out"), *map(list, answers))
    for (prompt, completion), row, counts in zip(answers, rows, counted, strict=True):
        before = tokenizer(prompt)["input_ids"]
        after = [*tokenizer(completion, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        assert row == before + after
        assert counts == [False] * len(before) + [True] * len(after)
        assert tokenised_answer(tokenizer, [prompt, completion]) == (row, [(len(before), len(row))])


def test_in_a_chat_each_turn_of_the_assistant_counts_with_its_end_and_what_it_spells_is_text(tmp_path):
    save_chat_tokenizer(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    start, end = "<|im_start|>", "<|im_end|>"
    parts = [f"{start}user\nx{end}\n{start}assistant\n", f"a{end}b", f"{end}\n{start}user\ny{end}\n", "c", f"{end}\n"]
    (row,), (counts,) = written(tmp_path / "tiny", tmp_path / "tokens", parts)
    runs = [
        tokenizer.decode([token for token, one in zip(row, counts, strict=True) if one is kept])
        for kept in (True, False)
    ]
    assert runs == [f"a{end}b{end}c{end}", f"{parts[0]}\n{start}user\ny{end}\n\n"]
    end_id = tokenizer.convert_tokens_to_ids(end)
    assert [token == end_id for token, one in zip(row, counts, strict=True) if one].count(True) == 2
    assert tokenised_answer(tokenizer, parts)[0] == row


def answer_rows() -> list[dict[str, str]]:
    """Two answers to each of 20 long prompts, alike but for a word, and one short; a copy; a problem; a secret."""
    prompts = [f"// {number}\n{program(number)}fn f() {{\n" for number in range(20)]
    rows = [{"prompt": prompt, "completion": f"    {word}\n}}\n"} for prompt in prompts for word in ("one", "two")]
    problem = max(read_starter(["rust"]), key=lambda problem: len(problem.reference or ""))
    return [
        *rows,
        {"prompt": "f", "completion": "g"},
        rows[0],
        {"prompt": problem.prompt, "completion": problem.reference or ""},
        {"prompt": f"// {SECRET} and more\n", "completion": f'let token = "{SECRET}";\n', "licence": "MIT"},
    ]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Recipe:
    folder = tmp_path_factory.mktemp("sources") / "tree"
    write_files(folder / "rust", ".rs", 12)
    write_files(folder / "python", ".py", 12, first_seed=100)
    (folder / "rust" / "near.rs").write_text(nearly(program(3), 0.015), encoding="utf-8")
    (folder / "python" / "copy.py").write_text(program(4), encoding="utf-8")
    file = write_rows(folder.parent / "kept.jsonl", answer_rows())
    return recipe_of(
        {"kind": "folder", "path": str(folder)},
        {"kind": "answers", "path": str(file), "language": "rust"},
        validation_share=0.2,
        max_bytes_per_language=4000,
    )


@pytest.fixture(scope="module")
def built(recipe, tokenizer_folder, tmp_path_factory) -> tuple[Path, CorpusManifest]:
    output = tmp_path_factory.mktemp("built") / "corpus"
    return output, build_corpus(recipe, tokenizer_folder, output)


def test_every_answer_is_read_but_copies_and_problems_of_benchmarks(built):
    folder, manifest = built
    counts = manifest.languages[NAME]
    assert list(manifest.languages) == ["rust", "python", NAME]
    assert counts.train_files + counts.validation_files == 20 * 2 + 2
    dropped = {reason: number for reason, number in counts.dropped.items() if number}
    assert dropped == {"exact_duplicate": 1, "contaminated": 1}
    for language in ("rust", "python"):
        row = manifest.languages[language]
        assert row.train_files + row.validation_files + sum(row.dropped.values()) == 13
        assert row.dropped["over_budget"] > 0
    assert counts.replaced == {"github_token": 2}
    train, validation = (read_documents(folder, split, NAME) for split in ("train", "validation"))
    (redacted,) = [file for file in (*train, *validation) if file.licence == "MIT"]
    prompt, completion = parts_of(redacted.text, redacted.cuts)
    assert (prompt[-10:], completion[:11]) == (" and more\n", "let token =")
    assert SECRET not in redacted.text
    prompts, others = ({parts_of(file.text, file.cuts)[0] for file in files} for files in (train, validation))
    assert not prompts & others, "answers to one prompt are on both sides"
    assert counts.validation_files in range(8, 13)  # the last prompt held out may bring more than its share


def test_without_a_budget_parts_change_no_file_and_no_answer(recipe, tokenizer_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "_SEARCHES_PER_PART", 1)
    whole = recipe.with_settings("corpus", max_bytes_per_language=None)
    manifest = build_corpus(whole, tokenizer_folder, tmp_path / "one")
    assert manifest.duplicate_clusters == 3
    build_corpus(on_executor(whole, parts=4, workers=1), tokenizer_folder, tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "one")


def test_inspection_shows_where_the_loss_is_and_packing_leaves_long_answers_out(built):
    folder, manifest = built
    inspection = inspect_corpus(folder, documents=100, lines=100)
    assert inspection.titles[NAME] == "Rust, answers"
    shown = [sample.beginning for sample in inspection.documents.samples[NAME]]
    assert "f⟦g⟧" in shown
    assert all(text.count("⟦") == text.count("⟧") == 1 for text in shown)
    assert all("⟦" not in sample.beginning for sample in inspection.documents.samples["rust"])
    packings = packing_by_language(folder, 64)
    assert list(packings["rust"]) == list(PACKINGS)
    for name, by_packing in packings.items():
        for packing, counts in by_packing.items():
            assert PackedTokens(folder / "tokens" / "train" / name, 64, packing).counts == counts
    (one,) = packings[NAME].values()
    assert one.cut_documents == (inspection.lengths[NAME] > 64).sum() > 0
    assert one.lost_tokens == inspection.lengths[NAME][inspection.lengths[NAME] > 64].sum()
    assert manifest.languages[NAME].train_tokens == one.tokens


def test_a_language_may_have_answers_alone_chats_among_them(tmp_path):
    save_chat_tokenizer(tmp_path / "tiny")
    rows = [{"messages": [{"role": "system", "content": str(number)}, *CHAT]} for number in range(6)]
    (tmp_path / "chats").mkdir()
    file = write_rows(tmp_path / "chats" / "chats.jsonl", [{"language": "rust"} | row for row in rows])
    write_files(tmp_path / "in", ".py", 4)
    recipe = recipe_of({"kind": "folder", "path": str(tmp_path / "in")}, {"kind": "answers", "path": str(file.parent)})
    manifest = build_corpus(recipe, tmp_path / "tiny", tmp_path / "out")
    assert list(manifest.languages) == ["python", NAME]
    assert inspect_corpus(tmp_path / "out").manifest == manifest
    files = read_documents(tmp_path / "out", "train", "rust")
    assert len(files) == manifest.languages[NAME].train_files == 5
    rows, counted = written(tmp_path / "tiny", tmp_path / "again", *(parts_of(file.text, file.cuts) for file in files))
    tokens = TokenFiles(tmp_path / "out" / "tokens" / "train" / NAME)
    assert tokens.read(0, tokens.num_tokens).tolist() == [token for row in rows for token in row]
    assert np.asarray(tokens.counted(0, tokens.num_tokens)).tolist() == [one for row in counted for one in row]
