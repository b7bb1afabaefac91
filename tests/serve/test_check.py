"""`check` tells adapters that are on from those that are off or wrong, of both forms of servers."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multipl_moe.errors import ConfigError
from multipl_moe.packs.canary import Canary
from multipl_moe.serve.check import check_server
from multipl_moe.serve.engines import ENGINES
from tests.serve.conftest import listening
from tests.serve.engine_stub import EngineStub

CANARIES = [Canary("fn main", "(", -0.1, -1.1), Canary("let x", " =", -2.0, -0.5)]
WITH, WITHOUT = {"fn main": -0.1, "let x": -2.0}, {"fn main": -1.1, "let x": -0.5}


def scored(**by_name: dict[str, float]) -> Any:
    """Scores of a server that answers so for each name, a little off, as engines are."""
    tokens = {one.prompt: one.token for one in CANARIES}
    return lambda name, prompt: {tokens[prompt]: by_name[name][prompt] + 0.03, "other": -3.0}


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize(
    ("rust", "base", "verdict"),
    [
        (WITH, WITHOUT, "on"),
        (WITHOUT, WITHOUT, "off"),
        (WITH, WITH, "wrong"),
        (WITHOUT, WITH, "wrong"),
        ({"fn main": -3.0, "let x": 4.0}, WITHOUT, "wrong"),
    ],
    ids=["on", "adapter of zeros", "base has it too", "the wrong way round", "another adapter"],
)
def test_it_tells_on_off_and_wrong(rust: dict[str, float], base: dict[str, float], verdict: str, kind: str):
    stub = EngineStub(["go", "rust"], scores=scored(rust=rust, base=base), kind=kind)
    with listening(stub.app) as url:
        ((name, found),) = check_server(url, {"rust": CANARIES})
    assert (name, found.verdict, found.in_one_batch) == ("rust", verdict, verdict)


@pytest.mark.parametrize(("verdict", "seen"), [("on", True), ("off", False)])
def test_of_a_file_that_is_switched_by_token_it_asks_with_the_token(verdict: str, seen: bool):
    canaries = [Canary(f"\n{one.prompt}", one.token, one.adapter, one.base, "<|rust|>") for one in CANARIES]

    def scores(name: str, prompt: str) -> dict[str, float]:
        assert name == "base"
        is_on = prompt.startswith("<|rust|>")
        assert is_on or prompt.startswith("\n")
        by_prompt = scored(rust=WITH, base=WITHOUT)
        return by_prompt("rust" if is_on and seen else "base", prompt.removeprefix("<|rust|>").removeprefix("\n"))

    with listening(EngineStub([], scores=scores, kind="llama-server").app) as url:
        ((name, found),) = check_server(url, {"rust": canaries})
    assert (name, found.verdict, found.in_one_batch) == ("rust", verdict, verdict)


def test_a_server_that_mixes_requests_of_one_batch_up_is_told():
    asked = []

    def scores(name: str, prompt: str) -> dict[str, float]:
        asked.append(name)
        alone = len(asked) <= 2 * len(CANARIES)
        return scored(rust=WITH, base=WITHOUT if alone else WITH)(name, prompt)

    with listening(EngineStub(["rust"], scores=scores).app) as url:
        ((_, found),) = check_server(url, {"rust": CANARIES})
    assert (found.verdict, found.in_one_batch) == ("on", "wrong")


def test_tokens_that_are_not_named_are_no_verdict():
    with listening(EngineStub(["rust"], scores=lambda name, prompt: {"x": -1.0}).app) as url:
        ((_, found),) = check_server(url, {"rust": CANARIES})
    assert (found.verdict, found.adapter, found.base) == ("wrong", None, None)


def test_a_canary_that_tells_nothing_counts_for_nothing():
    canaries = [CANARIES[0], Canary("let x", " =", -0.5, -0.5)]
    stub = EngineStub(["rust"], scores=lambda name, prompt: {" =": -0.5})
    with listening(stub.app) as url:
        ((_, found),) = check_server(url, {"rust": canaries})
    assert (found.verdict, found.adapter, found.base) == ("wrong", None, None)


@pytest.mark.parametrize(
    ("adapters", "url", "base", "reason"),
    [
        (["go"], "{url}", None, "has no adapter rust"),
        (["rust"], "{url}", "other", "--base: 'other' is no model"),
        (["rust"], "http://127.0.0.1:9/v1", None, "does not answer"),
        (["rust"], "{url}/x", None, "lists no models"),
        (["rust"], f"http://{'a' * 300}.org/v1", None, "does not answer"),
    ],
)
def test_servers_that_cannot_be_asked_are_refused(adapters: list[str], url: str, base: str | None, reason: str):
    with listening(EngineStub(adapters).app) as found, pytest.raises(ConfigError, match=reason):
        list(check_server(url.format(url=found), {"rust": CANARIES}, base=base))


def test_a_server_that_takes_too_long_is_no_server_without_log_probabilities(monkeypatch: pytest.MonkeyPatch):
    async def answer(request: Request) -> Response:
        await asyncio.sleep(0.4)
        return Response()

    monkeypatch.setattr("multipl_moe.serve.check._TIMEOUT_S", 0.1)
    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route("/v1/completions", answer, methods=["POST"]))
    with listening(app) as url, pytest.raises(ConfigError, match=r"did not answer within 0\.1 s"):
        list(check_server(url, {"rust": CANARIES[:1]}))


@pytest.mark.parametrize(
    "told", ['"-0.1"', "[-0.1]", "9" * 400, "NaN", "1e999", "[" * 100_000 + "]" * 100_000], ids=len
)
def test_what_is_no_log_probability_is_refused_in_a_line(told: str):
    async def answer(request: Request) -> Response:
        return Response(f'{{"choices": [{{"text": "", "logprobs": {{"top_logprobs": [{{"(": {told}}}]}}}}]}}')

    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route("/v1/completions", answer, methods=["POST"]))
    with listening(app) as url, pytest.raises(ConfigError, match=r"tells no log-probabilities of completions \(.*\)$"):
        list(check_server(url, {"rust": CANARIES[:1]}))


@pytest.mark.parametrize("path", ["/lora-adapters", "/v1/models"])
def test_lists_that_are_nested_too_deep_to_be_read_are_refused(path: str):
    async def answer(request: Request) -> Response:
        return Response("[" * 100_000 + "]" * 100_000)

    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route(path, answer))
    with listening(app) as url, pytest.raises(ConfigError, match=r"URL: .* (does not answer|lists no models)"):
        list(check_server(url, {"rust": CANARIES}))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_no_proxy_is_asked_for_a_server_of_this_machine(host: str, monkeypatch: pytest.MonkeyPatch):
    asked = []

    async def answer(request: Request, error: Exception) -> Response:
        asked.append(request.url)
        return Response(status_code=502)

    with listening(Starlette(exception_handlers={404: answer})) as proxy:
        for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "" if "no" in name.lower() else proxy.removesuffix("/v1"))
        with pytest.raises(ConfigError, match="does not answer"):
            list(check_server(f"http://{host}:9/v1", {"rust": CANARIES}))
        assert not asked
        with pytest.raises(ConfigError, match="lists no models"):
            list(check_server("http://elsewhere.invalid/v1", {"rust": CANARIES}))
    assert asked
