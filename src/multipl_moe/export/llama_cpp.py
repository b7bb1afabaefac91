"""llama.cpp's library, as PyPI's wheel llama-cpp-py-sync carries it: quantised copies of a GGUF file."""

from collections import deque
from functools import cache
from pathlib import Path
from typing import Any

from gguf import LlamaFileType

from multipl_judge.extras import install_hint
from multipl_moe.errors import ConfigError, OutputError
from multipl_moe.system.staging import staged_file

QUANTISED = {
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q6_K": LlamaFileType.MOSTLY_Q6_K,
    "Q4_K_M": LlamaFileType.MOSTLY_Q4_K_M,
}
_LOG_PARTS = 4


class LlamaCpp:
    """The functions of llama.h (`lib`, by way of cffi's `ffi`), and what the library said; it prints nothing."""

    def __init__(self) -> None:
        from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib

        self.ffi: Any = get_ffi()
        self.lib: Any = get_lib()
        self._log: deque[str] = deque(maxlen=_LOG_PARTS)
        self._callback = self.ffi.callback("ggml_log_callback", self._note)  # lives as long as the library may call it
        self.lib.llama_log_set(self._callback, self.ffi.NULL)
        self.lib.llama_backend_init()

    @property
    def said(self) -> str:
        """The end of its log, in one line."""
        return " ".join("".join(self._log).split())

    def _note(self, level: int, text: Any, data: Any) -> None:
        self._log.append(self.ffi.string(text).decode(errors="replace"))


@cache
def load_llama_cpp() -> LlamaCpp:
    """The library, loaded once; raises ConfigError where it is not installed or does not run on this machine."""
    try:
        return LlamaCpp()
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigError(f"llama.cpp: {error}; install it with: {install_hint('llamacpp')}") from error


def quantise(file: Path, target: Path, kind: str) -> None:
    """Write a quantised copy of an unquantised GGUF file, as `llama-quantize` does.

    Rows whose length is no multiple of 256 get the nearest type with blocks of 32 instead of a K-quant.

    Args:
        target: to create; one that exists or is being made elsewhere raises OutputError.
        kind: one of `QUANTISED`.

    Raises:
        ConfigError: llama.cpp is not installed.
        OutputError: it refused.
    """
    llama = load_llama_cpp()
    settings = llama.lib.llama_model_quantize_default_params()
    settings.ftype, settings.nthread = int(QUANTISED[kind]), 1
    settings_pointer = llama.ffi.new("llama_model_quantize_params *", settings)
    with staged_file(target) as partial:
        if llama.lib.llama_model_quantize(str(file).encode(), str(partial).encode(), settings_pointer) != 0:
            raise OutputError(f"GGUF: llama.cpp could not quantise {file.name} to {kind} ({llama.said})")
