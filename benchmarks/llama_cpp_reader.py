"""GGUF files in llama.cpp itself: how it splits text, and which tokens it foresees."""

from pathlib import Path
from typing import Any

import numpy as np

from multipl_moe.export.llama_cpp import load_llama_cpp

_TYPES = {"float32": 0, "float16": 1}


class LlamaCppModel:
    """A model that llama.cpp has loaded, on one thread; a context manager.

    Raises RuntimeError where llama.cpp cannot load the file.
    """

    def __init__(
        self, file: Path, num_tokens: int = 512, cache: str = "float32", *, flash_attention: bool = False
    ) -> None:
        self._llama = load_llama_cpp()
        self._ffi, self._lib = self._llama.ffi, self._llama.lib
        settings = self._lib.llama_model_default_params()
        settings.n_gpu_layers = 0
        self._model = self._lib.llama_model_load_from_file(str(file).encode(), settings)
        if self._model == self._ffi.NULL:
            raise RuntimeError(f"llama.cpp does not load {file}: {self._llama.said}")
        context = self._lib.llama_context_default_params()
        context.n_ctx = context.n_batch = context.n_ubatch = num_tokens
        context.n_threads = context.n_threads_batch = 1
        context.type_k = context.type_v = _TYPES[cache]
        context.flash_attn_type = int(flash_attention)
        self._context = self._lib.llama_init_from_model(self._model, context)
        self._vocab = self._lib.llama_model_get_vocab(self._model)
        self._adapters: dict[Path, Any] = {}
        self._num_tokens, self.vocab_size = num_tokens, self._lib.llama_vocab_n_tokens(self._vocab)

    def __enter__(self) -> "LlamaCppModel":
        return self

    def __exit__(self, *error: object) -> None:
        self._lib.llama_free(self._context)
        self._lib.llama_model_free(self._model)

    def adapt(self, *scales: tuple[Path, float]) -> None:
        """Put adapters on the model, each at a scale; none takes all off."""
        for file in {file for file, _ in scales} - self._adapters.keys():
            self._adapters[file] = self._lib.llama_adapter_lora_init(self._model, str(file).encode())
            if self._adapters[file] == self._ffi.NULL:
                raise RuntimeError(f"llama.cpp does not load {file}: {self._llama.said}")
        adapters = [self._adapters[file] for file, _ in scales]
        pointers = self._ffi.new("struct llama_adapter_lora *[]", adapters)
        numbers = self._ffi.new("float[]", [scale for _, scale in scales])
        if code := self._lib.llama_set_adapters_lora(self._context, pointers, len(adapters), numbers):
            raise RuntimeError(f"llama_set_adapters_lora: {code} ({self._llama.said})")

    def tokenise(self, text: str, parse_special: bool = True) -> list[int]:
        """Tokens of a text, with those that go around every text."""
        encoded = text.encode()
        tokens = self._ffi.new("llama_token[]", len(encoded) + 16)
        num = self._lib.llama_tokenize(self._vocab, encoded, len(encoded), tokens, len(tokens), True, parse_special)
        return list(tokens[0:num])

    def logits(self, tokens: list[int]) -> np.ndarray:
        """(T, V) logits after each of the tokens, in one pass."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        return self.decode(tokens, 0)

    def greedy(self, tokens: list[int], num_new: int) -> list[int]:
        """The likeliest next token, again and again, with the cache."""
        logits, new = self.logits(tokens)[-1], []
        for position in range(len(tokens), len(tokens) + num_new):
            new.append(int(logits.argmax()))
            logits = self.decode([new[-1]], position)[-1]
        return new

    def perplexity(self, tokens: list[int]) -> float:
        """exp of the mean loss of tokens after the first, which must fit the context."""
        logits = self.logits(tokens)[:-1].astype(np.float64)
        norms = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
        return float(np.exp((norms - logits[np.arange(len(logits)), tokens[1:]]).mean()))

    def decode(self, tokens: list[int], position: int) -> np.ndarray:
        """(T, V) logits after each of the tokens, which follow those in the cache."""
        batch = self._lib.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for index, token in enumerate(tokens):
            batch.token[index], batch.pos[index], batch.n_seq_id[index] = token, position + index, 1
            batch.seq_id[index][0], batch.logits[index] = 0, 1
        try:
            if code := self._lib.llama_decode(self._context, batch):
                raise RuntimeError(f"llama_decode: {code} ({self._llama.said})")
            size = len(tokens) * self.vocab_size * 4
            values = self._ffi.buffer(self._lib.llama_get_logits(self._context), size)
            return np.frombuffer(values, np.float32).reshape(len(tokens), -1).copy()
        finally:
            self._lib.llama_batch_free(batch)
