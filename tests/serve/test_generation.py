"""Answers: drawn and ended as asked, one at a time, cancelled with their client, and none that fails harms another."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from openai import APIError, BadRequestError, InternalServerError

from multipl_moe.errors import BaseModelError
from multipl_moe.serve.app import build_app
from multipl_moe.serve.generation import Engine

from .conftest import JSON, NAME, client_of, connect, engine_of, greedy, save_model, served

PROMPT = "fn main() {"
LONG = 3000


@pytest.fixture
def write(client):
    def write(stream=False, **asked):
        asked = {"model": NAME, "prompt": PROMPT, "max_tokens": 16, "temperature": 0} | asked
        answer = client.completions.create(**asked, stream=stream)
        return "".join(event.choices[0].text for event in answer) if stream else answer.choices[0].text

    return write


@pytest.fixture
def forwards(engine):
    """The forward passes since the test began, in a list that grows."""
    passes = []
    hook = engine.model.register_forward_hook(lambda module, args, output: passes.append(1))
    yield passes
    hook.remove()


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.mark.extended
def test_200_requests_from_8_connections_get_the_answers_that_they_would_get_alone(engine, url):
    prompts = [f"let x{number} = {'y' * (number % 7)}{number * number}" for number in range(25)]
    expected = {prompt: greedy(engine.model, engine.tokenizer, prompt, 4) for prompt in prompts}
    assert len(set(expected.values())) > 5

    def ask(number):
        connection, answers = connect(url), []
        for prompt in prompts[number:] + prompts[:number]:
            body = {"prompt": prompt, "max_tokens": 4, "temperature": 0}
            connection.request("POST", "/v1/completions", json.dumps(body), JSON)
            answers.append((prompt, json.load(connection.getresponse())["choices"][0]["text"]))
        connection.close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for connection in pool.map(ask, range(8)) for answer in connection]
    assert len(answers) == 200
    assert all(text == expected[prompt] for prompt, text in answers)


def test_a_seed_fixes_what_is_drawn_whoever_else_asks(write):
    with ThreadPoolExecutor(3) as pool:
        others = [pool.submit(write, temperature=1, seed=seed) for seed in range(4)]
        drawn = write(temperature=1, seed=1)
    assert drawn == write(temperature=1, seed=1, stream=True) == others[1].result()
    assert drawn != others[2].result()


def test_a_request_may_tell_the_language_to_a_domain_gate(tmp_path, write):
    engine = engine_of(save_model(tmp_path, "gated"))
    with served(engine) as url:
        client = client_of(url)

        def told(language):
            asked = {"model": NAME, "prompt": PROMPT, "max_tokens": 16, "temperature": 0}
            return client.completions.create(**asked, extra_body={"language": language}).choices[0].text

        learnt, other = (greedy(engine.model, engine.tokenizer, PROMPT, 16, open_share=share) for share in (1.0, 0.0))
        assert told("one") == learnt != other == told("python")
        with pytest.raises(BadRequestError, match="'pyhton' is not known; the gate opens for one, other"):
            told("pyhton")
    with pytest.raises(BadRequestError, match="this model has no domain gate"):
        write(extra_body={"language": "one"})
    engine.close()


def test_temperature_and_top_p_are_those_of_the_request(write):
    greedy_text = write()
    assert write(temperature=2, seed=1) != greedy_text
    assert write(temperature=2, top_p=1e-6, seed=1) == greedy_text
    assert write(temperature=1e-300) == greedy_text


def test_where_the_model_does_not_draw_by_itself_the_whole_distribution_is_drawn_from(engine, write, monkeypatch):
    used, generate = [], engine.model.generate

    def record(*args, generation_config, **kwargs):
        used.append(generation_config)
        return generate(*args, generation_config=generation_config, **kwargs)

    monkeypatch.setattr(engine.model, "generate", record)
    write(temperature=1)
    monkeypatch.setattr(engine.model.generation_config, "do_sample", True)
    monkeypatch.setattr(engine.model.generation_config, "top_k", 7)
    write(temperature=1)
    write(temperature=0)
    assert [(config.do_sample, config.top_k) for config in used] == [(True, 0), (True, 7), (False, 7)]


@pytest.mark.parametrize("stream", [False, True])
def test_the_text_ends_before_a_stop_string(write, stream):
    whole = write(temperature=1, seed=5)
    stop = whole[6:9]
    before = whole[: whole.index(stop)]
    assert write(temperature=1, seed=5, stop=stop, stream=stream) == before
    assert write(temperature=1, seed=5, stop=[stop, whole[7:9], "none"], stream=stream) == before
    assert write(temperature=1, seed=5, stop=[whole[6:8] + "\n", whole[-1] + "\n"], stream=stream) == whole


def test_generation_ends_with_its_stop_string(write, forwards):
    whole = write(temperature=1, seed=5)
    del forwards[:]
    write(temperature=1, seed=5, stop=whole[2], max_tokens=LONG)
    assert len(forwards) <= 3


def test_a_stop_string_may_be_a_special_token(engine, write, monkeypatch):
    whole = write(temperature=0)
    token = engine.tokenizer(whole[-1])["input_ids"][0]
    monkeypatch.setattr(engine.tokenizer, "get_added_vocab", lambda: {"<|end|>": token})
    assert write(stop="<|end|>") == whole[: whole.index(whole[-1]) + 1]


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_ends_its_generation(url, write, forwards, stream, path):
    expected = write()
    del forwards[:]
    connection = connect(url)
    prompt = {"prompt": PROMPT} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "x"}]}
    connection.request("POST", path, json.dumps(prompt | {"max_tokens": LONG, "stream": stream}), JSON)
    wait_for(lambda: len(forwards) > 2)
    if stream:
        connection.getresponse().close()
    connection.close()
    assert write() == expected
    assert len(forwards) < LONG / 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_is_gone_before_its_answer_begins_costs_nothing(engine, forwards, stream):
    app = build_app(engine, None)

    async def ask(**asked):
        body = {"type": "http.request", "body": json.dumps({"prompt": PROMPT} | asked).encode()}
        messages = iter([body] + [{"type": "http.disconnect"}] * 9)
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/completions", "headers": headers}

        async def receive():
            return next(messages)

        async def send(message):
            pass

        await app(scope, receive, send)

    async def leave_and_wait():
        await ask(stream=stream, max_tokens=LONG)
        await asyncio.to_thread(wait_for, lambda: not engine.num_answers)

    asyncio.run(leave_and_wait())
    assert len(forwards) < LONG / 2


def test_those_that_go_away_while_they_wait_are_never_computed(url, write, forwards):
    connections = [connect(url) for _ in range(6)]
    for number, connection in enumerate(connections):
        body = {"prompt": PROMPT, "max_tokens": LONG, "stream": number % 2 == 0}
        connection.request("POST", "/v1/completions", json.dumps(body), JSON)
    wait_for(lambda: len(forwards) > 2)
    for connection in connections:
        connection.close()
    write()
    assert len(forwards) < LONG / 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_is_told_without_its_traceback_and_the_server_goes_on(engine, write, monkeypatch, stream, caplog):
    expected = write()
    with monkeypatch.context() as patch:

        def fail(*args, **kwargs):
            raise RuntimeError('a secret " of the machine')

        patch.setattr(engine.model, "generate", fail)
        with pytest.raises(APIError if stream else InternalServerError) as caught:
            write(stream=stream)
    assert caught.value.body == {
        "message": "internal error; the server's log says more",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    assert "a secret" in caplog.text
    assert write() == expected


def test_a_defect_outside_of_generation_is_told_in_the_same_words(engine, write, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "submit", lambda *args: 1 / 0)
        with pytest.raises(InternalServerError, match="internal error") as caught:
            write()
    assert "division" not in caught.value.response.text
    assert write()


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_stops_ends_the_answers_under_way(folder, stream):
    engine, passes = engine_of(folder), []
    engine.model.register_forward_hook(lambda module, args, output: passes.append(1))
    with ThreadPoolExecutor(1) as pool:
        with served(engine) as url:
            client = client_of(url)
            asked = {"model": NAME, "prompt": PROMPT, "max_tokens": LONG, "stream": stream}
            answer = pool.submit(lambda: list(client.completions.create(**asked)))
            wait_for(lambda: len(passes) > 2)
        with pytest.raises(APIError, match="the server is stopping"):
            answer.result(timeout=20)
    assert len(passes) < LONG / 2


def test_a_tokenizer_that_cannot_stream_is_refused(engine, monkeypatch):
    monkeypatch.setattr(type(engine.tokenizer), "is_fast", False)
    with pytest.raises(BaseModelError, match="tiny has no fast tokenizer"):
        Engine(NAME, engine.model, engine.tokenizer)
