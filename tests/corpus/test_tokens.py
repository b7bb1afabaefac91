"""Tokens of training documents with some rearranged to fill in the middle."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from multipl_moe.corpus import CorpusManifest, build_corpus, read_documents
from multipl_moe.corpus.fim import FimRule, undo_fim
from multipl_moe.corpus.tokens import LanguageTokenizer
from multipl_moe.errors import ConfigError
from multipl_moe.fim_tokens import FimTokens, fim_vocabulary
from multipl_moe.recipe import Recipe

from .conftest import program, recipe_of

SPELLING = ["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]


def token_lists(folder: Path) -> list[list[int]]:
    """The documents of a folder of tokens, in order."""
    (file,) = folder.glob("*.ds")
    ends = np.fromfile(f"{file}.index", np.uint64).astype(int)
    return [tokens.tolist() for tokens in np.split(np.fromfile(file, np.uint16), ends[:-1])]


@pytest.fixture
def tokenizer_file(tokenizer_folder, tmp_path) -> Path:
    """A tokenizer that, as Qwen's, has the tokens but does not count them as special."""
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    tokenizer.add_tokens(SPELLING)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


def write(documents: list[Document], output: Path, tokenizer_file: Path) -> tuple[list[list[int]], LanguageTokenizer]:
    rule = FimRule(fim_vocabulary(None, tokenizer_file.parent).tokens, 5, 0.6)
    step = LanguageTokenizer(output, tokenizer_file, "<|endoftext|>", rule)
    step.run(iter(documents))
    return token_lists(output / "rust"), step


def test_order_and_neighbours_change_no_document_and_forms_are_counted(tokenizer_file, tmp_path):
    metadata = {"language": "rust", "split": "train"}
    documents = [
        Document(program(seed, 12) + SPELLING[seed % 3], str(seed), metadata=metadata | {"path": f"{seed}.rs"})
        for seed in range(30)
    ]
    tokens, step = write(documents, tmp_path / "one", tokenizer_file)
    others, _ = write(documents[::-2], tmp_path / "two", tokenizer_file)
    assert others == tokens[::-2]
    tokenizer, fim = Tokenizer.from_file(str(tokenizer_file)), FimTokens(300, 301, 302)
    counts = {form: step.stats.stats[f"fim_{form}/rust"].total for form in ("psm", "spm")}
    assert counts["spm"] == sum(row[:2] == [fim.prefix, fim.suffix] for row in tokens) > 0
    assert counts["psm"] == sum(row[0] == fim.prefix for row in tokens) - counts["spm"] > 0
    for document, row in zip(documents, tokens, strict=True):
        assert row[-1] == tokenizer.token_to_id("<|endoftext|>")
        runs = undo_fim(row[:-1], fim)
        assert "".join(tokenizer.decode(run, skip_special_tokens=False) for run in runs) == document.text
        assert not set(fim) & {token for run in runs for token in run}  # text that spells a token is data


@pytest.fixture(scope="module")
def fim_recipe(corpus_recipe) -> Recipe:
    chosen = corpus_recipe.corpus.fim.model_copy(update={"rate": 0.5, "tokens": SPELLING})
    return corpus_recipe.model_copy(update={"corpus": corpus_recipe.corpus.model_copy(update={"fim": chosen})})


def test_a_corpus_with_added_tokens_decodes_to_its_documents_and_names_its_tokenizer(
    fim_recipe, corpus, tokenizer_folder, tmp_path
):
    manifest = build_corpus(fim_recipe, tokenizer_folder, tmp_path / "out")
    assert manifest == CorpusManifest.load(tmp_path / "out")
    content = (tmp_path / "out" / "tokenizer.json").read_bytes()
    vocabulary = fim_vocabulary(SPELLING, tokenizer_folder)
    assert content == vocabulary.tokenizer_json
    assert manifest.tokenizer_sha256 == hashlib.sha256(content).hexdigest()
    tokenizer = Tokenizer.from_str(content.decode())
    for language, counts in manifest.languages.items():
        files = read_documents(tmp_path / "out", "train", language)
        assert files == read_documents(corpus[0], "train", language)
        rows = token_lists(tmp_path / "out" / "tokens" / "train" / language)
        num_fim = sum(row[0] == vocabulary.tokens.prefix for row in rows)
        assert 0 < num_fim == sum(counts.fim.values()) < len(rows)
        assert counts.train_tokens == sum(map(len, rows))
        for file, row in zip(files, rows, strict=True):
            runs = undo_fim(row[:-1], vocabulary.tokens)
            assert "".join(tokenizer.decode(run, skip_special_tokens=False) for run in runs) == file.text


def test_without_fill_in_the_middle_the_base_s_tokenizer_is_used_as_it_is(corpus, tokenizer_folder):
    folder, manifest = corpus
    assert not (folder / "tokenizer.json").exists()
    assert manifest.tokenizer_sha256 == hashlib.sha256((tokenizer_folder / "tokenizer.json").read_bytes()).hexdigest()
    assert all(counts.fim == {"psm": 0, "spm": 0} for counts in manifest.languages.values())
    eos = AutoTokenizer.from_pretrained(tokenizer_folder).eos_token_id
    assert all(row.count(eos) == 1 for row in token_lists(folder / "tokens" / "train" / "rust"))


def test_a_base_without_the_tokens_is_refused_before_anything_is_read(tokenizer_folder, tmp_path):
    recipe = recipe_of({"kind": "folder", "path": str(tmp_path / "missing")}, fim={"rate": 0.5})
    with pytest.raises(ConfigError, match=r"corpus\.fim\.tokens: the tokenizer of tiny has no tokens"):
        build_corpus(recipe, tokenizer_folder, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
