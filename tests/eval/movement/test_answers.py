"""The base's own answers: what it would write for each prompt alone, made once."""

import copy
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from multipl_moe.errors import ConfigError
from multipl_moe.eval.movement import answers as module
from multipl_moe.eval.movement.answers import base_answers, read_prompts
from tests.fixtures import interrupt
from tests.train.tiny import World

PROMPTS = {"chat": ["What is the sky?", "Hi"], "code": ["Write a loop.", "Sum in SQL, please: 1 and 2"]}
TEMPLATE = "{% for m in messages %}[{{ m.content }}]{% endfor %}{% if add_generation_prompt %}A:{% endif %}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, for short answers."""
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(module, "MAX_NEW_TOKENS", 20)
    return tmp_path


@pytest.fixture
def base(world: World) -> Any:
    return AutoModelForCausalLM.from_pretrained(world.base).eval()


@pytest.fixture
def tokenizer(world: World) -> Any:
    return AutoTokenizer.from_pretrained(world.base)


@torch.no_grad()
def _alone(base: Any, prompt: list[int], ends: set[int]) -> list[int]:
    """The likeliest tokens, by full forward passes."""
    tokens = list(prompt)
    while len(tokens) < len(prompt) + module.MAX_NEW_TOKENS:
        tokens.append(int(base(torch.tensor([tokens]), use_cache=False).logits[0, -1].argmax()))
        if tokens[-1] in ends:
            break
    return tokens


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_answers_are_the_likeliest_ones_of_each_prompt_alone(base, tokenizer, template, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_PROMPTS", 3)
    tokenizer.chat_template = template
    found = base_answers(base, tokenizer, PROMPTS)
    assert {kind: len(texts) for kind, texts in found.items()} == {"chat": 2, "code": 2}
    for kind, asked in PROMPTS.items():
        for text, prompt in zip(found[kind], asked, strict=True):
            encoded = tokenizer(f"[{prompt}]A:" if template else prompt)["input_ids"]
            assert text.num_before == len(encoded)
            assert text.tokens == _alone(base, encoded, {0})


def test_what_ends_an_answer_is_part_of_it(base, tokenizer):
    whole = base_answers(base, tokenizer, {"chat": ["Hi"]})["chat"][0]
    end = whole.tokens[whole.num_before + 3]
    base.generation_config.eos_token_id = end
    base.config.eos_token_id = end  # part of what tells bases apart
    ended = base_answers(base, tokenizer, {"chat": ["Hi"]})["chat"][0]
    assert ended.tokens == whole.tokens[: whole.tokens.index(end, whole.num_before) + 1]


def test_answers_are_made_once_for_a_base_and_its_prompts(base, tokenizer, cache, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("multipl_moe.codegen.local.LocalCompleter.likeliest_tokens", interrupt)
        with pytest.raises(KeyboardInterrupt):
            base_answers(base, tokenizer, PROMPTS)
    assert list((cache / "answers").glob("*.json")) == [], "a stopped making leaves nothing"
    first = base_answers(base, tokenizer, PROMPTS)
    (file,) = (cache / "answers").glob("*.json")
    with monkeypatch.context() as patch:
        patch.setattr(module, "_answers", None)
        assert base_answers(base, tokenizer, PROMPTS) == first
    other = {"chat": PROMPTS["chat"][:1]}
    assert base_answers(base, tokenizer, other)["chat"] == first["chat"][:1]
    tokenizer.chat_template = TEMPLATE
    assert base_answers(base, tokenizer, PROMPTS) != first
    tokenizer.chat_template = None
    trained = copy.deepcopy(base)
    trained.model.layers[0].mlp.up_proj.weight.data += 0.5
    assert base_answers(trained, tokenizer, PROMPTS) != first
    assert len(list((cache / "answers").glob("*.json"))) == 4
    assert file.is_file()


def test_prompts_that_leave_no_room_are_left_out(base, tokenizer):
    positions = base.config.max_position_embeddings
    found = base_answers(base, tokenizer, {"chat": ["1" * positions, "1" * (positions - 5)], "code": ["1" * positions]})
    (text,) = found.pop("chat")
    assert found == {}
    assert (text.num_before, text.num_counted) == (positions - 5, 5)
    with pytest.raises(ConfigError, match="too few tokens for any prompt"):
        base_answers(base, tokenizer, {"code": ["1" * positions]})


def test_the_package_asks_a_hundred_prompts_about_no_language_that_it_teaches():
    prompts = read_prompts()
    assert {kind: len(set(asked)) for kind, asked in prompts.items()} == {"chat": 60, "code": 40}
    words = {word.strip("?.,:()").lower() for asked in prompts.values() for prompt in asked for word in prompt.split()}
    assert words & {"rust", "golang", "ruby"} == set()
    assert words >= {"python", "java", "c++", "sql", "bash", "html", "javascript"}
