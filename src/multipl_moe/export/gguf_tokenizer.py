"""A byte-level BPE tokenizer as GGUF metadata, exactly as transformers applies it."""

import json
from itertools import product
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, SpecialVocab, TokenType
from transformers import PreTrainedTokenizerFast

from multipl_moe.errors import BaseModelError
from multipl_moe.generate.text import load_tokenizer

# The regular expressions by which Qwen 2 and Llama 3 split text, as their tokenizer.json spells them.
_QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3_SPLIT = _QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

# llama.cpp knows a way of splitting by a name, which also says whether whole tokens are looked up before merging.
_NAMES_OF_SPLITS = {
    (("ByteLevel",), False): "gpt-2",
    (("Digits", "ByteLevel"), False): "smollm",
    ((_QWEN2_SPLIT,), False): "qwen2",
    ((_LLAMA3_SPLIT,), True): "llama-bpe",
    ((_LLAMA3_SPLIT,), False): "dbrx",
}
_PROBE = "a"


def add_tokenizer(writer: GGUFWriter, folder: Path, vocab_size: int) -> None:
    """Add vocabulary, merges, special tokens and chat template of a model folder's tokenizer.

    `tokenizer.ggml.pre`, by which llama.cpp chooses how to split text before merging, follows from what the tokenizer
    does. (llama.cpp's own converter recognises known tokenizers by a hash; it cannot tell one that was trained anew.)
    Of `vocab_size`, the rows of the model's embedding, ids that the tokenizer lacks become unused tokens. Raises
    BaseModelError where there is no tokenizer, or none of a kind that can be written.
    """
    tokenizer = load_tokenizer(folder)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise _unsupported(f"it has no tokenizer.json ({type(tokenizer).__name__})")
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_name_of_split(state))
    tokens, types = _vocabulary(state, tokenizer.get_vocab(), vocab_size)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    special = SpecialVocab(folder, load_merges=True, n_vocab=vocab_size)
    if not special.merges:
        raise _unsupported("it has no merges")
    if "eos" not in special.special_token_ids:
        raise _unsupported("it has no end-of-sequence token (eos_token in tokenizer_config.json)")
    special.add_special_token = _added_around_text(tokenizer)
    special.add_to_gguf(writer, quiet=True)


def _name_of_split(state: dict[str, Any]) -> str:
    model, normalizer = state["model"], state["normalizer"]
    if model["type"] != "BPE" or model["byte_fallback"] or (state["decoder"] or {}).get("type") != "ByteLevel":
        raise _unsupported(f"it is not byte-level BPE ({model['type']})")
    if normalizer is not None and normalizer["type"] != "NFC":
        raise _unsupported(f"it normalises text by {normalizer['type']}")
    steps = _steps(state["pre_tokenizer"] or {"type": None})
    name = _NAMES_OF_SPLITS.get((steps, model["ignore_merges"]))
    if name is None:
        raise _unsupported(f"it splits text by {' then '.join(steps)} (ignore_merges: {model['ignore_merges']})")
    return name


def _steps(pre_tokenizer: dict[str, Any]) -> tuple[str, ...]:
    """What a pre-tokenizer does, one name or regular expression a step; other settings stand beside the name."""
    steps = []
    for step in pre_tokenizer.get("pretokenizers", [pre_tokenizer]):
        match step:
            case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}:
                continue
            case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}:
                steps.append("ByteLevel")
            case {"type": "Digits", "individual_digits": True}:
                steps.append("Digits")
            case {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}:
                steps.append(regex)
            case _:
                steps.append(json.dumps(step))
    return tuple(steps)


def _vocabulary(state: dict[str, Any], vocab: dict[str, int], vocab_size: int) -> tuple[list[str], list[TokenType]]:
    if max(vocab.values()) >= vocab_size:
        raise _unsupported(f"it has {max(vocab.values()) + 1} tokens, the model's embedding {vocab_size}")
    tokens = [f"[PAD{index}]" for index in range(vocab_size)]
    types = [TokenType.UNUSED] * vocab_size
    for token, index in vocab.items():
        tokens[index], types[index] = token, TokenType.NORMAL
    for token in state["added_tokens"]:
        types[token["id"]] = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
    return tokens, types


def _added_around_text(tokenizer: PreTrainedTokenizerFast) -> dict[str, bool]:
    plain = tokenizer.encode(_PROBE, add_special_tokens=False)
    full = tokenizer.encode(_PROBE)
    for begin, end in product((False, True), repeat=2):
        if full == [tokenizer.bos_token_id] * begin + plain + [tokenizer.eos_token_id] * end:
            return {"bos": begin, "eos": end}
    raise _unsupported(f"it puts {tokenizer.convert_ids_to_tokens(full)} around a text")


def _unsupported(reason: str) -> BaseModelError:
    return BaseModelError(
        f"GGUF: the tokenizer cannot be written: {reason}; convert with llama.cpp's convert_hf_to_gguf.py"
    )
