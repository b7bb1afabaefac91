"""Bits per byte against a slow loop over single files, without batches or padding."""

import math
from typing import Any

import pytest
import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer

from multipl_judge.languages.answers import cuts_of
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.eval.bits_per_byte import FileScore, bits_per_byte, score_files
from multipl_moe.model.statistics import observe_routing
from multipl_moe.recipe.evaluation import EvalSection
from tests.conftest import randomise
from tests.train.tiny import World


def _settings(**values: int) -> EvalSection:
    return EvalSection.model_validate({"tokens_per_file": 48, "window_tokens": 32, "batch_tokens": 128} | values)


@pytest.fixture(scope="module")
def started(world: World) -> Any:
    """The tokenizer with its token 0 in front of every text."""
    tokenizer = AutoTokenizer.from_pretrained(world.base)
    template = processors.TemplateProcessing("<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    tokenizer.backend_tokenizer.post_processor = template
    return tokenizer


@pytest.fixture(scope="module", params=["dense", "hybrid"])
def model(request: pytest.FixtureRequest, world: World) -> Any:
    if request.param == "dense":
        return AutoModelForCausalLM.from_pretrained(world.base).eval()
    hybrid = load_hybrid(world.hybrid).eval()
    randomise(hybrid, seed=1)
    return hybrid


@pytest.fixture(scope="module")
def files(world: World) -> list[TextFile]:
    """Held-out files and cuts of them: short, long, of one token, of none."""
    texts = [file.text for name in ("rust", "english") for file in read_documents(world.corpus, "validation", name)]
    texts = [texts[0], texts[1][:40], "", texts[2][:200], "a", texts[3], "éé→ 🎉 é", texts[4][:97], "ab"]
    return [TextFile(f"file_{index}", text, "MIT") for index, text in enumerate(texts)]


@torch.no_grad()
def _slow_bits(model, tokens: list[int], window: int, num_start: int = 0) -> list[float]:
    """Bits of each token but the first, each from a forward pass of its own over its context alone.

    The first window has no overlap; each later one scores the next half window, with what fits before it as context,
    after the tokens that begin every text.
    """
    bits = []
    for position in range(1, len(tokens)):
        context = tokens[:position]
        if position >= window:
            half = window // 2
            end = min(window + ((position - window) // half + 1) * half, len(tokens))
            context = tokens[:num_start] + tokens[max(end - window + num_start, num_start) : position]
        logits = model(input_ids=torch.tensor([context]), use_cache=False).logits[0, -1]
        bits.append(-torch.log_softmax(logits.double(), dim=0)[tokens[position]].item() / math.log(2))
    return bits


@pytest.mark.parametrize(("window", "begins"), [(32, False), (7, False), (7, True)])
def test_scores_equal_a_slow_loop_over_single_files(model, tokenizer, started, files, window: int, begins: bool):
    """A token with which texts begin is context, and all of the text is scored, up to where it is cut."""
    settings, start = _settings(window_tokens=window), [0] * begins
    scores = {score.path: score for score in score_files(model, started if begins else tokenizer, files, settings)}
    assert set(scores) == {file.path for file in files} - ({"file_2"} if begins else {"file_2", "file_4"})
    for file in files:
        if file.path not in scores:
            continue
        tokens = [*start, *tokenizer(file.text)["input_ids"]][: settings.tokens_per_file]
        bits = _slow_bits(model, tokens, window, num_start=len(start))
        assert scores[file.path].bits == pytest.approx(sum(bits), rel=2e-5)
        assert scores[file.path].num_tokens == len(bits) == len(tokens) - 1
        if "\ufffd" not in (scored := tokenizer.decode(tokens[1:])):
            assert scores[file.path].num_bytes == len(scored.encode())


@pytest.mark.parametrize("batch_tokens", [2, 100, 100_000])
def test_batches_stay_within_their_tokens_and_neither_they_nor_their_order_change_a_score(
    model, tokenizer, files, monkeypatch: pytest.MonkeyPatch, batch_tokens: int
):
    expected, shapes, forward = score_files(model, tokenizer, files, _settings()), [], model.forward

    def note(**kwargs):
        shapes.append(kwargs["input_ids"].shape)
        return forward(**kwargs)

    monkeypatch.setattr(model, "forward", note)
    scores = score_files(model, tokenizer, files[::-1], _settings(batch_tokens=batch_tokens))[::-1]
    assert all(rows * tokens <= batch_tokens or rows == 1 for rows, tokens in shapes)
    assert max(rows for rows, _ in shapes) >= min(batch_tokens // 32, len(scores))
    assert [score.path for score in scores] == [score.path for score in expected]
    for score, other in zip(scores, expected, strict=True):
        assert score.bits == pytest.approx(other.bits, rel=1e-5)
        assert (score.num_bytes, score.num_tokens) == (other.num_bytes, other.num_tokens)


def test_padding_is_not_routed(world: World, tokenizer, files):
    model = load_hybrid(world.hybrid).eval()
    with observe_routing(model) as statistics:
        scores = score_files(model, tokenizer, files, _settings(tokens_per_file=32))
    assert len({score.num_tokens for score in scores}) > 2
    assert statistics[1].num_tokens == sum(score.num_tokens + 1 for score in scores)


def test_bits_per_byte_weighs_files_by_their_bytes():
    scores = [FileScore("a", 10.0, 20, 5), FileScore("b", 50.0, 30, 9)]
    assert bits_per_byte(scores) == 60 / 50


def test_of_an_answer_completions_are_scored_with_all_before_them_and_no_end(model, tokenizer, started):
    parts = ["let f = ", "go(1)", " then ", "go(é, 2);", "\n"]
    for texts, scorer, start in ((parts[:2], tokenizer, []), (parts[:2], started, [0]), (parts, started, [])):
        answer = TextFile("answer", "".join(texts), "MIT", tuple(cuts_of(texts)))
        (score,) = score_files(model, scorer, [answer], _settings(tokens_per_file=64, window_tokens=64))
        tokens, bits = [*start], []
        for number, text in enumerate(texts):
            tokens += tokenizer(text)["input_ids"]
            if number % 2:
                bits += _slow_bits(model, tokens, 64)[-len(tokenizer(text)["input_ids"]) :]
        assert score.bits == pytest.approx(sum(bits), rel=2e-5)
        assert (score.num_tokens, score.num_bytes) == (len(bits), sum(len(text.encode()) for text in texts[1::2]))
    assert score_files(model, tokenizer, [answer], _settings(window_tokens=4)) == []
