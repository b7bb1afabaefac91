"""Scores of all languages of a recipe, and what the routers did in each."""

import pytest
import torch

from multipl_moe import MultiplMoeConfig
from multipl_moe.checkpoints.loading import load_hybrid
from multipl_moe.corpus.documents import TextFile, read_documents
from multipl_moe.errors import CorpusError
from multipl_moe.eval import language_scores as module
from multipl_moe.eval.bits_per_byte import score_files
from multipl_moe.eval.language_scores import LanguageScores, score_languages
from multipl_moe.model.modeling import MultiplMoeForCausalLM
from multipl_moe.model.statistics import observe_routing
from tests.conftest import randomise, tiny_base_config, tiny_moe
from tests.train.tiny import World


@pytest.fixture(scope="module")
def hybrid_scores(world: World, tokenizer) -> LanguageScores:
    return score_languages(load_hybrid(world.hybrid), tokenizer, world.corpus, world.recipe)


def test_scores_and_routing_of_a_language_are_those_of_its_first_held_out_files_alone(
    world: World, tokenizer, hybrid_scores
):
    assert list(hybrid_scores.files) == list(hybrid_scores.routing) == ["rust", "go", "python", "english"]
    model = load_hybrid(world.hybrid).eval()
    held_out = read_documents(world.corpus, "validation", "english")
    assert len(held_out) == 5
    with observe_routing(model) as statistics:
        scores = score_files(model, tokenizer, held_out[:4], world.recipe.eval)
    assert hybrid_scores.files["english"] == scores
    assert hybrid_scores.routing["english"] == {index: layer.summary() for index, layer in statistics.items()}
    assert hybrid_scores.routing["english"] != hybrid_scores.routing["rust"]
    assert LanguageScores.part_of(hybrid_scores.to_json(), world.base) == hybrid_scores


def test_model_is_scored_in_evaluation_mode_and_left_unobserved(world: World, tokenizer, hybrid_scores):
    model = load_hybrid(world.hybrid).train()
    told: list[str] = []
    assert score_languages(model, tokenizer, world.corpus, world.recipe, told.append) == hybrid_scores
    assert told == ["rust", "go", "python", "english"]
    assert not model.training
    assert all(layer.observer is None for layer in model.hybrid_layers.values())
    start = load_hybrid(world.hybrid).state_dict()
    assert all(torch.equal(tensor, start[name]) for name, tensor in model.state_dict().items())


def test_a_language_of_which_nothing_can_be_scored_is_refused_by_name(world: World, tokenizer, monkeypatch):
    answer = TextFile("answer", "go(1) then go(2)", "MIT", (0, 16))
    monkeypatch.setattr(module, "read_documents", lambda corpus, split, language, limit: [answer])
    recipe = world.recipe.with_settings("eval", tokens_per_file=2)
    with pytest.raises(CorpusError, match="none of the 1 held-out texts in rust can be scored: answers end beyond"):
        score_languages(load_hybrid(world.hybrid), tokenizer, world.corpus, recipe)


def test_a_told_gate_is_open_for_languages_to_learn_and_shut_for_all_others(world: World, tokenizer):
    moe = tiny_moe("gated", languages=world.recipe.learn)
    model = MultiplMoeForCausalLM(MultiplMoeConfig(text_config=tiny_base_config(vocab_size=300), moe=moe.to_dict()))
    randomise(model)
    recipe = world.recipe.with_settings("eval", tell_language=True, files_per_language=2)
    told = score_languages(model, tokenizer, world.corpus, recipe).files
    for name in recipe.languages:
        texts = read_documents(world.corpus, "validation", name, 2)
        is_open, is_shut = (score_files(model, tokenizer, texts, recipe.eval, share) for share in (1.0, 0.0))
        assert is_open != is_shut
        assert told[name] == (is_open if name in recipe.learn else is_shut)
