"""The front picks base or adapter by what a request says and by its text, and loses nothing of the engine's answers."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from openai import NotFoundError, OpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from multipl_moe.serve.engines import ENGINES, Vllm
from multipl_moe.serve.front import PICK_HEADER, build_front, looks
from multipl_moe.serve.picking import Picker
from tests.serve.conftest import CHAT, COMPLETION, client_of, in_front, listening, send
from tests.serve.engine_stub import LANGUAGES, EngineStub

ANSWER = "Here:\n```rust\n"
REST = "fn main() {}\n```\n"
END = "Done."
NOWHERE = "http://127.0.0.1:9"


def write(name: str, body: dict[str, Any]) -> str:
    """An answer whose code the adapter writes, and whose prose the base writes; each begins where the last ended."""
    last = body["messages"][-1] if "messages" in body else {"role": "assistant", "content": str(body.get("prompt"))}
    told = last["content"] if last["role"] == "assistant" else ""
    if told.endswith(ANSWER + REST):
        return END if name == "base" else "WRONG"
    if told.endswith(ANSWER):
        return REST + "and on" if name == "systems" else "WRONG"
    return ANSWER + "fn wrong() {}\n```\n" if name == "base" else f"by {name}"


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    """That of the engine; each kind is for tests of what engines do in their own ways."""
    return getattr(request, "param", "vllm")


of_each_kind = pytest.mark.parametrize("kind", ENGINES, indirect=True)
streamed_or_not = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture(scope="module")
def served(kind: str, picker: Picker) -> Iterator[tuple[str, EngineStub, list[str]]]:
    """The front's base URL, the engine behind it, and what whoever serves is told."""
    engine, told = EngineStub(list(LANGUAGES), write, kind=kind), []
    with in_front(engine, picker, told.append) as url:
        yield url, engine, told


@pytest.fixture
def url(served: tuple[str, EngineStub, list[str]]) -> str:
    return served[0]


@pytest.fixture
def client(url: str) -> OpenAI:
    return client_of(url)


@pytest.fixture
def asked(served: tuple[str, EngineStub, list[str]]) -> list[tuple[str, dict[str, Any]]]:
    """What the engine is asked in this test: for which adapter or the base, with which body."""
    served[1].asked.clear()
    return served[1].asked


def chat(client: OpenAI, **asked: Any) -> Any:
    return client.chat.completions.create(
        **({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]} | asked)
    )


