"""What of a prompt the new tokens are decoded with."""

from typing import Any

_BROKEN = "\ufffd"
_MOST_TOKENS = 64


def decoding_context(tokenizer: Any, prompt: list[int]) -> list[int]:
    """The last tokens of a prompt, just enough to be text: decoded with them, new tokens are what follows it.

    The decoders of some tokenizers (Llama 2, Mistral, Phi-3) leave out the space before the first word of what they are
    given, which for the first new word would be lost. Where the prompt ends with a special token, a text begins, and
    there is no context.
    """
    last = tokenizer.added_tokens_decoder.get(prompt[-1])
    if last is not None and last.special:
        return []
    for size in range(1, min(len(prompt), _MOST_TOKENS) + 1):
        text = tokenizer.decode(prompt[-size:], skip_special_tokens=True)
        if text and not text.startswith(_BROKEN):  # else it begins within a character, or with a space that is left out
            return prompt[-size:]
    return []
