"""llama.cpp's server from PyPI's wheel xllamacpp, where its program is not installed: `python -m` this module."""

import argparse
import os
import signal
from typing import Any

import xllamacpp

_NUM_SLOTS = 4  # answers at a time, as llama-server has


def main() -> None:
    """Serve until a signal comes. Flags are those of `llama-server`, as far as they are here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--lora", action="append", default=[])
    parser.add_argument("--lora-init-without-apply", action="store_true")
    parser.add_argument("--cache-ram", type=int, default=-1)
    parser.add_argument("--alias")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    flags = parser.parse_args()
    library: Any = xllamacpp
    params = library.CommonParams()
    params.model.path = flags.model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < (os.cpu_count() or 1):  # else llama.cpp starts threads for all there are
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = cores
    params.hostnames, params.port = [flags.host], flags.port
    params.n_parallel, params.use_jinja, params.cache_ram_mib = _NUM_SLOTS, True, flags.cache_ram
    if key := os.environ.get("LLAMA_API_KEY"):
        params.api_keys = [key]
    if flags.alias:
        params.model_alias = {flags.alias}
    params.lora_adapters = [library.CommonAdapterLoraInfo(path, 1.0) for path in flags.lora]
    params.lora_init_without_apply = flags.lora_init_without_apply
    try:
        server = library.Server(params)  # it stops with the object
    except RuntimeError as error:  # llama.cpp has said why; a traceback would hide it
        parser.exit(1, f"--model, --lora: {' or '.join([flags.model, *flags.lora])} cannot be loaded ({error})\n")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        signal.pause()
    except KeyboardInterrupt:
        del server


if __name__ == "__main__":
    main()
