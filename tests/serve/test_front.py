"""The front picks base or adapter by what a request says and by its text, and loses nothing of the engine's answers."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from openai import InternalServerError, NotFoundError, OpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from transformers import AutoTokenizer

from multipl_moe.serve.engines import ENGINES
from multipl_moe.serve.front import PICK_HEADER, build_front, looks
from multipl_moe.serve.picking import Picker
from tests.fixtures import CHAT_TEMPLATE, save_tokenizer
from tests.serve.conftest import client_of, in_front, listening, send
from tests.serve.engine_stub import LANGUAGES, EngineStub, GatesStub

ANSWER = "Here:\n```rust\n"
REST = "fn main() {}\n```\n"
END = "Done."


def write(name: str, body: dict[str, Any]) -> str:
    """An answer whose code the adapter writes, and whose prose the base writes; each begins where the last ended."""
    last = body["messages"][-1] if "messages" in body else {"role": "assistant", "content": str(body.get("prompt"))}
    told = last["content"] if last["role"] == "assistant" else ""
    if told.endswith(ANSWER + REST):
        return END if name == "base" else "WRONG"
    if told.endswith(ANSWER):
        return REST + "and on" if name == "systems" else "WRONG"
    return ANSWER + "fn wrong() {}\n```\n" if name == "base" else f"by {name}"


@pytest.fixture(scope="module", params=ENGINES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def picker(tmp_path_factory: pytest.TempPathFactory) -> Picker:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = CHAT_TEMPLATE
    return Picker(GatesStub(tokenizer), LANGUAGES, {".rules": "go"})  # pyright: ignore[reportArgumentType] (as much of one as is asked)


@pytest.fixture(scope="module")
def engine(kind: str) -> EngineStub:
    return EngineStub([*LANGUAGES, "broken"], write, kind=kind)


@pytest.fixture(scope="module")
def url(engine: EngineStub, picker: Picker) -> Iterator[str]:
    with in_front(engine, picker) as address:
        yield address


@pytest.fixture
def client(url: str) -> OpenAI:
    return client_of(url)


def chat(client: OpenAI, **asked: Any) -> Any:
    return client.chat.completions.create(
        **({"model": "auto", "messages": [{"role": "user", "content": "Hi"}]} | asked)
    )


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


def test_fill_in_the_middle_is_picked_by_what_stands_before(url: str, engine: EngineStub):
    send(url, "POST", "/infill", {"input_prefix": "fn main() {\n", "input_suffix": "}", "language": "ocaml"})
    send(url, "POST", "/infill", {"input_prefix": "", "prompt": "fn main() {\n", "input_suffix": "}"})
    assert [name for name, _ in engine.asked[-2:]] == ["ml", "systems"]
    assert engine.asked[-1][1]["input_suffix"] == "}"
    assert "language" not in engine.asked[-2][1]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("is_chat", [False, True])
def test_an_answer_that_opens_a_fence_is_continued_with_the_right_pick(client: OpenAI, engine, stream, is_chat):
    if is_chat:
        answer: Any = chat(client, stream=stream, max_tokens=100)
    else:
        answer = client.completions.create(model="auto", prompt="Hi\n", stream=stream, max_tokens=100)
    if not stream:
        choice = answer.choices[0]
        assert (choice.message.content if is_chat else choice.text) == ANSWER + REST + END
        assert answer.usage.completion_tokens > len(ANSWER + REST + END)
    else:
        events = list(answer)
        texts = [event.choices[0].delta.content if is_chat else event.choices[0].text for event in events]
        assert "".join(text or "" for text in texts) == ANSWER + REST + END
    names = [name for name, _ in engine.asked[-3:]]
    assert names == ["base", "systems", "base"]
    left = [body["max_tokens"] for _, body in engine.asked[-3:]]
    assert left[0] == 100 > left[1] > left[2] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_not_continued_where_a_stop_string_may_have_begun(client: OpenAI, engine, stream):
    before = len(engine.asked)
    assert list(chat(client, stream=stream, stop=["x", "\n\n"]))
    chat(client, stop=["x", "\t\n"])
    assert [name for name, _ in engine.asked[before:]] == ["base", "base", "systems", "base"]


def test_an_answer_that_the_client_began_is_picked_by_where_it_ends(client: OpenAI, engine: EngineStub, kind: str):
    asked: Any = [{"role": "user", "content": "Complete this."}, {"role": "assistant", "content": "Here:\n```rust\n"}]
    for extra in ({}, {"add_generation_prompt": False, "continue_final_message": True}):
        chat(client, messages=asked, extra_body=extra)
    untold = "systems" if kind == "llama-server" else "base"  # others begin an answer of their own unless they are told
    assert [name for name, _ in engine.asked[-2:]] == [untold, "systems"]


def test_the_gates_look_at_a_long_text_less_often():
    line, fence = 39 * "x" + "\n", "```\n"
    assert list(looks(4 * line)) == [40, 80, 120, 160]
    assert list(looks(4 * line, before=9_900)) == [120]
    assert list(looks(4 * line + fence, before=10**6)) == [164]


@pytest.mark.parametrize("stream", [False, True])
def test_whoever_serves_is_told_of_each_pick_and_of_each_that_follows(engine: EngineStub, picker: Picker, stream: bool):
    told: list[str] = []
    with in_front(engine, picker, told.append) as url:
        list(chat(client_of(url), stream=stream, max_tokens=100))
        client_of(url).completions.create(model="auto", prompt="fn main() {", extra_body={"language": "ocaml"})
    path = "/v1/chat/completions"
    assert told == [
        f"{path}: base, by text",
        f"{path}: goes on with systems, by text",
        f"{path}: goes on with base, by text",
        "/v1/completions: ml, by language",
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_with_no_token_left_is_not_continued(client: OpenAI, engine: EngineStub, stream: bool):
    before = len(engine.asked)
    answer: Any = client.completions.create(model="auto", prompt="Hi\n", stream=stream, max_tokens=len(ANSWER))
    choices = [event.choices[0] for event in answer] if stream else answer.choices
    assert "".join(choice.text for choice in choices).startswith(ANSWER)
    assert choices[-1].finish_reason == "stop"
    assert len(engine.asked) == before + 1


def test_an_answer_that_is_not_switched_comes_byte_for_byte(url: str, engine: EngineStub, kind: str):
    body = {"model": "systems", "prompt": "x", "stream": True}
    with listening(engine.app) as behind:
        asked = ENGINES[kind](engine.adapters).body({"prompt": "x", "stream": True}, "systems")
        expected = send(behind, "POST", "/v1/completions", asked)
    assert send(url, "POST", "/v1/completions", body) == expected


@pytest.mark.parametrize("extra", [{"logprobs": 1}, {"n": 2}, {"extra_body": {"language": "ocaml"}}, {"model": "base"}])
def test_what_cannot_be_continued_or_was_told_is_answered_at_once(client: OpenAI, engine: EngineStub, extra):
    engine.scores = lambda name, prompt: {"a": -1.0}
    before = len(engine.asked)
    client.completions.create(**({"model": "auto", "prompt": "Hi\n"} | extra))
    assert [name for name, _ in engine.asked[before:]] == ["ml" if "extra_body" in extra else "base"]


def test_models_and_health_are_the_fronts_own(client: OpenAI, url: str):
    assert [row.id for row in client.models.list()] == ["auto", "base", "systems", "ml"]
    assert [client.models.retrieve(name).id for name in ("auto", "auto-qwen", "ml")] == ["auto", "auto-qwen", "ml"]
    with pytest.raises(NotFoundError, match="'none' is none; choose one of auto, base, systems, ml"):
        client.models.retrieve("none")
    assert json.loads(send(url, "GET", "/health")[1]) == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"model": "other"}, "choose one of auto, base, systems, ml"),
        ({"prompt": ["a", "b"]}, "give one text"),
        ({"language": 5}, "give names"),
        ({"prompt": [-1]}, "cannot be read"),
        ({"prompt": "\ud83d"}, "none that an engine can read"),
    ],
)
def test_what_cannot_be_picked_for_is_refused(url: str, body: dict[str, Any], reason: str):
    status, text = send(url, "POST", "/v1/completions", {"prompt": "x"} | body)
    assert (status, reason in text) == (400, True)
    assert send(url, "POST", "/v1/completions", b"{")[0] == 400


def test_the_text_is_asked_for_only_where_the_gates_decide(client: OpenAI, engine: EngineStub):
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "fn main() {"}]}]
    answer = client.chat.completions.create(model="auto", messages=parts)
    assert answer.choices[0].message.content == "by systems"
    robots: Any = [{"role": "robot", "content": "def f(x):"}]
    client.chat.completions.create(model="auto", messages=robots)
    client.completions.create(model="ml", prompt=["x"])
    assert [name for name, _ in engine.asked[-3:]][1:] == ["base", "ml"]
    assert engine.asked[-1][1]["prompt"] == ["x"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_that_the_next_pick_writes_again_is_kept(kind: str, picker: Picker, stream: bool):
    def twice(name: str, body: dict[str, Any]) -> str:
        return ANSWER if name == "systems" else ANSWER + "x"

    with in_front(EngineStub(list(LANGUAGES), twice, kind=kind), picker) as url:
        messages: Any = [{"role": "user", "content": "Hi"}]
        answer: Any = client_of(url).chat.completions.create(model="auto", messages=messages, stream=stream)
        texts = [event.choices[0].delta.content for event in answer] if stream else [answer.choices[0].message.content]
    assert "".join(text or "" for text in texts).startswith(ANSWER + ANSWER)


def test_an_engine_that_refuses_to_go_on_costs_nothing(kind: str, picker: Picker):
    def refusing(name: str, body: dict[str, Any]) -> str:
        if name != "base":
            raise RuntimeError
        return ANSWER + "fn main() {}"

    told: list[str] = []
    with in_front(EngineStub(list(LANGUAGES), refusing, kind=kind), picker, told.append) as url:
        answer = client_of(url).completions.create(model="auto", prompt="Hi\n")
    assert answer.choices[0].text == ANSWER + "fn main() {}"
    assert told == ["/v1/completions: base, by text"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_engines_refusal_is_handed_through(kind: str, picker: Picker, stream: bool):
    engine = EngineStub(["broken"], kind=kind)
    broken = Picker(picker.gates, {"broken": ["rust"]})
    with in_front(engine, broken) as url, pytest.raises(InternalServerError, match="out of memory"):
        client_of(url).completions.create(model="broken", prompt="x", stream=stream)
    with listening(build_front(ENGINES[kind](["broken"]), "http://127.0.0.1:9", broken, token=None)) as url:
        assert send(url, "POST", "/v1/completions", {"prompt": "x", "stream": stream})[0] == 502


@contextmanager
def in_front_of(kind: str, picker: Picker, status: int, *answers: Any) -> Iterator[str]:
    """Base URL of a front before an engine that gives these answers in turn, the last one from then on."""
    left = list(answers)

    def give(request: Request) -> Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return Response(answer) if isinstance(answer, bytes) else JSONResponse(answer, status)

    engine = EngineStub(list(LANGUAGES), kind=kind)
    engine.app = Starlette(routes=[Route("/{path:path}", give, methods=["POST"])])
    with in_front(engine, picker) as url:
        yield url


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_gates_need_not_read_goes_to_the_engine_whatever_it_is(kind: str, picker: Picker, stream: bool):
    refused = {"error": {"message": "the engine's own"}}
    odd = [{"model": "base", "messages": value} for value in (["hi"], {"a": 1}, 5)]
    with in_front_of(kind, picker, 400, refused) as url:
        for body in (*odd, {"language": "rust", "messages": "hi"}, {"prompt": "x", "messages": ["hi"]}):
            path = "/v1/completions" if "prompt" in body else "/v1/chat/completions"
            status, text = send(url, "POST", path, body | {"stream": stream})
            assert (status, json.loads(text)) == (400, refused), body


UNREADABLE = ([1, 2], {"choices": [None], "usage": [1]}, {"choices": [{"message": 5}]}, b"no JSON", b"[" * 10**5)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_cannot_be_read_is_handed_through(kind: str, picker: Picker, stream: bool):
    asked = {"prompt": "Hi\n", "stream": stream}
    with in_front_of(kind, picker, 200, *UNREADABLE) as url:
        for odd in UNREADABLE:
            told = odd.decode() if isinstance(odd, bytes) else json.dumps(odd, separators=(",", ":"))
            assert send(url, "POST", "/v1/completions", asked) == (200, told)


def test_what_cannot_be_read_of_a_continuation_leaves_the_answer_before_it(kind: str, picker: Picker):
    first = {"choices": [{"text": ANSWER + "fn main() {}"}]}
    with in_front_of(kind, picker, 200, *(answer for odd in UNREADABLE for answer in (first, odd))) as url:
        for odd in UNREADABLE:
            assert json.loads(send(url, "POST", "/v1/completions", {"prompt": "Hi\n"})[1]) == first, odd


def test_a_failure_of_the_front_s_own_says_that_its_connection_closes(kind: str, picker: Picker, monkeypatch):
    def fail(*args: Any, **options: Any) -> Any:
        raise RuntimeError("a secret of the machine")

    with in_front(EngineStub(list(LANGUAGES), write, kind=kind), picker) as url:
        with monkeypatch.context() as patch:
            patch.setattr(picker.gates, "after", fail)
            with pytest.raises(InternalServerError, match="its log says why") as caught:
                client_of(url).completions.create(model="auto", prompt="x")
        assert caught.value.response.headers["Connection"] == "close"
        assert "secret" not in caught.value.response.text
        assert client_of(url).completions.create(model="auto", prompt="def f(x):").choices


def test_a_hundred_streams_at_once_are_all_answered(kind: str, picker: Picker):
    engine = EngineStub(list(LANGUAGES), lambda name, body: f"{name} {body['prompt']}", kind=kind, delay_s=0.01)
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


@pytest.mark.parametrize("stream", [False, True])
def test_answers_under_way_end_in_words_when_the_front_is_stopped(kind: str, picker: Picker, stream: bool):
    is_asked, may_end = threading.Event(), threading.Event()

    def hang(name: str, body: dict[str, Any]) -> str:
        is_asked.set()
        may_end.wait(30)
        return "late"

    async def stop_meanwhile(behind: str) -> list[httpx.Response]:
        front = build_front(ENGINES[kind](list(LANGUAGES)), behind.removesuffix("/v1"), picker, token=None)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost/v1") as client:
            body = {"prompt": "x", "stream": stream}
            under_way = asyncio.create_task(client.post("/completions", json=body))
            await asyncio.to_thread(is_asked.wait, 30)
            await front.state.engine.aclose()
            return [await under_way, await client.post("/completions", json=body)]

    with listening(EngineStub(list(LANGUAGES), hang, kind=kind).app) as behind:
        answers = asyncio.run(stop_meanwhile(behind))
        may_end.set()
    told = [(answer.status_code, "is stopping" in answer.json()["error"]["message"]) for answer in answers]
    assert told == [(502, True), (502, True)]


def test_a_stream_under_way_ends_in_words_when_the_front_is_stopped(kind: str, picker: Picker):
    engine = EngineStub(list(LANGUAGES), lambda name, body: 1000 * "word ", kind=kind, delay_s=0.02)

    async def stop_amid(behind: str) -> str:
        front = build_front(ENGINES[kind](list(LANGUAGES)), behind.removesuffix("/v1"), picker, token=None)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://localhost/v1") as client:
            under_way = asyncio.create_task(client.post("/completions", json={"prompt": "x", "stream": True}))
            await asyncio.sleep(0.5)
            await front.state.engine.aclose()
            return (await under_way).text

    with listening(engine.app) as behind:
        *_, last = asyncio.run(stop_amid(behind)).strip().split("\n\n")
    assert "the server is stopping" in json.loads(last.removeprefix("data: "))["error"]["message"]


def test_without_the_token_nothing_is_answered(kind: str, picker: Picker):
    front = build_front(ENGINES[kind](list(LANGUAGES)), "http://127.0.0.1:9", picker, token="secret")
    with listening(front) as url:
        assert send(url, "GET", "/v1/models")[0] == 401
        assert send(url, "GET", "/v1/models", Authorization="Bearer other")[0] == 401
        assert send(url, "GET", "/v1/models", Authorization="bearer secret")[0] == 200
        assert send(url, "GET", "/health")[0] == 503
