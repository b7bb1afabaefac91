"""How likely each token of a text is, in the form in which evaluation harnesses ask servers for it."""

from typing import Any

import torch


@torch.inference_mode()
def scored_prompt(model: Any, tokenizer: Any, prompt: Any, num_top: int, num_new: int) -> dict[str, Any]:
    """A prompt, the likeliest token after it if one is wanted, and the log-probability of every token but the first.

    Args:
        model, tokenizer: in evaluation mode.
        prompt: inputs of the model, one row.
        num_top: how many of the likeliest tokens to name at each place; of two with one name the likelier counts.
        num_new: 0 or 1 new tokens.

    Returns:
        JSON-ready, in the form of OpenAI's completions: `text`, `finish_reason` and `logprobs`.
    """
    scores_TV = model(**prompt, use_cache=False).logits[0].float().log_softmax(-1)
    tokens_T = torch.cat([prompt["input_ids"][0], scores_TV[-1:].argmax(-1)[:num_new]])
    scores_TV = scores_TV[: len(tokens_T) - 1]
    values, tokens = (best.flip(1).tolist() for best in scores_TV.topk(num_top))  # of two alike names the better counts
    tops = [dict(zip(map(tokenizer.decode, t), v, strict=True)) for t, v in zip(tokens, values, strict=True)]
    logprobs = {
        "tokens": list(map(tokenizer.decode, tokens_T.tolist())),
        "token_logprobs": [None, *scores_TV.gather(1, tokens_T[1:, None])[:, 0].tolist()],
        "top_logprobs": [None, *tops],
    }
    return {"text": tokenizer.decode(tokens_T), "finish_reason": "length", "logprobs": logprobs}
