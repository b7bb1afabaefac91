"""Small trees of random source files, a byte-level tokenizer of about 300 tokens, and one corpus built from them."""

import random
from pathlib import Path
from typing import Any

import pytest

from multipl_moe.corpus import CorpusManifest, build_corpus
from multipl_moe.corpus.documents import Split
from multipl_moe.recipe.corpus import ExecutorSection
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from tests.fixtures import save_trained_tokenizer, tree

SPLITS: tuple[Split, ...] = ("train", "validation")
WORDS = [f"{a}{b}{c}" for a in "bcdfgklmnprst" for b in "aeiou" for c in ("x", "zan", "ver", "_id")]


def program(seed: int, num_words: int = 120) -> str:
    """A text of random words and signs that resembles no other seed's."""
    rng = random.Random(seed)
    lines = [" ".join(rng.choices(WORDS, k=6)) + rng.choice([";", " {", "}", " => (é)"]) for _ in range(num_words // 6)]
    return "\n".join(lines) + "\n"


def nearly(text: str, share: float, seed: int = 0) -> str:
    """The text with a share of its words replaced."""
    rng = random.Random(seed)
    words = text.split(" ")
    for index in rng.sample(range(len(words)), max(1, round(share * len(words)))):
        words[index] = "changed"
    return " ".join(words)


def write_files(folder: Path, suffix: str, num_files: int, first_seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + num_files):
        (folder / f"file_{seed}{suffix}").write_text(program(seed), encoding="utf-8")


def recipe_of(
    *sources: dict, learn: tuple[str, ...] = ("rust",), keep: tuple[str, ...] = ("python",), **corpus
) -> Recipe:
    """A recipe with these sources, of all of which training reads; further arguments go to its section `corpus`.

    Its tasks run in this process: to fork one each takes more time than these corpora.
    """
    values = {"learn": list(learn), "keep": list(keep), "seed": 3, "train": {"replay": 0.1}}
    return validate_recipe(values | {"corpus": {"sources": list(sources), "executor": {"workers": 1}, **corpus}})


def on_executor(recipe: Recipe, **executor: Any) -> Recipe:
    """The recipe with another executor."""
    return recipe.with_settings("corpus", executor=ExecutorSection.model_validate(executor))


def content(folder: Path) -> dict[str, bytes]:
    """All files of a corpus but the logs and the recipe, which name the executor."""
    return {name: data for name, data in tree(folder).items() if Path(name).parts[0] not in ("logs", "recipe.yaml")}


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "tiny"
    save_trained_tokenizer(folder, [program(seed) for seed in range(10)])
    return folder


@pytest.fixture(scope="session")
def sources_folder(tmp_path_factory) -> Path:
    """30 Rust files, three of them with a near duplicate each, and 20 Python files, one with a copy in Rust."""
    folder = tmp_path_factory.mktemp("sources") / "tree"
    write_files(folder / "rust", ".rs", 30)
    write_files(folder / "python" / "deep", ".py", 20, first_seed=100)
    for seed in range(3):
        (folder / "rust" / f"near_{seed}.rs").write_text(nearly(program(seed), 0.015, seed), encoding="utf-8")
    (folder / "rust" / "copy.rs").write_text(program(100), encoding="utf-8")
    special = "# SPDX-License-Identifier: MIT\n" + program(200) + "text <|endoftext|> \r\n\ttext  \n"
    (folder / "python" / "special.py").write_bytes(special.encode())
    return folder


@pytest.fixture(scope="session")
def corpus_recipe(sources_folder) -> Recipe:
    return recipe_of({"kind": "folder", "path": str(sources_folder), "licence": "Apache-2.0"}, validation_share=0.2)


@pytest.fixture(scope="session")
def told() -> tuple[list[str], list[tuple[str, int, int]]]:
    """What building the corpus told: titles, and of the last one each time how many tasks were done of how many."""
    return [], []


@pytest.fixture(scope="session")
def corpus(corpus_recipe, tokenizer_folder, tmp_path_factory, told) -> tuple[Path, CorpusManifest]:
    """A corpus folder and what building it returned."""
    output, (titles, tasks) = tmp_path_factory.mktemp("corpus") / "corpus", told

    def on_tasks(num_done: int, num_tasks: int) -> None:
        tasks.append((titles[-1], num_done, num_tasks))

    return output, build_corpus(corpus_recipe, tokenizer_folder, output, titles.append, on_tasks)
