"""The three tokens of fill in the middle: known spellings, and a tokenizer that gets them.

tokenizer.json is changed as JSON, not through a library's writer, so that the same base gives the same bytes whatever
versions are installed: a corpus knows its model's tokenizer by their hash.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from multipl_moe.errors import BaseModelError, ConfigError

# prefix, middle, suffix
KNOWN_SPELLINGS = {
    "StarCoder": ("<fim_prefix>", "<fim_middle>", "<fim_suffix>"),
    "SantaCoder": ("<fim-prefix>", "<fim-middle>", "<fim-suffix>"),
    "Qwen2.5-Coder, CodeGemma": ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"),
    "Code Llama": ("\u2581<PRE>", "\u2581<MID>", "\u2581<SUF>"),
    "DeepSeek-Coder": ("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581end\uff5c>", "<\uff5cfim\u2581hole\uff5c>"),
}
FIM_KEY, NEW_KEY = "fim_token_ids", "new_token_ids"
_NEW_TOKEN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}


class FimTokens(NamedTuple):
    """Ids of the tokens in front of prefix, middle and suffix."""

    prefix: int
    middle: int
    suffix: int


@dataclass(frozen=True)
class FimVocabulary:
    """A base's tokenizer with the three tokens.

    Attributes:
        tokens: their ids.
        spelling: their texts, in the same order.
        new_ids: ids of those that the base's tokenizer lacks, ascending.
        tokenizer_json: content of tokenizer.json; the base's own where nothing is new.
    """

    tokens: FimTokens
    spelling: tuple[str, ...]
    new_ids: tuple[int, ...]
    tokenizer_json: bytes

    @property
    def new_tokens(self) -> tuple[str, ...]:
        """Texts of the new tokens, in the order of their ids."""
        text_of = dict(zip(self.tokens, self.spelling, strict=True))
        return tuple(text_of[index] for index in self.new_ids)

    def write_tokenizer(self, folder: Path) -> None:
        """Give the tokenizer in a model's folder the new tokens; its other files are there already."""
        (folder / "tokenizer.json").write_bytes(self.tokenizer_json)
        file = folder / "tokenizer_config.json"
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        if "added_tokens_decoder" in settings:  # then transformers takes added tokens from here
            named = zip(self.new_ids, self.new_tokens, strict=True)
            settings["added_tokens_decoder"] |= {str(index): {"content": text, **_NEW_TOKEN} for index, text in named}
            file.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def fim_vocabulary(wanted: Sequence[str] | None, folder: Path) -> FimVocabulary:
    """The tokenizer in a model's folder with the three tokens: its own if it has any, else those that are wanted.

    Args:
        wanted: spelling of prefix, middle and suffix, as in `corpus.fim.tokens`. Where the tokenizer has all three, it
            goes before the known spellings.
        folder: holds tokenizer.json.

    Raises:
        ConfigError: the tokenizer has no such tokens and none are wanted.
        BaseModelError: the tokenizer cannot be read or has no room for them.
    """
    file = folder / "tokenizer.json"
    try:
        content = file.read_bytes()
        tokenizer = Tokenizer.from_str(content.decode("utf-8"))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise BaseModelError(f"{file}: not a tokenizer ({error})") from None
    vocabulary = tokenizer.get_vocab()
    spelling = next((found for found in _spellings(wanted) if all(text in vocabulary for text in found)), None)
    if spelling is None and wanted is None:
        example = ", ".join(KNOWN_SPELLINGS["StarCoder"])
        raise ConfigError(
            f"corpus.fim.tokens: the tokenizer of {folder.name} has no tokens for fill in the middle; name those to "
            f"add, as [{example}] (prefix, middle, suffix), or leave corpus.fim.rate at 0"
        )
    spelling = spelling or tuple(wanted or ())
    missing = [text for text in spelling if text not in vocabulary]
    tokenizer.add_special_tokens(missing)
    extended = tokenizer.get_vocab()
    ids = {text: extended[text] for text in spelling}
    if set(vocabulary.values()) & {ids[text] for text in missing}:
        raise BaseModelError(f"{file}: ids of its tokens are not consecutive; tokens cannot be added")
    tokens, new_ids = FimTokens(*ids.values()), tuple(sorted(ids[text] for text in missing))
    return FimVocabulary(tokens, spelling, new_ids, _with_tokens(content, {text: ids[text] for text in missing}))


def known_fim_tokens(config: Any, vocabulary: Mapping[str, int]) -> FimTokens | None:
    """The tokens that a model is used with: those that its configuration names, else a known spelling, else none.

    Args:
        config: of the model.
        vocabulary: id of each token of its tokenizer.
    """
    if ids := getattr(config.get_text_config(), FIM_KEY, None):
        return FimTokens(*ids)
    found = (spelling for spelling in KNOWN_SPELLINGS.values() if all(text in vocabulary for text in spelling))
    return next((FimTokens(*(vocabulary[text] for text in spelling)) for spelling in found), None)


def _spellings(wanted: Sequence[str] | None) -> list[tuple[str, ...]]:
    return [*([tuple(wanted)] if wanted is not None else []), *KNOWN_SPELLINGS.values()]


def _with_tokens(content: bytes, new: dict[str, int]) -> bytes:
    if not new:
        return content
    state = json.loads(content)
    state["added_tokens"] += [{"id": index, "content": text, **_NEW_TOKEN} for text, index in new.items()]
    state["added_tokens"].sort(key=lambda token: token["id"])
    return (json.dumps(state, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
