"""Loads exported folders where this package cannot be imported, and notes what they do.

A process of its own runs it (tests/export/conftest.py). Arguments: a JSON list of folders, the file with the tokens,
the folder for copies, and the file for the results, which are saved by folder name.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils.hub import HF_MODULES_CACHE

NUM_COPIES = 3  # of the first folders
TOKENIZERS_LOADED = "tokenizers are loaded\n"
_PROMPT_TOKENS, _NEW_TOKENS = 9, 8


def compute(model: Any, tokens: torch.Tensor) -> dict[str, Any]:
    """Logits of a full pass, and greedy tokens, with the cache where the preset has one."""
    with torch.no_grad():
        logits = model(input_ids=tokens).logits
        written = model.generate(
            tokens[:, :_PROMPT_TOKENS],
            attention_mask=torch.ones_like(tokens[:, :_PROMPT_TOKENS]),
            do_sample=False,
            min_new_tokens=_NEW_TOKENS,
            max_new_tokens=_NEW_TOKENS,
            pad_token_id=0,
            return_dict_in_generate=True,
        )
    cache = written.cache
    layers = [] if cache is None else [type(layer).__name__ for layer in cache.layers]
    return {"logits": logits, "written": written.sequences, "cache_layers": layers}


@torch.no_grad()
def last_hidden_state(decoder: Any, tokens: torch.Tensor) -> torch.Tensor:
    """(B, T, H) what the decoder by itself makes of the tokens."""
    return decoder(input_ids=tokens).last_hidden_state


def texts_of_tokenizers(folder: str) -> list[str]:
    """A text through the tokenizer, loaded in both ways that the card names."""
    loaded = (
        AutoTokenizer.from_pretrained(folder, trust_remote_code=True),
        PreTrainedTokenizerFast.from_pretrained(folder),
    )
    return [tokenizer.decode(tokenizer("fn main")["input_ids"]) for tokenizer in loaded]


def told_of_another_version(folder: str) -> list[str]:
    """What each way to load a model says where another version of transformers seems to be installed."""
    told, version = [], transformers.__version__
    transformers.__version__ = "5.23.1"
    for way in (AutoConfig, AutoModel, AutoModelForCausalLM):
        try:
            way.from_pretrained(folder, trust_remote_code=True)
        except ImportError as error:
            told.append(str(error))
    transformers.__version__ = version
    for name in [name for name in sys.modules if name.startswith("transformers_modules.")]:
        del sys.modules[name]  # the code that found it
    return told


def main(folders: list[str], tokens: torch.Tensor, copies: Path) -> dict[str, Any]:
    """What each folder computes, and some copies that are saved of them."""
    assert find_spec("multipl_moe") is None
    results: dict[str, Any] = {"told": told_of_another_version(folders[0]), "texts": texts_of_tokenizers(folders[0])}
    print(TOKENIZERS_LOADED, end="", file=sys.stderr)
    for folder in folders:
        name = Path(folder).name
        model: Any = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
        results[name] = {
            "loaded": compute(model, tokens),
            "decoder": last_hidden_state(AutoModel.from_pretrained(folder, trust_remote_code=True), tokens),
            "dtype": model.dtype,
            "code": Path(sys.modules[type(model).__module__].__file__ or "").is_relative_to(HF_MODULES_CACHE),
        }
        if folder in folders[:NUM_COPIES]:
            model.save_pretrained(copies / name)
            again = AutoModelForCausalLM.from_pretrained(copies / name, trust_remote_code=True)
            results[name]["reloaded"] = compute(again, tokens)
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    _folders, _tokens, _copies, _output = sys.argv[1:]
    torch.save(main(json.loads(_folders), torch.load(_tokens), Path(_copies)), _output)