def names(asked: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [name for name, _ in asked]


@pytest.mark.parametrize(
    ("prompt", "model", "language", "picked"),
    [
        ("def f(x):", "auto", None, "base; by text"),
        ("fn main() {", "auto", None, "systems; by text"),
        ("fn main() {", "base", None, "base; by model"),
        ("def f(x):", "ml", None, "ml; by model"),
        ("def f(x):", "auto", "go", "systems; by language"),
        ("fn main() {", "auto", "cobol", "base; by language"),
        ("def f(x):", "auto", "OCaml", "ml; by language"),
        ("fn main() {", "ml", "rust", "ml; by model"),
        ("<|file_sep|>src/a.py\nfn ", "auto", None, "base; by file"),
        ("// Path: lib/tree.ml\n", "auto", None, "ml; by file"),
        ("# src/main.rs\n", "auto", None, "systems; by file"),
        ("# hr/pay.rules\n", "auto", None, "systems; by file"),
        ("# Node.js\nx", "auto", None, "base; by text"),
        ("<|fim_prefix|>// Path: a.py\n// def f(x):\n// src.rs\nuse ", "auto-qwen2.5-coder", None, "systems; by file"),
        ("<fim_prefix>\n// a.py\nfn main() {", "auto", None, "base; by file"),
        ("fn main() {\n// a.py\n", "auto", None, "systems; by text"),
    ],
)
def test_a_request_is_answered_by_what_it_asks_for(client: OpenAI, prompt, model, language, picked):
    extra = {} if language is None else {"language": language}
    answer = client.completions.with_raw_response.create(model=model, prompt=prompt, extra_body=extra)
    name, _, by = picked.partition("; ")
    assert answer.headers[PICK_HEADER].split()[0].rstrip(";") == name
    assert by == "by text" or answer.headers[PICK_HEADER] == picked
    text = answer.parse().choices[0].text
    assert text == f"by {name}" if name != "base" else text.startswith("Here:")


def test_fill_in_the_middle_is_picked_by_what_stands_before(url: str, asked):
    send(url, "POST", "/infill", {"input_prefix": "fn main() {\n", "input_suffix": "}", "language": "ocaml"})
    send(url, "POST", "/infill", {"input_prefix": "", "prompt": "fn main() {\n", "input_suffix": "}"})
    assert names(asked) == ["ml", "systems"]
    assert asked[1][1]["input_suffix"] == "}"
    assert "language" not in asked[0][1]


@of_each_kind
@streamed_or_not
@pytest.mark.parametrize("path", [COMPLETION, CHAT])
def test_an_answer_that_opens_a_fence_is_continued_with_the_right_pick(served, client: OpenAI, asked, stream, path):
    told = served[2]
    told.clear()
    if path == CHAT:
        answer: Any = chat(client, stream=stream, max_tokens=100)
    else:
        answer = client.completions.create(model="auto", prompt="Hi\n", stream=stream, max_tokens=100)
    if not stream:
        choice = answer.choices[0]
        assert (choice.message.content if path == CHAT else choice.text) == ANSWER + REST + END
        assert answer.usage.completion_tokens > len(ANSWER + REST + END)
    else:
        events = list(answer)
        texts = [event.choices[0].delta.content if path == CHAT else event.choices[0].text for event in events]
        assert "".join(text or "" for text in texts) == ANSWER + REST + END
    assert names(asked) == ["base", "systems", "base"]
    left = [body["max_tokens"] for _, body in asked]
    assert left[0] == 100 > left[1] > left[2] > 0
    assert told == [f"{path}: {pick}, by text" for pick in ("base", "goes on with systems", "goes on with base")]


@streamed_or_not
def test_an_answer_is_not_continued_where_a_stop_string_may_have_begun(client: OpenAI, asked, stream):
    assert list(chat(client, stream=stream, stop=["x", "\n\n"]))
    chat(client, stop=["x", "\t\n"])
    assert names(asked) == ["base", "base", "systems", "base"]


@of_each_kind
def test_an_answer_that_the_client_began_is_picked_by_where_it_ends(client: OpenAI, asked, kind: str):
    begun: Any = [{"role": "user", "content": "Complete this."}, {"role": "assistant", "content": "Here:\n```rust\n"}]
    for extra in ({}, {"add_generation_prompt": False, "continue_final_message": True}):
        chat(client, messages=begun, extra_body=extra)
    untold = "systems" if kind == "llama-server" else "base"  # others begin an answer of their own unless they are told
    assert names(asked) == [untold, "systems"]


def test_the_gates_look_at_a_long_text_less_often():
    line, fence = 39 * "x" + "\n", "```\n"
    assert list(looks(4 * line)) == [40, 80, 120, 160]
    assert list(looks(4 * line, before=9_900)) == [120]
    assert list(looks(4 * line + fence, before=10**6)) == [164]


@streamed_or_not
def test_an_answer_with_no_token_left_is_not_continued(client: OpenAI, asked, stream: bool):
    answer: Any = client.completions.create(model="auto", prompt="Hi\n", stream=stream, max_tokens=len(ANSWER))
    choices = [event.choices[0] for event in answer] if stream else answer.choices
    assert "".join(choice.text for choice in choices).startswith(ANSWER)
    assert choices[-1].finish_reason == "stop"
    assert len(asked) == 1


@of_each_kind
def test_an_answer_that_is_not_switched_comes_byte_for_byte(served, kind: str):
    url, engine, _ = served
    body = {"prompt": "x", "stream": True}
    with listening(engine.app) as behind:
        expected = send(behind, "POST", COMPLETION, ENGINES[kind](engine.adapters).body(body, "systems"))
    assert send(url, "POST", COMPLETION, body | {"model": "systems"}) == expected


@pytest.mark.parametrize(
    "extra",
    [{"logprobs": 1}, {"logprobs": 0}, {"prompt_logprobs": 0}, {"n": 2}, {"language": "ocaml"}, {"model": "base"}],
)
def test_what_cannot_be_continued_or_was_told_is_answered_at_once(served, url: str, asked, extra):
    served[1].scores = lambda name, prompt: {"a": -1.0}
    assert send(url, "POST", COMPLETION, {"prompt": "Hi\n"} | extra)[0] == 200
    assert names(asked) == ["ml" if "language" in extra else "base"]


def test_models_and_health_are_the_fronts_own(client: OpenAI, url: str):
    assert [row.id for row in client.models.list()] == ["auto", "base", "systems", "ml"]
    assert [client.models.retrieve(name).id for name in ("auto", "auto-qwen", "ml")] == ["auto", "auto-qwen", "ml"]
    with pytest.raises(NotFoundError, match="'none' is none; choose one of auto, base, systems, ml"):
        client.models.retrieve("none")
    assert json.loads(send(url, "GET", "/health")[1]) == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (COMPLETION, {"model": "other", "prompt": "x"}, "choose one of auto, base, systems, ml"),
        (COMPLETION, {"prompt": ["a", "b"]}, "give one text"),
        (COMPLETION, {"prompt": "x", "language": 5}, "give names"),
        (COMPLETION, {"prompt": [-1]}, "cannot be read"),
        (COMPLETION, {"prompt": "\ud83d"}, "none that an engine can read"),
        (COMPLETION, b"{", "cannot be read"),
        (CHAT, {}, '"messages: '),
        *((CHAT, {"messages": told}, '"messages: ') for told in ("hi", ["hi"], [{"content": ["a"]}], [{"content": 3}])),
    ],
)
def test_what_cannot_be_picked_for_is_refused(url: str, path: str, body: Any, reason: str):
    status, text = send(url, "POST", path, body)
    assert (status, reason in text) == (400, True), text


