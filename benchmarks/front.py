"""The gate in front of an engine: what a choice a request keeps of the gain, whether it is right, and what it costs.

    python benchmarks/front.py RUN --pack NAME=FOLDER [--pack ...] [--quick] [--output FILE.json]

RUN is the folder of a finished run with one gated expert a layer for Rust, Go and Ruby; the packs are its own, or
others for single languages, on the same base. Texts are those of gate_texts.py.

*Share*: a text is cut into a prompt and its answer; the front's choices decide, line by line as it does, whether an
answer's tokens count with their bits as told open or as told shut. *Right*: twenty times a hundred streamed requests at
once, of text of other kinds, of each pack's languages, and with `language`, in front of an engine that only writes.
*Time*: to the first token, less that of the engine itself, asked as often.
"""

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import httpx
import torch
import uvicorn
from domain_gate import Setting
from gate_switches import OWN_CODE, Read
from gate_texts import LEARN, Text, texts
from harness import Target, options_parser, print_table, record
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from multipl_moe.cli.options import named_packs
from multipl_moe.gate import TextGate
from multipl_moe.packs.files import Pack
from multipl_moe.serve.engine_process import free_port
from multipl_moe.serve.engines import Vllm
from multipl_moe.serve.front import build_front, looks
from multipl_moe.serve.picking import Picker

_SETS = {"files": (0.9, 384), "chat fenced": (0.85, 500), "chat plain": (0.85, 500)}  # least share, tokens read
_TEXTS = 16  # of a language
_PROMPT_TOKENS = 64  # of a file
_AT_ONCE, _ROUNDS = 100, 20
_RIGHT, _ADDED_S = 0.98, 0.05
_PROMPT_CHARACTERS = 1500


