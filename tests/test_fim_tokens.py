"""The tokens of fill in the middle: found in a base's tokenizer, or the base is refused."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.fim_tokens import KNOWN_SPELLINGS, FimTokens, known_fim_tokens, require_fim_tokens
from tests.fixtures import NUM_TOKENS, add_tokens, save_tokenizer

STARCODER = KNOWN_SPELLINGS["StarCoder"]
OWN = ["[before]", "[between]", "[after]"]


@pytest.fixture
def folder(tmp_path) -> Path:
    save_tokenizer(tmp_path)
    return tmp_path


@pytest.mark.parametrize("spelling", KNOWN_SPELLINGS.values())
def test_known_spellings_are_found_and_tokens_of_the_recipe_that_are_there_go_before_them(folder, spelling):
    add_tokens(folder, *spelling, *OWN)
    assert require_fim_tokens(None, folder, "tiny") == FimTokens(NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2)
    assert require_fim_tokens(OWN, folder, "tiny") == FimTokens(NUM_TOKENS + 3, NUM_TOKENS + 4, NUM_TOKENS + 5)


def test_a_base_that_lacks_one_of_them_is_refused_and_those_of_the_recipe_that_are_not_there_named(folder):
    add_tokens(folder, *STARCODER[:2], *OWN[1:])
    message = r"corpus\.fim\.rate: the tokenizer of tiny has no .*; take a base .* corpus\.fim\.tokens .* the rate to 0"
    with pytest.raises(ConfigError, match=message):
        require_fim_tokens(None, folder, "tiny")
    add_tokens(folder, STARCODER[2])
    with pytest.raises(ConfigError, match=r"corpus\.fim\.tokens: the tokenizer of tiny has no token \[before\]; name"):
        require_fim_tokens(OWN, folder, "tiny")


def test_a_broken_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BaseModelError, match=r"tokenizer\.json: not a tokenizer"):
        require_fim_tokens(OWN, tmp_path, "tiny")


def test_a_model_is_used_with_the_tokens_of_its_configuration_else_with_a_known_spelling():
    plain = SimpleNamespace(get_text_config=lambda: SimpleNamespace())
    trained = SimpleNamespace(get_text_config=lambda: SimpleNamespace(fim_token_ids=[7, 8, 9]))
    vocabulary = {text: index for index, text in enumerate(STARCODER)}
    assert known_fim_tokens(plain, {}) is None
    assert known_fim_tokens(plain, vocabulary) == FimTokens(0, 1, 2)
    assert known_fim_tokens(trained, vocabulary) == FimTokens(7, 8, 9)
