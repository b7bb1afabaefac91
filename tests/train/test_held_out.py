"""The held-out loss: equal to a slow reference, and training does not notice that it is measured."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from multipl_moe.checkpoints.loading import load_dense, load_hybrid
from multipl_moe.corpus.documents import read_documents
from multipl_moe.errors import CorpusError
from multipl_moe.generate.text import load_tokenizer
from multipl_moe.runs.folder import read_json, write_json
from multipl_moe.runs.journal import read_journal
from multipl_moe.train.held_out import HeldOut
from tests.train.conftest import Run, Watcher, changed, train_told
from tests.train.tiny import World, with_train


def _read(world: World, **train) -> HeldOut:
    return HeldOut.read(with_train(world.recipe, **train), world.corpus, world.base)


def test_text_is_the_validation_documents_of_all_languages_alike(world: World):
    held_out = _read(world, eval_tokens=640)
    assert list(held_out.batches) == list(world.recipe.languages)
    tokenizer = load_tokenizer(world.base)
    for language, batches in held_out.batches.items():
        rows = [row[mask == 1].tolist() for batch in batches for row, mask in zip(*batch.values(), strict=True)]
        assert len(rows) == 640 // (4 * 32)
        texts = [tokenizer(file.text)["input_ids"] for file in read_documents(world.corpus, "validation", language)]
        windows = [text[begin : begin + 32] for text in texts for begin in range(0, len(text), 32)]
        assert all(row in windows for row in rows)


@pytest.mark.parametrize("kind", ["hybrid", "base"])
def test_losses_equal_those_of_one_window_at_a_time(world: World, run: Run, kind: str):
    model = load_hybrid(run.result.model_folder) if kind == "hybrid" else load_dense(world.base)
    held_out = _read(world, eval_tokens=640)
    model.train()
    losses = held_out.losses(model)
    assert model.training
    model.eval()
    for language, batches in held_out.batches.items():
        nats = []
        for batch in batches:
            for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True):
                tokens = row[mask == 1]
                with torch.no_grad():
                    logits = model(input_ids=tokens[None]).logits[0].log_softmax(-1)  # pyright: ignore[reportCallIssue]
                nats += [-logits[index, token].item() for index, token in enumerate(tokens[1:].tolist())]
        assert losses[language] == pytest.approx(sum(nats) / len(nats), rel=1e-4)


@pytest.mark.parametrize("kind", ["hybrid", "base"])
def test_of_held_out_answers_completions_and_their_ends_count_as_read_by_one(with_answers: World, kind: str):
    model = load_hybrid(with_answers.hybrid) if kind == "hybrid" else load_dense(with_answers.base)
    held_out = HeldOut.read(with_train(with_answers.recipe, eval_tokens=5000), with_answers.corpus, with_answers.base)
    assert [*held_out.batches] == [*with_answers.recipe.languages, "rust.answers"]
    files = read_documents(with_answers.corpus, "validation", "rust.answers")
    assert len(files) == sum(len(batch["input_ids"]) for batch in held_out.batches["rust.answers"]) == 18
    tokenizer, nats = load_tokenizer(with_answers.base), []
    model.eval()
    for file in files:
        prompt, rest = (tokenizer(text)["input_ids"] for text in (file.text[: file.cuts[0]], file.text[file.cuts[0] :]))
        tokens = [*prompt, *rest, tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(-1)  # pyright: ignore[reportCallIssue]
        nats += [-logits[place - 1, tokens[place]].item() for place in range(len(prompt), len(tokens))]
    assert held_out.losses(model)["rust.answers"] == pytest.approx(sum(nats) / len(nats), rel=1e-4)


def test_training_does_not_notice_that_it_is_measured_every_few_steps_and_after_the_last(world, run: Run, tmp_path):
    seen = Watcher()
    records = train_told(world, tmp_path, seen, eval_every_steps=5, eval_tokens=512)
    assert changed(tmp_path / "model", run.result.model_folder) == set()
    assert [record | {"tokens_per_s": 0} for record in records] == [line | {"tokens_per_s": 0} for line in run.lines]
    records = read_journal(tmp_path / "held_out.jsonl")
    assert [record["loss"] for record in records] == [metrics["eval_loss"] for metrics in seen.metrics]
    assert [(record["step"], record["tokens"]) for record in records] == [(step, 128 * step) for step in (5, 10, 12)]
    assert set(records[0]["losses"]) == set(world.recipe.languages)
    for metrics in seen.metrics:
        by_language = [metrics[f"eval_loss/{name}"] for name in world.recipe.languages]
        assert metrics["eval_loss"] == pytest.approx(sum(by_language) / 4)
    assert seen.metrics[-1]["eval_loss"] < seen.metrics[0]["eval_loss"]


def _corpus_of(world: World, languages: dict[str, Any], folder: Path) -> Path:
    """The world's corpus with other counts of languages."""
    corpus = shutil.copytree(world.corpus, folder / "corpus")
    write_json(corpus / "manifest.json", read_json(corpus / "manifest.json") | {"languages": languages})
    return corpus


def test_language_that_holds_out_nothing_is_refused(world: World, tmp_path: Path):
    languages = read_json(world.corpus / "manifest.json")["languages"]
    corpus = _corpus_of(world, languages | {"go": languages["go"] | {"validation_files": 0}}, tmp_path)
    with pytest.raises(CorpusError, match="holds out no file of go"):
        HeldOut.read(world.recipe, corpus, world.base)


def test_of_a_corpus_of_answers_alone_these_are_measured_and_one_must_fit(with_answers: World, tmp_path: Path):
    languages = read_json(with_answers.corpus / "manifest.json")["languages"]
    corpus = _corpus_of(with_answers, {"rust.answers": languages["rust.answers"]}, tmp_path)
    assert [*HeldOut.read(with_answers.recipe, corpus, with_answers.base).batches] == ["rust.answers"]
    with pytest.raises(CorpusError, match=r"no answer that .* holds out fits into a sequence"):
        HeldOut.read(with_train(with_answers.recipe, sequence_tokens=2), corpus, with_answers.base)