def test_the_text_is_asked_for_only_where_the_gates_decide(client: OpenAI, asked):
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "fn main() {"}]}]
    assert chat(client, messages=parts).choices[0].message.content == "by systems"
    robots: Any = [{"role": "robot", "content": "def f(x):"}]
    chat(client, messages=robots)
    client.completions.create(model="ml", prompt=["x"])
    assert names(asked)[-2:] == ["base", "ml"]
    assert asked[-1][1]["prompt"] == ["x"]


@of_each_kind
@streamed_or_not
def test_a_line_that_the_next_pick_writes_again_is_kept(kind: str, picker: Picker, stream: bool):
    def twice(name: str, body: dict[str, Any]) -> str:
        return ANSWER if name == "systems" else ANSWER + "x"

    with in_front(EngineStub(list(LANGUAGES), twice, kind=kind), picker) as url:
        answer = chat(client_of(url), stream=stream)
        texts = [event.choices[0].delta.content for event in answer] if stream else [answer.choices[0].message.content]
    assert "".join(text or "" for text in texts).startswith(ANSWER + ANSWER)


@contextmanager
def in_front_of(picker: Picker, *answers: Response) -> Iterator[tuple[str, list[str]]]:
    """URL of a front before an engine that gives these answers in turn, the last again and again; what is told."""
    left, told = list(answers), []

    def give(request: Request) -> Response:
        return left.pop(0) if len(left) > 1 else left[0]

    engine = EngineStub(list(LANGUAGES))
    engine.app = Starlette(routes=[Route("/{path:path}", give, methods=["POST"])])
    with in_front(engine, picker, told.append) as url:
        yield url, told


@streamed_or_not
def test_what_the_gates_need_not_read_goes_to_the_engine_and_its_refusal_comes_back(picker: Picker, stream: bool):
    refused = JSONResponse({"error": {"message": "the engine's own"}}, 400)
    odd = [{"model": "base", "messages": value} for value in (["hi"], {"a": 1}, 5)]
    with in_front_of(picker, refused) as (url, _):
        for body in (*odd, {"language": "rust", "messages": "hi"}, {"prompt": "x", "messages": ["hi"]}):
            path = COMPLETION if "prompt" in body else CHAT
            assert send(url, "POST", path, body | {"stream": stream}) == (400, bytes(refused.body).decode()), body


UNREADABLE = (
    JSONResponse([1, 2]),
    JSONResponse({"choices": [None], "usage": [1]}),
    JSONResponse({"choices": [{"message": 5}]}),
    Response(b"no JSON"),
    Response(b"[" * 10**5),
)


@streamed_or_not
def test_an_answer_that_cannot_be_read_is_handed_through(picker: Picker, stream: bool):
    with in_front_of(picker, *UNREADABLE) as (url, _):
        for odd in UNREADABLE:
            found = send(url, "POST", COMPLETION, {"prompt": "Hi\n", "stream": stream})
            assert found == (200, bytes(odd.body).decode())


