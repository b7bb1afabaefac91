"""Generation from one prompt, streamed piece by piece; what a model is told of its language; chat templates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, TextStreamer

from multipl_judge.languages.table import LANGUAGES
from multipl_moe.errors import BaseModelError, ConfigError
from multipl_moe.fim_tokens import known_fim_tokens
from multipl_moe.generate.named_file import language_of_named_file
from multipl_moe.start_tokens import start_tokens

COLDEST = 1e-4  # a lower temperature would make logits overflow
_BROKEN = "\ufffd"
_MOST_CONTEXT = 64  # tokens


class TextGenerator:
    """A model, dense or hybrid and in evaluation mode, and its tokenizer, for one prompt at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model: Any = model
        self.tokenizer: Any = tokenizer

    def encode(self, prompt: str, *, chat: bool) -> Tensor:
        """(1, T) tokens of a text to continue, or with `chat` of what the user says, in the model's chat template.

        Raises:
            ConfigError: there is no chat template, or it fails, or the prompt has no tokens.
        """
        prompt = asked_by_chat(self.tokenizer, prompt) if chat else prompt
        tokens = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=not chat)["input_ids"]
        if tokens.shape[1] == 0:
            raise ConfigError("prompt: it is empty; give some text to continue")
        return tokens.to(self.model.device)

    def encode_gap(self, prefix: str, suffix: str) -> Tensor:
        """(1, T) tokens that ask for what stands between two texts, in the form PSM of `corpus.fim`.

        Both are data: special tokens that they spell are ordinary text.

        Raises:
            ConfigError: the model has no tokens for it.
        """
        fim = known_fim_tokens(self.model.config, self.tokenizer.get_vocab())
        if fim is None:
            raise ConfigError(
                "suffix: this model's tokenizer has no tokens for fill in the middle; leave it out, or take a base "
                "that has them"
            )
        parts = [
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            for text in (prefix, suffix)
        ]
        tokens = [*start_tokens(self.tokenizer), fim.prefix, *parts[0], fim.suffix, *parts[1], fim.middle]
        return torch.tensor([tokens], device=self.model.device)

    def generate(
        self,
        prompt: Tensor,
        on_text: Callable[[str], None],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        top_p: float = 1.0,
        stop: list[str] | None = None,
        seed: int = 0,
        open_share: float | Tensor | None = None,
    ) -> Tensor:
        """Continue the prompt, with the cache where the preset allows it; domain gates read the prompt as a whole.

        Args:
            prompt: (1, T), as from `encode` or `encode_gap`.
            on_text: called with each finished piece of text, the prompt left out.
            temperature: 0, or less than `COLDEST`, takes the likeliest token each time.
            open_share: of a hybrid with a domain gate, which is then open (1) or shut (0) throughout, as
                `told_language` says. None: the gate decides from the text.

        Returns:
            (T + new,) tokens of prompt and continuation.

        Raises:
            ConfigError: the text would be longer than the model's positions.
        """
        num_prompt = prompt.shape[1]
        longest = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if longest is not None and num_prompt + max_new_tokens > longest:
            raise ConfigError(
                f"prompt: its {num_prompt} tokens and --max-new-tokens {max_new_tokens} are more than the "
                f"{longest} that the model can read; shorten one of them"
            )
        pad, end = self.tokenizer.pad_token_id, self.model.generation_config.eos_token_id
        draws = temperature >= COLDEST
        sampling = {"do_sample": True, "temperature": temperature, "top_p": top_p} if draws else {}
        stopping = {"stop_strings": stop, "tokenizer": self.tokenizer} if stop else {}
        known = {} if open_share is None else {"open_share": open_share}
        torch.manual_seed(seed)
        output = self.model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            streamer=CallbackStreamer(self.tokenizer, on_text),
            max_new_tokens=max_new_tokens,
            pad_token_id=pad if pad is not None else end[0] if isinstance(end, list) else end,
            **({"do_sample": False, "temperature": None, "top_p": None, "top_k": None} | sampling | stopping | known),
        )
        return output[0]


