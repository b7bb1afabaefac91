"""`check` tells adapters that are on from those that are off or wrong, of both forms of servers."""

import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multipl_moe.errors import ConfigError
from multipl_moe.packs.canary import Canary
from multipl_moe.serve.check import check_server
from multipl_moe.serve.engines import ENGINES, adapters_held
from tests.serve.conftest import listening
from tests.serve.engine_stub import EngineStub

CANARIES = [Canary("fn main", "(", -0.1, -1.1), Canary("let x", " =", -2.0, -0.5)]
WITH, WITHOUT = {"fn main": -0.1, "let x": -2.0}, {"fn main": -1.1, "let x": -0.5}


def scored(**by_name: dict[str, float]) -> Any:
    """Scores of a server that answers so for each name, a little off, as engines are."""
    tokens = {one.prompt: one.token for one in CANARIES}
    return lambda name, prompt: {tokens[prompt]: by_name[name][prompt] + 0.03, "other": -3.0}


VERDICTS = {
    "on": (WITH, WITHOUT, "on"),
    "adapter of zeros": (WITHOUT, WITHOUT, "off"),
    "base has it too": (WITH, WITH, "wrong"),
    "the wrong way round": (WITHOUT, WITH, "wrong"),
    "another adapter": ({"fn main": -3.0, "let x": 4.0}, WITHOUT, "wrong"),
}


@pytest.mark.parametrize("kind", ENGINES)
def test_it_tells_on_off_and_wrong(kind: str):
    stub = EngineStub(["go", "rust"], kind=kind)
    with listening(stub.app) as url:
        for what, (rust, base, verdict) in VERDICTS.items():
            stub.scores = scored(rust=rust, base=base)
            ((name, found),) = check_server(url, {"rust": CANARIES})
            assert (name, found.verdict, found.in_one_batch) == ("rust", verdict, verdict), what


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


@pytest.mark.parametrize("token", ["x", " ="], ids=["not named", "tells nothing"])
def test_canaries_that_are_not_named_or_tell_nothing_count_for_nothing(token: str):
    canaries = [CANARIES[0], Canary("let x", " =", -0.5, -0.5)]
    with listening(EngineStub(["rust"], scores=lambda name, prompt: {token: -0.5}).app) as url:
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
    monkeypatch.setattr("multipl_moe.serve.check._TIMEOUT_S", 0.1)
    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route("/v1/completions", lambda request: time.sleep(0.4), methods=["POST"]))
    with listening(app) as url, pytest.raises(ConfigError, match=r"did not answer within 0\.1 s"):
        list(check_server(url, {"rust": CANARIES[:1]}))


NO_SCORE = r"tells no log-probabilities of completions \(.*\)$"
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("path", "answer", "reason"),
    [
        *(
            ("/v1/completions", f'{{"choices": [{{"logprobs": {{"top_logprobs": [{{"(": {told}}}]}}}}]}}', NO_SCORE)
            for told in ('"-0.1"', "[-0.1]", "9" * 400, "NaN", "1e999", DEEP)
        ),
        ("/lora-adapters", DEEP, "URL: .* does not answer"),
        ("/v1/models", DEEP, "URL: .* lists no models"),
    ],
    ids=len,
)
def test_what_is_no_log_probability_or_list_is_refused_in_a_line(path: str, answer: str, reason: str):
    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route(path, lambda request: Response(answer), methods=["GET", "POST"]))
    with listening(app) as url, pytest.raises(ConfigError, match=reason):
        list(check_server(url, {"rust": CANARIES[:1]}))


def test_an_engine_that_lists_what_cannot_be_read_is_refused_in_a_line():
    app = EngineStub(["rust"]).app
    app.router.routes.insert(0, Route("/lora-adapters", lambda request: Response(DEEP)))
    with listening(app) as url, pytest.raises(ConfigError, match="does not tell what it holds"):
        adapters_held("vllm", url.removesuffix("/v1"), ["rust"], None)


def test_no_proxy_is_asked_for_a_server_of_this_machine(monkeypatch: pytest.MonkeyPatch):
    asked = []

    async def answer(request: Request, error: Exception) -> Response:
        asked.append(request.url)
        return Response(status_code=502)

    with listening(Starlette(exception_handlers={404: answer})) as proxy:
        for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "" if "no" in name.lower() else proxy.removesuffix("/v1"))
        for host in ("localhost", "127.0.0.1", "[::1]"):
            with pytest.raises(ConfigError, match="does not answer"):
                list(check_server(f"http://{host}:9/v1", {"rust": CANARIES}))
        assert not asked
        with pytest.raises(ConfigError, match="lists no models"):
            list(check_server("http://elsewhere.invalid/v1", {"rust": CANARIES}))
    assert asked
