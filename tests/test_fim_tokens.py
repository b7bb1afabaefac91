"""The tokens of fill in the middle: found where a tokenizer has them, added where it has none."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.fim_tokens import KNOWN_SPELLINGS, FimTokens, fim_vocabulary, known_fim_tokens
from tests.fixtures import NUM_TOKENS, save_tokenizer

STARCODER = KNOWN_SPELLINGS["StarCoder"]
OWN = ["[before]", "[between]", "[after]"]
PROGRAM = "fn main() { <fim_prefix> é }\n"


@pytest.fixture
def folder(tmp_path) -> Path:
    save_tokenizer(tmp_path)
    return tmp_path


def add_tokens(folder: Path, *texts: str) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(list(texts))
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.mark.parametrize(("spelling", "wanted"), [(STARCODER, OWN), *((one, None) for one in KNOWN_SPELLINGS.values())])
def test_known_spellings_are_found_and_nothing_is_added(folder, spelling, wanted):
    add_tokens(folder, *spelling)
    before = (folder / "tokenizer.json").read_bytes()
    found = fim_vocabulary(wanted, folder)
    assert found.tokens == FimTokens(NUM_TOKENS, NUM_TOKENS + 1, NUM_TOKENS + 2)
    assert (found.spelling, found.new_ids, found.tokenizer_json) == (spelling, (), before)


def test_tokens_of_the_recipe_that_are_there_go_before_known_ones(folder):
    add_tokens(folder, *STARCODER, *OWN)
    assert fim_vocabulary(OWN, folder).tokens == FimTokens(NUM_TOKENS + 3, NUM_TOKENS + 4, NUM_TOKENS + 5)


def test_without_any_the_recipe_must_name_them(folder):
    with pytest.raises(ConfigError, match=r"corpus\.fim\.tokens: .* add, as \[<fim_prefix>, <fim_middle>, <fim_suff"):
        fim_vocabulary(None, folder)


def test_a_broken_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BaseModelError, match=r"tokenizer\.json: not a tokenizer"):
        fim_vocabulary(OWN, tmp_path)


@pytest.mark.parametrize(("present", "configured"), [((), "json"), (OWN[1:2], "decoder"), ((), "rebuilt")])
def test_added_tokens_are_known_to_transformers_and_no_other_id_changes(folder, present, configured):
    add_tokens(folder, *present)
    if configured != "json":  # as transformers 4 saved it; some classes then build the tokenizer anew
        file = folder / "tokenizer_config.json"
        state = json.loads((folder / "tokenizer.json").read_text())
        decoder = {str(token.pop("id")): token for token in state["added_tokens"]}
        values = json.loads(file.read_text()) | {"added_tokens_decoder": decoder}
        values |= {"tokenizer_class": "Qwen2Tokenizer"} if configured == "rebuilt" else {}
        file.write_text(json.dumps(values))
    before = AutoTokenizer.from_pretrained(folder)
    vocabulary = fim_vocabulary(OWN, folder)
    assert vocabulary == fim_vocabulary(OWN, folder)
    vocabulary.write_tokenizer(folder)
    after = AutoTokenizer.from_pretrained(folder)
    assert len(vocabulary.new_ids) == 3 - len(present)
    assert vocabulary.new_tokens == tuple(text for text in OWN if text not in present)
    assert after.convert_tokens_to_ids(OWN) == list(vocabulary.tokens)
    assert after.decode(vocabulary.new_ids, skip_special_tokens=True) == ""
    assert after.get_vocab() == before.get_vocab() | dict(zip(vocabulary.new_tokens, vocabulary.new_ids, strict=True))
    assert after(PROGRAM)["input_ids"] == before(PROGRAM)["input_ids"]
    assert after.eos_token_id == before.eos_token_id


def test_a_model_is_used_with_the_tokens_of_its_configuration_else_with_a_known_spelling():
    plain = SimpleNamespace(get_text_config=lambda: SimpleNamespace())
    trained = SimpleNamespace(get_text_config=lambda: SimpleNamespace(fim_token_ids=[7, 8, 9]))
    vocabulary = {text: index for index, text in enumerate(STARCODER)}
    assert known_fim_tokens(plain, {}) is None
    assert known_fim_tokens(plain, vocabulary) == FimTokens(0, 1, 2)
    assert known_fim_tokens(trained, vocabulary) == FimTokens(7, 8, 9)