class _Answered:
    """A text's prompt, in tokens, and for each later token whether the front had the pack on."""

    def __init__(self, setting: Setting, picker: Picker, text: Text, read: Read, most_tokens: int) -> None:
        self.tokens = read.tokens[:most_tokens]
        begin = read.begin or min(_PROMPT_TOKENS, len(self.tokens) // 2)
        starts = [len(setting.tokenizer.decode(self.tokens[:number])) for number in range(begin, len(self.tokens))]
        whole = setting.tokenizer.decode(self.tokens)
        prompt, answer = whole[: starts[0]], whole[starts[0] :]
        picks = [(0, picker.pick(None, None, prompt).adapter)]
        picks += [
            (end, picker.pick(None, None, prompt + answer[:end]).adapter) for end in looks(answer, before=len(prompt))
        ]
        self.begin, self.end = begin, min(read.end, len(self.tokens))
        latest = [next(pick for place, pick in reversed(picks) if place <= start - starts[0]) for start in starts]
        self.is_open = torch.tensor([pick is not None for pick in latest])
        self.switches = sum(one != other for (_, one), (_, other) in pairwise(picks))


@torch.no_grad()
def share(setting: Setting, answered: list[_Answered]) -> dict[str, float]:
    """Change of the answers' bits as the front chooses and told open, of what they are told shut, and the share."""
    bits: dict[str, float] = dict.fromkeys(("shut", "open", "front"), 0.0)
    for one in answered:
        tokens, nats = torch.tensor([one.tokens]), {}
        for way, told in {"shut": 0.0, "open": 1.0}.items():
            logits = setting.model(tokens, use_cache=False, open_share=told).logits[0, :-1].log_softmax(-1)
            nats[way] = -logits.gather(1, tokens[0, 1:, None])[one.begin - 1 : one.end - 1, 0]
            bits[way] += nats[way].sum().item()
        is_open = one.is_open[: len(nats["open"])]
        bits["front"] += torch.where(is_open, nats["open"], nats["shut"]).sum().item()
    changes = {way: value / bits["shut"] - 1 for way, value in bits.items() if way != "shut"}
    switches = sum(one.switches for one in answered) / len(answered)
    return changes | {"share": changes["front"] / changes["open"] if changes["open"] else 1.0, "switches": switches}


def _engine() -> Starlette:
    async def answer(request: Any) -> StreamingResponse:
        body = await request.json()

        async def events() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield f"data: {json.dumps({'choices': [{'text': body['model'] + ' '}]})}\n\n".encode()
                await asyncio.sleep(0.01)
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    routes = [Route("/v1/completions", answer, methods=["POST"]), Route("/health", lambda _: JSONResponse({}))]
    return Starlette(routes=routes)


def _run(what: str, port: int, engine_port: int, packs: dict[str, Path], tokenizer: Path) -> None:
    torch.set_num_threads(1)
    app = _engine()
    if what == "front":
        gates = TextGate.load(packs, tokenizer=tokenizer)
        picker = Picker.of(gates, {name: Pack.load(folder) for name, folder in packs.items()})
        app = build_front(Vllm(list(packs)), f"http://127.0.0.1:{engine_port}", picker, token=None)
    uvicorn.run(app, port=port, log_level="error")


async def _ask(client: httpx.AsyncClient, body: dict[str, Any]) -> tuple[str, float]:
    """The model that answered, if it is the same in all of the eight pieces, and the seconds to the first."""
    began, first, told = time.monotonic(), 0.0, ""
    async with client.stream("POST", "/v1/completions", json=body | {"stream": True, "max_tokens": 8}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: {"):
                first = first or time.monotonic() - began
                told += json.loads(line[6:])["choices"][0]["text"]
    names = told.split()
    if len(names) != 8:
        return "lost", first
    return (names[0] if len(set(names)) == 1 else "changed"), first


async def _all(port: int, bodies: list[dict[str, Any]]) -> list[tuple[str, float]]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, limits=httpx.Limits()) as client:
        return list(await asyncio.gather(*(_ask(client, body) for body in bodies)))


def _requests(packs: dict[str, Path]) -> list[list[tuple[dict[str, Any], str]]]:
    """Rounds of a hundred requests of four kinds, and the model that is right for each; files are asked for in turn."""
    languages = {name: Pack.load(folder).languages for name, folder in packs.items()}
    known = texts()
    of_packs = [[(text.text, name) for text in known["files"] if text.kind in own] for name, own in languages.items()]
    files = [one for row in zip(*of_packs, strict=False) for one in row]
    others = [text.text for text in known["other"] if text.kind not in OWN_CODE]
    step = max(len(others) // (_ROUNDS * _AT_ONCE // 4), 1)
    asked: list[tuple[dict[str, Any], str]] = []
    for number in range(_ROUNDS * _AT_ONCE // 4):
        file, name = files[number % len(files)]
        other, another = others[number * step % len(others)], others[-number % len(others)]
        asked += [
            ({"prompt": other}, "base"),
            ({"prompt": file}, name),
            ({"prompt": another, "language": languages[name][0]}, name),
            ({"prompt": file, "language": "cobol"}, "base"),
        ]
    asked = [(body | {"prompt": body["prompt"][:_PROMPT_CHARACTERS], "model": "auto"}, right) for body, right in asked]
    return [asked[begin : begin + _AT_ONCE] for begin in range(0, len(asked), _AT_ONCE)]


def at_once(packs: dict[str, Path], tokenizer: Path) -> dict[str, float]:
    """Rounds of a hundred requests, through the front and at the engine itself."""
    rounds = _requests(packs)
    engine_port, port = free_port(), free_port()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_run, args=(what, one, engine_port, packs, tokenizer), daemon=True)
        for what, one in (("engine", engine_port), ("front", port))
    ]
    try:
        for process, one in zip(processes, (engine_port, port), strict=True):
            process.start()
            _wait(one)
        asked = rounds[0]
        direct = [{"prompt": body["prompt"], "model": right} for body, right in asked]
        asyncio.run(_all(port, [body for body, _ in asked]))  # once, to warm up
        alone, front, rights, lost = [], [], [], 0
        for asked_now in rounds:
            alone += [first for _, first in asyncio.run(_all(engine_port, direct))]
            found = asyncio.run(_all(port, [body for body, _ in asked_now]))
            front += [first for _, first in found]
            rights += [name == right for (name, _), (_, right) in zip(found, asked_now, strict=True)]
            lost += sum(name == "lost" for name, _ in found)
        one_by_one = [
            asyncio.run(_all(port, [asked[n][0]]))[0][1] - asyncio.run(_all(engine_port, [direct[n]]))[0][1]
            for n in range(0, _AT_ONCE, 5)
        ]
    finally:
        for process in processes:
            process.terminate()
    return {
        "right": mean(rights),
        "right_other": mean(rights[::4]),
        "right_files": mean(rights[1::4]),
        "right_told": mean(rights[2::4] + rights[3::4]),
        "lost": lost,
        "first_token_s": median(front),
        "engine_first_token_s": median(alone),
        "added_alone_s": median(one_by_one),
    }


def _wait(port: int) -> None:
    for _ in range(600):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError(f"nothing answers on port {port}")


def main() -> None:
    parser = options_parser(__doc__, quick="one text of a kind")
    parser.add_argument("run", type=Path, help="folder of a finished run, with recipe.yaml and model/")
    parser.add_argument("--corpus", type=Path, help="folder of the corpus [RUN/corpus]")
    parser.add_argument("--pack", action="append", required=True, help="NAME=FOLDER of a pack; may be repeated")
    options: argparse.Namespace = parser.parse_args()
    torch.set_num_threads(1)
    setting = Setting(options.run, options.corpus or options.run / "corpus", options.quick)
    packs = named_packs("--pack", options.pack)
    one = Picker(TextGate({"pack": setting.gate}, setting.tokenizer), {"pack": list(LEARN)})
    shares = {}
    for name, (_, most_tokens) in _SETS.items():
        answered = []
        for kind in LEARN:
            of_kind = [text for text in texts()[name] if text.kind == kind][: 1 if options.quick else _TEXTS]
            answered += [_Answered(setting, one, text, Read(setting, text), most_tokens) for text in of_kind]
        shares[name] = share(setting, answered)
    results = {
        "share": shares,
        "at_once": at_once(packs, options.run / "model"),
        "packs": {name: Pack.load(p).languages for name, p in packs.items()},
    }
    keys = ("front", "open", "share", "switches")
    rows = [[name, *(f"{row[key]:+.3f}" for key in keys)] for name, row in shares.items()]
    print_table("Change of an answer's bits", ["set", "through the front", "told open", "share", "switches"], rows)
    print_table("A hundred at once", ["", ""], [[key, f"{value:.4g}"] for key, value in results["at_once"].items()])
    found = results["at_once"]
    targets = [
        Target(f"{name}: share of the told-open gain", row["share"], _SETS[name][0]) for name, row in shares.items()
    ]
    targets += [
        Target("requests picked right", found["right"], _RIGHT),
        Target("requests lost", found["lost"], 0, at_least=False),
        Target("added time to the first token, alone, s", found["added_alone_s"], _ADDED_S, at_least=False),
        Target(
            "added time to the first token, 100 at once, a request, s",
            (found["first_token_s"] - found["engine_first_token_s"]) / _AT_ONCE,
            _ADDED_S,
            at_least=False,
        ),
    ]
    record("front", results, targets, repeats=_ROUNDS, options=options)


if __name__ == "__main__":
    main()
