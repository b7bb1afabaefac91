"""Whether a server really has adapters on: it is asked for log-probabilities that tell."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from operator import mul
from typing import Any

import httpx

from multipl_moe.errors import ConfigError
from multipl_moe.packs.canary import NUM_TOP, Canary
from multipl_moe.serve.engines import ENGINES, kind_of, llama_cpp_adapters

_TIMEOUT_S = 120.0
_NEAR = 0.5  # of the way from the base to the adapter
_IN_ONE_BATCH = 4  # requests of each kind, at once
_NONSENSE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)  # of what is read
_HERE: dict[str, None] = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}  # no proxy reaches it


@dataclass(frozen=True)
class Checked:
    """What a server does for one adapter.

    Attributes:
        verdict: `on`; `off`: it answers as the base; `wrong`: as neither, or for the base otherwise than the base.
        adapter, base: where its answers lie between the base (0) and the adapter (1), if it is asked for either; None:
            it never named a token that either finds likely.
        in_one_batch: the same, `on`, `off` or `wrong`, where both are asked for at once.
    """

    verdict: str
    adapter: float | None
    base: float | None
    in_one_batch: str


def check_server(
    url: str, canaries: Mapping[str, Sequence[Canary]], *, token: str | None = None, base: str | None = None
) -> Iterator[tuple[str, Checked]]:
    """For each adapter, by its name, what a server does.

    Args:
        url: of OpenAI's interface, such as http://127.0.0.1:8000/v1. llama.cpp's server is known by its list of
            adapters, whose files are named as they are; others name adapters as models.
        canaries: of `export --adapter`, or of `--switch`, where a control token asks for the adapter.
        base: its name of the base; None: the first model that is no adapter.

    Raises:
        ConfigError: the server does not answer, has no such adapter, or tells no log-probabilities.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(timeout=_TIMEOUT_S, headers=headers, mounts=_HERE) as client:
        server = _Server(client, url.rstrip("/"), base, canaries)
        for name, several in canaries.items():
            adapter, base_place = (_place(several, [server.ask(one, to) for one in several]) for to in (name, None))
            asked = [(one, which) for which in (name, None) for one in several] * _IN_ONE_BATCH
            with ThreadPoolExecutor(len(asked)) as pool:
                told = list(pool.map(lambda pair: server.ask(*pair), asked))
            size = len(several)
            places = [_place(several, told[start : start + size]) for start in range(0, len(told), size)]
            verdicts = {_verdict(*pair) for pair in zip(places[::2], places[1::2], strict=True)}
            in_one_batch = verdicts.pop() if len(verdicts) == 1 else "wrong"
            yield name, Checked(_verdict(adapter, base_place), adapter, base_place, in_one_batch)


def _place(canaries: Sequence[Canary], told: Sequence[float | None]) -> float | None:
    """Where log-probabilities lie between the base's (0) and the adapter's (1), by least squares."""
    known = [
        (one, found) for one, found in zip(canaries, told, strict=True) if found is not None and one.adapter != one.base
    ]
    if not known:
        return None
    ways = [one.adapter - one.base for one, _ in known]
    gone = [found - one.base for one, found in known]
    return sum(map(mul, ways, gone)) / sum(map(mul, ways, ways))


def _verdict(adapter: float | None, base: float | None) -> str:
    if adapter is None or base is None or abs(base) > _NEAR:
        return "wrong"
    return "on" if abs(adapter - 1) <= _NEAR else "off" if abs(adapter) <= _NEAR else "wrong"


class _Server:
    def __init__(
        self, client: httpx.Client, url: str, base: str | None, canaries: Mapping[str, Sequence[Canary]]
    ) -> None:
        self.client, self.url = client, url
        try:
            loras = llama_cpp_adapters(client, url.removesuffix("/v1"))
            found = client.get(url + "/models")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, RecursionError) as error:  # a name may be too long
            raise ConfigError(f"URL: {url} does not answer ({error})") from error
        rows: list[dict[str, Any]] = []
        models: list[str] = []
        with suppress(*_NONSENSE):
            rows = found.json()["data"]
            models = [str(row["id"]) for row in rows]
        if not models:
            raise ConfigError(
                f"URL: {url} lists no models; give the address that ends in /v1, and --token if it has one"
            )
        held = models if loras is None else loras
        if missing := [name for name, several in canaries.items() if name not in held and not several[0].control]:
            raise ConfigError(f"URL: {url} has no adapter {', '.join(missing)}; it has {', '.join(held) or 'none'}")
        if base is not None and base not in models:
            raise ConfigError(f"--base: {base!r} is no model of {url}; it has {', '.join(models)}")
        self.engine = ENGINES[kind_of(loras, rows)](held)
        self.base = base or next((name for name in models if name not in (*canaries, "auto")), None)
        if self.base is None:
            raise ConfigError(f"URL: {url} lists no base beside the adapters; name it with --base")

    def ask(self, canary: Canary, adapter: str | None) -> float | None:
        """The log-probability of its token, with an adapter or without; None where it is not among the likeliest."""
        prompt = canary.prompt
        if canary.control and adapter is not None:
            prompt, adapter = canary.control + prompt.removeprefix("\n"), None
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": NUM_TOP}
        body = self.engine.body(body, adapter)
        if adapter is None and "model" in body:
            body["model"] = self.base
        try:
            found = self.client.post(self.url + "/completions", json=body)
            if found.status_code != 200:
                raise ConfigError(f"URL: {self.url} answers {found.status_code}: {found.text[:200]}")
            choice = found.json()["choices"][0]
            if choice["logprobs"] is None and choice["text"] in ("", "\ufffd"):
                return None  # llama.cpp tells nothing of an answer that ends at once or with half a character
            told = _likely(choice["logprobs"]).get(canary.token)
            if told is not None and not isfinite(told):
                raise ValueError(f"{told} for {canary.token!r}")
            return told
        except httpx.TimeoutException as error:
            busy = f"URL: {self.url} did not answer within {self.client.timeout.read:g} s; ask when it has less to do"
            raise ConfigError(busy) from error
        except (httpx.HTTPError, *_NONSENSE) as error:
            where = "; give the address that ends in /v1" if isinstance(error, LookupError) else ""
            told = f"URL: {self.url} tells no log-probabilities of completions ({error!r}){where}"
            raise ConfigError(told) from error


def _likely(logprobs: dict[str, Any]) -> dict[str, float]:
    """By token, of the first that was written; llama.cpp tells it as chats do."""
    if "content" in logprobs:
        return {row["token"]: row["logprob"] for row in logprobs["content"][0]["top_logprobs"]}
    return logprobs["top_logprobs"][0]