def test_a_continuation_that_is_refused_or_cannot_be_read_leaves_the_answer_before_it(picker: Picker):
    first, refused = {"choices": [{"text": ANSWER + "fn main() {}"}]}, JSONResponse({"error": {}}, 500)
    several = (*UNREADABLE, refused)
    with in_front_of(picker, *(answer for odd in several for answer in (JSONResponse(first), odd))) as (url, told):
        for odd in several:
            assert json.loads(send(url, "POST", COMPLETION, {"prompt": "Hi\n"})[1]) == first, odd.body
    assert set(told) == {f"{COMPLETION}: base, by text"}, "of a continuation that is none nothing is told"


def test_a_hundred_streams_at_once_are_all_answered(picker: Picker):
    engine = EngineStub(list(LANGUAGES), lambda name, body: f"{name} {body['prompt']}", delay_s=0.01)
    prompts = {"def f(": "base", "fn main": "systems"}

    async def ask(client: httpx.AsyncClient, number: int, prompt: str) -> bool:
        body = {"prompt": f"{prompt}{number}", "stream": True, "model": ["auto", "ml"][number % 4 == 3]}
        name = "ml" if number % 4 == 3 else prompts[prompt]
        events = (await client.post("/completions", json=body)).text.split("\n\n")
        told = [json.loads(event[6:])["choices"][0]["text"] for event in events[:-2]]
        return "".join(told) == f"{name} {prompt}{number}" and events[-2:] == ["data: [DONE]", ""]

    async def all_of_them(url: str) -> list[bool]:
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            return await asyncio.gather(*(ask(client, n, list(prompts)[n % 2]) for n in range(100)))

    with in_front(engine, picker) as url:
        assert all(asyncio.run(all_of_them(url)))


async def stopped_meanwhile(
    behind: str, picker: Picker, stream: bool, begun: Callable[[], Awaitable[Any]]
) -> list[httpx.Response]:
    """The answer to a request that was `begun` when the front was stopped, and to one that came after that."""
    front = build_front(Vllm(list(LANGUAGES)), behind.removesuffix("/v1"), picker, token=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost/v1") as client:
        body = {"prompt": "x", "stream": stream}
        under_way = asyncio.create_task(client.post("/completions", json=body))
        await begun()
        await front.state.engine.aclose()
        return [await under_way, await client.post("/completions", json=body)]


@streamed_or_not
def test_answers_under_way_end_in_words_when_the_front_is_stopped(picker: Picker, stream: bool):
    is_asked, may_end = threading.Event(), threading.Event()

    def hang(name: str, body: dict[str, Any]) -> str:
        is_asked.set()
        may_end.wait(30)
        return "late"

    with listening(EngineStub(list(LANGUAGES), hang).app) as behind:
        begun = partial(asyncio.to_thread, is_asked.wait, 30)
        answers = asyncio.run(stopped_meanwhile(behind, picker, stream, begun))
        may_end.set()
    told = [(answer.status_code, "is stopping" in answer.json()["error"]["message"]) for answer in answers]
    assert told == [(502, True), (502, True)]


def test_a_stream_under_way_ends_in_words_when_the_front_is_stopped(picker: Picker):
    engine = EngineStub(list(LANGUAGES), lambda name, body: 1000 * "word ", delay_s=0.02)
    with listening(engine.app) as behind:
        answer, _ = asyncio.run(stopped_meanwhile(behind, picker, True, partial(asyncio.sleep, 0.5)))
    *_, last = answer.text.strip().split("\n\n")
    assert "the server is stopping" in json.loads(last.removeprefix("data: "))["error"]["message"]


def test_without_the_token_nothing_is_answered_and_an_engine_that_is_not_there_is_told(picker: Picker):
    with listening(build_front(Vllm(list(LANGUAGES)), NOWHERE, picker, token="secret")) as url:
        assert send(url, "GET", "/v1/models")[0] == 401
        assert send(url, "GET", "/v1/models", Authorization="Bearer other")[0] == 401
        assert send(url, "GET", "/v1/models", Authorization="bearer secret")[0] == 200
        assert send(url, "GET", "/health")[0] == 503
        for stream in (False, True):
            asked = {"prompt": "x", "stream": stream}
            assert send(url, "POST", COMPLETION, asked, Authorization="Bearer secret")[0] == 502
