"""Tokens of training documents with some rearranged to fill in the middle."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from datatrove.data import Document
from tokenizers import Tokenizer, normalizers

from multipl_moe.corpus import CorpusManifest, build_corpus, read_documents
from multipl_moe.corpus.fim import FimRule, undo_fim
from multipl_moe.corpus.tokens import DocumentBounds, LanguageTokenizer
from multipl_moe.data.calibration_data import require_same_tokenizer
from multipl_moe.data.packed import PackedTokens
from multipl_moe.errors import ConfigError
from multipl_moe.fim_tokens import FimTokens
from multipl_moe.model.documents import IGNORED_LABEL
from tests.corpus.token_files import token_lists
from tests.fixtures import add_tokens, save_beginning_texts

from .conftest import program, recipe_of

SPELLING = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
FIM = FimTokens(300, 301, 302)
END = 0  # of the tokenizer: "<|endoftext|>"


@pytest.fixture
def tokenizer_file(tokenizer_folder, tmp_path) -> Path:
    """A tokenizer that, as Qwen's, has the tokens but does not count them as special."""
    folder = Path(shutil.copytree(tokenizer_folder, tmp_path / "tiny"))
    add_tokens(folder, *SPELLING)
    return folder / "tokenizer.json"


def texts_of(rows: list[list[int]], tokenizer: Tokenizer) -> list[str]:
    """The text of each row, rearranged or not, without its EOS token."""
    return [
        "".join(tokenizer.decode(run, skip_special_tokens=False) for run in undo_fim(row[:-1], FIM)) for row in rows
    ]


def documents_of(texts: Iterable[str]) -> list[Document]:
    metadata = {"language": "rust", "split": "train"}
    return [Document(text, str(n), metadata=metadata | {"path": f"{n}.rs"}) for n, text in enumerate(texts)]


def write(
    documents: list[Document],
    output: Path,
    tokenizer_file: Path,
    piece_characters: int | None = None,
    start: tuple[int, ...] = (),
) -> tuple[list[list[int]], LanguageTokenizer]:
    rule = FimRule(FIM, 5, 0.6, piece_characters=piece_characters)
    step = LanguageTokenizer(output, tokenizer_file, DocumentBounds([*start], END), rule)
    step.run(iter(documents))
    return token_lists(output / "rust"), step


def test_order_and_neighbours_change_no_document_and_forms_are_counted(tokenizer_file, tmp_path):
    documents = documents_of(program(seed, 12) + SPELLING[seed % 3] for seed in range(30))
    rows, step = write(documents, tmp_path / "one", tokenizer_file)
    others, _ = write(documents[::-2], tmp_path / "two", tokenizer_file)
    assert others == rows[::-2]
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    counts = {form: step.stats.stats[f"fim_{form}/rust"].total for form in ("psm", "spm")}
    assert counts["spm"] == sum(row[:2] == [FIM.prefix, FIM.suffix] for row in rows) > 0
    assert counts["psm"] == sum(row[0] == FIM.prefix for row in rows) - counts["spm"] > 0
    assert {row[-1] for row in rows} == {END} == {tokenizer.token_to_id("<|endoftext|>")}
    assert texts_of(rows, tokenizer) == [document.text for document in documents]
    inside = {token for row in rows for run in undo_fim(row[:-1], FIM) for token in run}
    assert not set(FIM) & inside  # text that spells a token is data


def test_long_documents_are_several_pieces_each_with_an_end_and_a_start_token_of_its_own(tokenizer_file, tmp_path):
    documents = documents_of(program(seed) for seed in range(9))
    rows, step = write(documents, tmp_path / "one", tokenizer_file, 200)
    texts = texts_of(rows, Tokenizer.from_file(str(tokenizer_file)))
    assert "".join(texts) == "".join(document.text for document in documents)
    num_rearranged = sum(step.stats.stats[f"fim_{form}/rust"].total for form in ("psm", "spm"))
    assert 0 < num_rearranged < len(documents)
    pieces = [text for text, row in zip(texts, rows, strict=True) if row[0] == 300]
    assert len(pieces) > 3 * num_rearranged
    assert max(map(len, pieces)) <= 200
    assert {text for text in texts if len(text) > 200} <= {document.text for document in documents}
    begun, other = write(documents, tmp_path / "two", tokenizer_file, 200, start=(7,))
    assert begun == [[7, *row] for row in rows]
    counted, other_counted = (each.stats.stats["tokens"].total for each in (step, other))
    assert other_counted == sum(map(len, begun)) == counted + len(rows)


def test_documents_that_the_tokenizer_normalises_are_counted(tokenizer_file, tmp_path):
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(tokenizer_file))
    documents = documents_of(text * 90 for text in ("caf\u00e9", "cafe\u0301", "plain", "A\u030a"))
    _, step = write(documents, tmp_path / "out", tokenizer_file, 50)
    assert step.stats.stats["normalised_files/rust"].total == 2


def test_a_corpus_filled_in_the_middle_begins_each_piece_and_decodes_to_its_documents(
    corpus_recipe, corpus, tokenizer_file, tmp_path
):
    folder, output = tmp_path / "begun", tmp_path / "out"
    start = save_beginning_texts(tokenizer_file.parent, folder)
    fim = corpus_recipe.corpus.fim.model_copy(update={"rate": 0.5, "piece_characters": None})
    manifest = build_corpus(corpus_recipe.with_settings("corpus", fim=fim), folder, output)
    assert manifest == CorpusManifest.load(output)
    require_same_tokenizer(folder, output)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    for language, counts in manifest.languages.items():
        files = read_documents(output, "train", language)
        assert files == read_documents(corpus[0], "train", language)
        rows = token_lists(output / "tokens" / "train" / language)
        assert counts.train_tokens == sum(map(len, rows))
        assert {row[0] for row in rows} == {start}
        assert 0 < sum(row[1] == FIM.prefix for row in rows) == sum(counts.fim.values()) < len(rows)
        assert texts_of([row[1:] for row in rows], tokenizer) == [file.text for file in files]
    packed = PackedTokens(output / "tokens" / "train" / "rust", 2048, "best_fit")
    num_starts = 0
    for row in (packed[index] for index in range(len(packed))):  # where it is context, and no target
        places = (row["input_ids"] == start).nonzero().flatten()
        num_starts += len(places)
        assert row["position_ids"][places].tolist() == [0] * len(places)
        assert row["labels"][places].tolist() == [IGNORED_LABEL] * len(places)
        assert row["position_ids"][places + 1].tolist() == [1] * len(places)
        assert row["labels"][places + 1].equal(row["input_ids"][places + 1])
    assert num_starts == packed.counts.documents > 0


def test_a_base_without_the_tokens_is_refused_before_anything_is_read(tokenizer_folder, tmp_path):
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "a.rs").write_text("fn main() {}\n" * 40)
    recipe = recipe_of({"kind": "folder", "path": str(tmp_path / "sources")}, fim={"rate": 0.5})
    with pytest.raises(ConfigError, match=r"corpus\.fim\.rate: the tokenizer of tiny has no tokens"):
        build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["sources"]
