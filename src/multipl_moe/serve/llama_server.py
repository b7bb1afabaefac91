"""llama.cpp's server from PyPI's wheel xllamacpp, where its program is not installed: `python -m` this module."""

import argparse
import signal

import xllamacpp  # pyright: ignore[reportMissingImports] (no extra has it)

_NUM_SLOTS = 4  # answers at a time, as llama-server has


def main() -> None:
    """Serve until a signal comes. Flags are those of `llama-server`, as far as they are here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--lora", action="append", default=[])
    parser.add_argument("--lora-init-without-apply", action="store_true")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    flags = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = flags.model
    params.hostnames, params.port = [flags.host], flags.port
    params.n_parallel, params.use_jinja = _NUM_SLOTS, True
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in flags.lora]
    params.lora_init_without_apply = flags.lora_init_without_apply
    server = xllamacpp.Server(params)  # it stops with the object
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        signal.pause()
    except KeyboardInterrupt:
        del server


if __name__ == "__main__":
    main()
