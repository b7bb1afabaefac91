"""Loads exported folders where this package cannot be imported, and notes what they compute.

A process of its own runs it (tests/export/conftest.py). Arguments: a JSON list of folders, the file with the tokens,
the folder for copies, and the file for the results, which are saved by folder name.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoModelForCausalLM
from transformers.utils.hub import HF_MODULES_CACHE

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


def main(folders: list[str], tokens: torch.Tensor, copies: Path) -> dict[str, Any]:
    """What each folder computes, and the copy that it saves."""
    assert find_spec("multipl_moe") is None
    results = {}
    for folder in folders:
        model: Any = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
        copy = copies / Path(folder).name
        model.save_pretrained(copy)
        again = AutoModelForCausalLM.from_pretrained(copy, trust_remote_code=True)
        results[Path(folder).name] = {
            "loaded": compute(model, tokens),
            "reloaded": compute(again, tokens),
            "decoder": last_hidden_state(AutoModel.from_pretrained(folder, trust_remote_code=True), tokens),
            "dtype": model.dtype,
            "code": Path(sys.modules[type(model).__module__].__file__ or "").is_relative_to(HF_MODULES_CACHE),
        }
    return results


if __name__ == "__main__":
    torch.set_num_threads(1)
    _folders, _tokens, _copies, _output = sys.argv[1:]
    torch.save(main(json.loads(_folders), torch.load(_tokens), Path(_copies)), _output)