def told_language(config: PreTrainedConfig, language: str | None, text: str = "") -> dict[str, float | Tensor]:
    """What `generate` takes where the language of a text is known: `open_share` 1 for one that was learnt, else 0.

    Args:
        language: its name in recipes; None: the name of the file in the text's head says it, if there is one, else
            nothing is told, and the domain gate decides from the text.
        text: what the model goes on from.

    Raises:
        ConfigError: the model has no domain gate, or nobody knows the language.
    """
    if language is None:
        named = language_of_named_file(text)
        share = None if named is None else open_share_of(config, named)
        return {} if share is None else {"open_share": share}
    if not isinstance(language, str):  # pyright: ignore[reportUnnecessaryIsInstance] (of a request's body)
        raise ConfigError(f"language: {language!r} is not a name, such as rust")
    language = language.lower()  # as all names are
    share = open_share_of(config, language)
    if share is None:
        raise ConfigError("language: this model has no domain gate that it could open or shut; leave it out")
    if language not in _learnt(config) and language not in LANGUAGES:
        known = ", ".join(_learnt(config))
        others = ", ".join(name for name in LANGUAGES if name not in _learnt(config))
        raise ConfigError(f"language: {language!r} is not known; the gate opens for {known}, and shuts for {others}")
    return {"open_share": share}


def open_share_of(config: PreTrainedConfig, language: str) -> float | Tensor | None:
    """`open_share` of `forward` and `generate` for a text that is known to be of a language; None without a gate.

    One number, or (1, packs) of a model that was put together of packs.
    """
    if packs := getattr(config, "packs", None):
        return torch.tensor([[float(language in pack["gate"]["languages"]) for _, pack in sorted(packs.items())]])
    learnt = _learnt(config)
    return float(language in learnt) if learnt else None


def _learnt(config: PreTrainedConfig) -> list[str]:
    return getattr(config, "moe", {}).get("gate", {}).get("languages") or []


class CallbackStreamer(TextStreamer):
    """Hands over text as soon as it cannot change any more; the whole words that transformers waits for."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._on_text = on_text

    def put(self, value: Tensor) -> None:
        """As in transformers; the prompt tells the tokenizer how the text goes on."""
        if self.next_tokens_are_prompt:
            self.token_cache = decoding_context(self.tokenizer, value.flatten().tolist())
            self.print_len = len(self.tokenizer.decode(self.token_cache, **self.decode_kwargs))
        super().put(value)

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """Hand over a piece of text."""
        if text:
            self._on_text(text)


def decoding_context(tokenizer: Any, prompt: list[int]) -> list[int]:
    """The last tokens of a prompt, just enough to be text: decoded with them, new tokens are what follows it.

    The decoders of some tokenizers (Llama 2, Mistral, Phi-3) leave out the space before the first word of what they are
    given, which for the first new word would be lost. Where the prompt ends with a special token, a text begins, and
    there is no context.
    """
    last = tokenizer.added_tokens_decoder.get(prompt[-1])
    if last is not None and last.special:
        return []
    for size in range(1, min(len(prompt), _MOST_CONTEXT) + 1):
        text = tokenizer.decode(prompt[-size:], skip_special_tokens=True)
        if text and not text.startswith(_BROKEN):  # else it begins within a character, or with a space that is left out
            return prompt[-size:]
    return []


def asked_by_chat(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """What a user says, in the model's chat template, up to where the answer begins.

    Raises:
        ConfigError: there is no template, or it fails.
    """
    if not tokenizer.chat_template:
        raise ConfigError("--chat: this model has no chat template; leave it out to continue the text")
    messages = [{"role": "user", "content": prompt}]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except (TemplateError, ValueError) as error:
        raise ConfigError(f"--chat: this model's chat template fails ({error}); mend it, or leave --chat out") from None


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model's folder; raises BaseModelError where there is none."""
    try:
        if not folder.is_dir():  # else its name is looked for as a hub id
            raise OSError("there is no such folder")
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises plain Exception
        raise BaseModelError(f"model: {folder} has no tokenizer that can be read ({error})") from error
