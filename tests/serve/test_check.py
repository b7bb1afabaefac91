"""`check` tells adapters that are on from those that are off or wrong, of both forms of servers."""

from typing import Any

import pytest

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
    ],
)
def test_servers_that_cannot_be_asked_are_refused(adapters: list[str], url: str, base: str | None, reason: str):
    with listening(EngineStub(adapters).app) as found, pytest.raises(ConfigError, match=reason):
        list(check_server(url.format(url=found), {"rust": CANARIES}, base=base))
