"""A whole tiny world on disk: base model, source files, corpus and upcycled hybrid, built once a session.

tests/train, tests/eval, tests/report and tests/demo share it.
"""

import json
import random
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import TrainingArguments

from multipl_moe.corpus import build_corpus
from multipl_moe.eval.bits_per_byte import FileScore
from multipl_moe.recipe.recipe import Recipe, validate_recipe
from multipl_moe.upcycle.convert import upcycle
from tests.conftest import tiny_dense
from tests.fixtures import moe_section, save_trained_tokenizer

SUFFIXES = {"rust": ".rs", "go": ".go", "python": ".py", "english": ".md"}
_SIGNS = {"rust": ("::", " => "), "go": (" := ", "{}"), "python": (":\n    ", " = "), "english": (", ", ". ")}
_FILES_PER_LANGUAGE = 16
_WORDS_PER_FILE = 90


@dataclass(frozen=True)
class World:
    """Folders, and the recipe that made them."""

    base: Path
    sources: Path
    corpus: Path
    hybrid: Path
    recipe: Recipe


def tiny_world(factory: pytest.TempPathFactory) -> World:
    """The world; the same one for every fixture of a session that asks for it."""
    return _build(factory.getbasetemp() / "world")


@cache
def _build(folder: Path) -> World:
    folder.mkdir()
    write_sources(folder / "sources")
    write_base(folder / "base")
    recipe = tiny_recipe(folder / "base", folder / "sources")
    build_corpus(recipe, folder / "base", folder / "corpus")
    upcycle(recipe, folder / "hybrid")
    return World(folder / "base", folder / "sources", folder / "corpus", folder / "hybrid", recipe)


def made_hybrid(world: World, folder: Path, corpus: Path | None = None, **sections: dict[str, Any]) -> Recipe:
    """Write a hybrid of the world's base; returns its recipe, `tiny_recipe` of these sections."""
    recipe = tiny_recipe(world.base, world.sources, **sections)
    upcycle(recipe, folder, corpus=corpus)
    return recipe


def gated_hybrid(world: World, folder: Path, experts: dict[str, Any]) -> Recipe:
    """The same with an expert in each layer behind a gate for the languages to learn."""
    moe = {"preset": "single", "languages": None, "layers": "all"} | experts
    return made_hybrid(world, folder, world.corpus, moe=moe)


def answers_world(factory: pytest.TempPathFactory) -> World:
    """The world with a corpus that holds answers in Rust, too; the same one for every fixture of a session."""
    tiny_world(factory)
    return _build_answers(factory.getbasetemp())


@cache
def _build_answers(base: Path) -> World:
    folder, world = base / "answers", _build(base / "world")
    folder.mkdir()
    rng = random.Random(0)
    rows = [{"prompt": f"f{n} ", "completion": "".join(rng.choices("bdg :=é", k=3 + n % 9))} for n in range(60)]
    (folder / "kept.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = {"kind": "answers", "path": str(folder / "kept.jsonl"), "language": "rust"}
    sources = [{"kind": "folder", "path": str(world.sources)}, answers]
    recipe = tiny_recipe(world.base, world.sources, corpus={"sources": sources})
    build_corpus(recipe, world.base, folder / "corpus")
    return replace(world, corpus=folder / "corpus", recipe=recipe)


def tiny_recipe(base: Path, sources: Path, **sections: dict[str, Any]) -> Recipe:
    """A recipe of a dozen steps in float32; `sections` override single keys of its sections."""
    values: dict[str, Any] = {
        "base": str(base),
        "seed": 3,
        "learn": ["rust", "go"],
        "keep": ["python", "english"],
        "moe": {
            "preset": "causal",
            "languages": [],
            "layers": "last:2",
            "num_token_experts": 4,
            "num_segment_experts": 3,
            "segment_window": 8,
            "stride": 4,
        },
        "corpus": {
            "sources": [{"kind": "folder", "path": str(sources)}],
            "validation_share": 0.3,
            "near_duplicates": False,
        },
        "train": {
            "tokens": 12 * 4 * 32,
            "sequence_tokens": 32,
            "packing": "windows",
            "batch_sequences": 4,
            "learning_rate": 1e-2,
            "replay": 0.0,
            "compute_dtype": "float32",
            "calibration_tokens": 1024,
            "calibration_sequence_tokens": 32,
            "log_every_steps": 2,
            "save_every_steps": 5,
        },
        "codegen": {"max_new_tokens": 4},
        "programs": {"languages": ["python"], "problems_per_language": 2},
        "eval": {
            "files_per_language": 4,
            "tokens_per_file": 96,
            "window_tokens": 64,
            "batch_tokens": 256,
            "moved_share": 0.05,
            "bootstrap_samples": 200,
        },
    }
    for name, section in sections.items():
        values[name] = values.get(name, {}) | section
    values["moe"] = moe_section(**values["moe"])
    return validate_recipe(values)


def with_train(recipe: Recipe, **values: Any) -> Recipe:
    """The recipe with other values in its section `train`."""
    return recipe.with_settings("train", **values)


def trainer_arguments(folder: Path, **values: Any) -> TrainingArguments:
    """Of transformers' own Trainer, on a CPU, with nothing saved and nothing told."""
    quiet = {"save_strategy": "no", "report_to": [], "use_cpu": True, "disable_tqdm": True}
    return TrainingArguments(str(folder), per_device_train_batch_size=2, **quiet | values)


def source_text(language: str, seed: int) -> str:
    """Random words between signs that only this language has; some characters take several bytes."""
    rng = random.Random(f"{language}/{seed}")
    words = [f"{a}{b}{c}" for a in "bdgkmnst" for b in "aeiou" for c in ("x", "ver", "é")]
    parts = [rng.choice(words) + rng.choice((" ", *_SIGNS[language])) for _ in range(_WORDS_PER_FILE)]
    return "\n".join("".join(parts[begin : begin + 6]) for begin in range(0, len(parts), 6)) + "\n"


def write_sources(folder: Path) -> None:
    folder.mkdir()
    for (language, suffix), seed in product(SUFFIXES.items(), range(_FILES_PER_LANGUAGE)):
        (folder / f"{language}_{seed}{suffix}").write_text(source_text(language, seed), encoding="utf-8")


def write_base(folder: Path) -> None:
    """A random Llama of three layers with a byte-level tokenizer of about 300 tokens."""
    size = save_trained_tokenizer(folder, [source_text(name, seed) for name in SUFFIXES for seed in range(4)])
    tiny_dense(vocab_size=size, bos_token_id=0, eos_token_id=0).save_pretrained(folder)


def tensors(folder: Path) -> dict[str, Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def assert_close(ours: Path, theirs: Path, *, rtol: float = 0, atol: float) -> None:
    """Two checkpoint folders hold tensors of the same names, shapes and dtypes, with about the same values."""
    found, expected = tensors(ours), tensors(theirs)
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, expected[name], rtol=rtol, atol=atol, msg=lambda m, k=name: f"{k}: {m}")


def scores(*bits: float, num_bytes: int = 100, first: int = 0) -> list[FileScore]:
    """Scores of files that need these bits."""
    return [FileScore(f"file_{first + i}", value, num_bytes, 50) for i, value in enumerate(bits)]
