"""The three tokens of fill in the middle, found in a tokenizer."""

from collections.abc import Iterable, Mapping, Sequence
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
FIM_KEY = "fim_token_ids"


class FimTokens(NamedTuple):
    """Ids of the tokens in front of prefix, middle and suffix."""

    prefix: int
    middle: int
    suffix: int


def require_fim_tokens(wanted: Sequence[str] | None, folder: Path, base: str) -> FimTokens:
    """The three tokens of the tokenizer in a base's folder: those that are wanted, or if none are, of a known spelling.

    Args:
        wanted: spelling of prefix, middle and suffix, as in `corpus.fim.tokens`.
        folder: holds tokenizer.json.
        base: its name, for messages.

    Raises:
        ConfigError: the tokenizer has no such tokens.
        BaseModelError: it cannot be read.
    """
    file = folder / "tokenizer.json"
    try:
        vocabulary = Tokenizer.from_file(str(file)).get_vocab()
    except Exception as error:  # the tokenizers library raises plain Exception
        raise BaseModelError(f"{file}: not a tokenizer ({error})") from None
    tokens = _found([wanted] if wanted else KNOWN_SPELLINGS.values(), vocabulary)
    if tokens is None and wanted:
        missing = ", ".join(text for text in wanted if text not in vocabulary)
        raise ConfigError(
            f"corpus.fim.tokens: the tokenizer of {base} has no token {missing}; name tokens that it has, or leave the "
            "key out for those of a known spelling"
        )
    if tokens is None:
        raise ConfigError(
            f"corpus.fim.rate: the tokenizer of {base} has no tokens for fill in the middle; take a base that has "
            "them, name them in corpus.fim.tokens if it spells them in its own way, or set the rate to 0"
        )
    return tokens


def known_fim_tokens(config: Any, vocabulary: Mapping[str, int]) -> FimTokens | None:
    """The tokens that a model is used with: those that its configuration names, else a known spelling, else none.

    Args:
        config: of the model.
        vocabulary: id of each token of its tokenizer.
    """
    if ids := getattr(config.get_text_config(), FIM_KEY, None):
        return FimTokens(*ids)
    return _found(KNOWN_SPELLINGS.values(), vocabulary)


def _found(spellings: Iterable[Sequence[str]], vocabulary: Mapping[str, int]) -> FimTokens | None:
    """Tokens of the first spelling all of which there is."""
    whole = (spelling for spelling in spellings if all(text in vocabulary for text in spelling))
    return next((FimTokens(*(vocabulary[text] for text in spelling)) for spelling in whole), None)
