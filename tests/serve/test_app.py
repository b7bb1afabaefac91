"""transformers' server on one model, as OpenAI's own client sees it, and who may ask it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import APIStatusError, AuthenticationError, BadRequestError
from transformers import AutoModelForCausalLM

from multipl_moe.fim_tokens import FimTokens
from tests.conftest import tiny_base_config
from tests.fixtures import NUM_TOKENS, save_stripping_tokenizer

from .conftest import (
    ASKED,
    CHAT,
    COMPLETION,
    JSON,
    MAX_POSITIONS,
    MESSAGES,
    NAME,
    PROMPT,
    client_of,
    connect,
    greedy,
    load_served,
    save_model,
    send,
    served,
)

LONG = 3000
STREAM: Any = {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture
def write(client):
    def write(stream=False, **asked):
        asked = {"model": NAME, "prompt": PROMPT, "max_tokens": 16, "temperature": 0} | asked
        answer = client.completions.create(**asked, stream=stream)
        return "".join(event.choices[0].text for event in answer) if stream else answer.choices[0].text

    return write


def test_a_completion_is_what_the_model_writes_alone_streamed_or_not(held, client):
    expected = greedy(held, PROMPT, 12)
    asked: Any = {"model": NAME, "prompt": PROMPT, "max_tokens": 12, "temperature": 0}
    answer = client.completions.create(**asked)
    assert (answer.choices[0].text, answer.choices[0].finish_reason) == (expected, "length")
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (NAME, len(PROMPT), 12)
    *events, told = client.completions.create(**asked, **STREAM)
    pieces = [event.choices[0].text for event in events]
    assert "".join(pieces) == expected
    assert sum(map(bool, pieces)) > 1
    assert (events[-1].choices[0].finish_reason, told.usage.completion_tokens) == ("length", 12)


def test_a_prompt_may_be_token_ids(held, write):
    tokens = held[1](PROMPT)["input_ids"]
    assert write(prompt=tokens) == write(prompt=[tokens]) == write(prompt=tokens, stream=True) == write()


def test_with_a_suffix_what_stands_between_is_written_streamed_or_not(folder):
    model, tokenizer = load_served(folder)
    fim = FimTokens(*(tokenizer(sign)["input_ids"][0] for sign in "<|>"))
    model.config.get_text_config().fim_token_ids = list(fim)
    with served(model, tokenizer) as url, client_of(url) as client:
        for prompt in (PROMPT, ""):
            expected = greedy((model, tokenizer), f"<{prompt}>}}|", 8)
            asked: Any = {"model": NAME, "prompt": prompt, "suffix": "}", "max_tokens": 8, "temperature": 0}
            answer = client.completions.create(**asked)
            *events, told = client.completions.create(**asked, **STREAM)
            assert answer.choices[0].text == "".join(event.choices[0].text for event in events) == expected
            assert expected != greedy((model, tokenizer), prompt or "<", 8)
            assert [one.usage and one.usage.prompt_tokens for one in (answer, told)] == [len(prompt) + 4] * 2


def test_the_first_space_of_an_answer_is_kept_where_the_tokenizer_leaves_out_that_of_a_text(tmp_path):
    vocabulary = save_stripping_tokenizer(tmp_path, ["x", "\u2581x"])
    model = AutoModelForCausalLM.from_config(tiny_base_config("llama", vocab_size=len(vocabulary), eos_token_id=1))
    model.generation_config.suppress_tokens = [
        token for token in range(len(vocabulary)) if token != vocabulary["\u2581x"]
    ]
    model.save_pretrained(tmp_path)
    asked: Any = {"model": NAME, "prompt": [vocabulary["x"]], "max_tokens": 3, "temperature": 0}
    with served(*load_served(tmp_path)) as url, client_of(url) as client:
        assert client.completions.create(**asked).choices[0].text == " x x x"


def test_a_chat_is_put_into_the_template_streamed_or_not_and_ends_with_its_stop_string(held, client):
    expected = greedy(held, "<user>Hello<answer>", 12)
    asked = {"model": NAME, "messages": MESSAGES, "max_completion_tokens": 12, "temperature": 0}
    message = client.chat.completions.create(**asked).choices[0].message
    assert (message.content, message.role) == (expected, "assistant")
    *events, told = client.chat.completions.create(**asked, **STREAM)
    assert "".join(event.choices[0].delta.content or "" for event in events) == expected
    assert events[-1].choices[0].finish_reason == "length"
    assert told.usage.total_tokens == len("<user>Hello<answer>") + 12
    stop = expected[3:6]
    ended = client.chat.completions.create(**asked, stop=stop).choices[0].message
    assert ended.content == expected[: expected.index(stop)] + stop


@pytest.mark.parametrize("path", [COMPLETION, CHAT])
def test_a_stream_ends_as_openais_do_and_what_is_refused_is_none(url, path):
    asked = ASKED[path] | {"model": NAME, "max_tokens": 4, "stream": True}
    status, events = send(url, "POST", path, asked)
    assert (status, events.split("\n\n")[-2:]) == (200, ["data: [DONE]", ""])
    assert send(url, "POST", path, asked | {"temperature": -1})[0] == 400


def test_without_a_chat_template_there_is_no_chat(folder):
    with served(*load_served(folder, None)) as url:
        assert send(url, "POST", CHAT, {"messages": MESSAGES})[0] == 404
        assert send(url, "GET", "/health") == (200, '{"status":"ok"}')


def test_a_dense_model_and_one_without_a_cache_are_served_too(tmp_path):
    for preset in (None, "paper"):
        model, tokenizer = load_served(save_model(tmp_path / str(preset), preset))
        expected = greedy((model, tokenizer), PROMPT, 6)
        with served(model, tokenizer) as url, client_of(url) as client:
            answer = client.completions.create(model=NAME, prompt=PROMPT, max_tokens=6, temperature=0)
        assert answer.choices[0].text == expected


def test_temperature_seed_and_top_p_are_those_of_the_request(write):
    drawn = write(temperature=1, seed=1)
    assert drawn == write(temperature=1, seed=1, stream=True)
    assert len({drawn, write(temperature=1, seed=2), write()}) == 3
    assert write(temperature=2, top_p=1e-6, seed=1) == write() == write(temperature=0, seed=7)


def test_an_answer_ends_before_a_stop_string_and_a_stream_with_it(write):
    whole = write()
    stop = whole[6:9]
    before = whole[: whole.index(stop)]
    assert write(stop=stop) == write(stop=[stop, whole[7:9], "none"]) == before
    assert write(stop=stop, stream=True) == before + stop
    assert write(stop=["\n", "<|endoftext|>"]) == write(stop=[]) == whole


def test_prompt_and_answer_fit_the_positions(client, write):
    answer = client.completions.create(model=NAME, prompt="x" * (MAX_POSITIONS - 5))
    assert answer.usage.completion_tokens == 5
    with pytest.raises(BadRequestError, match=f"a maximum context length of {MAX_POSITIONS}"):
        write(prompt="x" * MAX_POSITIONS)


def test_the_model_is_listed_under_its_name_which_no_request_must_give(url, client):
    (model,) = client.models.list()
    assert (model.id, model.status) == (NAME, {"value": "loaded"})
    status, text = send(url, "POST", COMPLETION, {"prompt": PROMPT, "max_tokens": 2})
    assert (status, json.loads(text)["model"]) == (200, NAME)


def test_another_model_is_refused_and_nothing_is_loaded(client, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("looked for a model")

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    for name in ("", "/etc", "openai-community/gpt2", "tiny@main"):
        for scored in ({}, {"echo": True, "logprobs": 1, "max_tokens": 1}):
            with pytest.raises(BadRequestError, match="'tiny'"):
                client.completions.create(model=name, prompt=PROMPT, **scored)
        with pytest.raises(BadRequestError, match="'tiny'"):
            client.chat.completions.create(model=name, messages=MESSAGES)


def test_transformers_other_paths_are_not_there(url):
    posted = ("/load_model", "/reset", "/v1/responses", "/v1/systemone", "/v1/audio/transcriptions")
    for path in posted:
        assert send(url, "POST", path, {"model": "gpt2"})[0] == 404, path
    for path in ("/docs", "/redoc", "/openapi.json", "/"):
        assert send(url, "GET", path)[0] == 404, path


REFUSED = [
    ({"prompt": "x", "max_token": 4}, 422, "max_token"),
    ({"prompt": "x", "top_k": 4}, 422, "top_k"),
    ({"prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 0, "surprise": 1}, 422, "surprise"),
    ({"prompt": "x", "n": 2}, 400, "one answer to one prompt"),
    ({"prompt": "x", "best_of": 2}, 400, "best_of"),
    ({"prompt": "x", "logprobs": 1}, 400, "logprobs"),
    ({"prompt": "x", "presence_penalty": 0.5}, 400, "presence_penalty"),
    ({"prompt": ["a", "b"]}, 400, "one prompt"),
    ({}, 400, "the ids of tokens that this model has"),
    ({"prompt": ""}, 400, "it is empty"),
    ({"prompt": []}, 400, "0 tokens"),
    ({"prompt": {"a": 1}}, 400, "the ids of tokens that this model has"),
    ({"prompt": [1, NUM_TOKENS]}, 400, "the ids of tokens that this model has"),
    ({"prompt": [-1]}, 400, "the ids of tokens that this model has"),
    ({"prompt": [[1.0]]}, 400, "the ids of tokens that this model has"),
    ({"prompt": [[1, "a"]]}, 400, "the ids of tokens that this model has"),
    ({"prompt": [1], "suffix": "y"}, 400, "suffix"),
    ({"prompt": "x", "suffix": "y"}, 400, "no tokens for fill in the middle"),
    ({"prompt": "x", "echo": True}, 400, "logprobs from 1 to 5"),
    ({"prompt": "x", "echo": True, "logprobs": 6, "max_tokens": 1}, 400, "logprobs from 1 to 5"),
    ({"prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 2}, 400, "max_tokens 0 or 1"),
    ({"prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 0, "n": 3}, 400, "one answer"),
    ({"prompt": "x", "echo": True, "logprobs": 1, "max_tokens": 0, "stream": True}, 400, "one answer"),
    ({"prompt": "x", "max_tokens": 0}, 400, "no tokens leave no answer"),
    ({"prompt": "x", "max_tokens": -1}, 400, "max_tokens: -1 is below 0"),
    ({"prompt": "x", "stop": ["a", ""]}, 400, "stop: give texts; an empty one"),
    ({"prompt": "x", "stop": ""}, 400, "stop: give texts; an empty one"),
    ({"prompt": "x", "echo": True, "logprobs": True, "max_tokens": 1}, 400, "logprobs from 1 to 5"),
    ({"prompt": "x", "stream_options": "x"}, 400, "stream_options: 'x' is not dict"),
    ([], 422, "dict"),
    (b"{", 422, "JSON decode error"),
]


@pytest.mark.parametrize(("body", "status", "message"), REFUSED)
def test_what_is_not_honoured_is_refused_in_words(url, body, status, message):
    told, text = send(url, "POST", COMPLETION, body)
    assert (told, message in text) == (status, True), text
    assert list(json.loads(text)) == ["error"]


TEXT = {"role": "user", "content": "x"}
REFUSED_CHATS = [
    ({}, "give a list"),
    ({"messages": []}, "give a list"),
    ({"messages": "hi"}, "give a list"),
    ({"messages": [TEXT, "hi"]}, "messages[1].role: give one of system, user"),
    ({"messages": [TEXT | {"role": "robot"}]}, "messages[0].role: give one of system, user"),
    ({"messages": [{"role": "user"}]}, "messages[0].content: give a text"),
    ({"messages": [TEXT | {"content": 5}]}, "messages[0].content: give a text"),
    ({"messages": [TEXT | {"content": [{"type": "image_url", "image_url": "x"}]}]}, "messages[0].content: give a text"),
    ({"messages": [TEXT, {"role": "assistant", "tool_calls": "x"}]}, "messages[1].content: give a text"),
    ({"messages": [TEXT], "tools": "x"}, "tools: 'x' is not list"),
    ({"messages": [TEXT], "stop": [""]}, "stop: give texts; an empty one"),
    ({"messages": [TEXT], "logit_bias": {"a": 1}}, "logit_bias: give numbers"),
    ({"messages": [TEXT], "logit_bias": {"1": "a"}}, "logit_bias: give numbers"),
    ({"messages": [TEXT], "logit_bias": [1]}, "logit_bias: [1] is not dict"),
    ({"messages": [TEXT], "logit_bias": {str(NUM_TOKENS): 1}}, "cannot be answered"),
    ({"messages": [TEXT], "max_tokens": 0}, "no tokens leave no answer"),
    ({"messages": [TEXT], "max_tokens": -1}, "max_tokens: -1 is below 0"),
    ({"messages": [TEXT], "max_completion_tokens": -1}, "max_completion_tokens: -1 is below 0"),
    ({"messages": [TEXT | {"content": "x" * MAX_POSITIONS}]}, f"a maximum context length of {MAX_POSITIONS}"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED_CHATS)
def test_a_chat_that_no_template_takes_is_refused_in_words(url, body, message):
    told, text = send(url, "POST", CHAT, body)
    assert (told, message in text) == (400, True), text
    assert list(json.loads(text)) == ["error"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_question_and_answer_of_a_chat_fit_the_positions(url, name):
    parts = [{"type": "text", "text": "x" * (MAX_POSITIONS - 20)}]
    asked = {"messages": [TEXT | {"content": parts}], "temperature": 0, name: 10**6}
    answered = [json.loads(send(url, "POST", CHAT, body)[1]) for body in (asked, asked | {name: 1})]
    length = len("<user><answer>") + MAX_POSITIONS - 20
    assert [one["usage"]["prompt_tokens"] for one in answered] == [length, length]
    assert [one["usage"]["completion_tokens"] for one in answered] == [MAX_POSITIONS - length, 1]


def test_no_stop_string_and_biases_of_tokens_are_taken_by_a_chat(held, url):
    asked = {"messages": [TEXT], "temperature": 0, "max_tokens": 3}
    written = [
        json.loads(send(url, "POST", CHAT, asked | more)[1])["choices"][0]["message"]["content"]
        for more in ({}, {"stop": []}, {"logit_bias": {}}, {"logit_bias": {"5": 100}})
    ]
    assert written == [written[0]] * 3 + [held[1].decode([5, 5, 5])]


def test_a_body_that_no_prompt_needs_is_not_read_and_neutral_values_are_taken(url, write):
    assert send(url, "POST", COMPLETION, b"x" * (2**22 + 1))[0] == 413
    neutral = {"n": 1, "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0, "logprobs": None, "echo": False}
    assert write(**neutral, user="me") == write()


@settings(max_examples=10)
@given(
    prompts=st.lists(st.lists(st.integers(0, NUM_TOKENS - 1), min_size=1, max_size=40), min_size=1, max_size=3),
    num_top=st.integers(1, 5),
    num_new=st.integers(0, 1),
)
def test_scores_are_the_models_log_probabilities(held, client, prompts, num_top, num_new):
    answer = client.completions.create(
        model=NAME, prompt=prompts, echo=True, logprobs=num_top, max_tokens=num_new, temperature=0
    )
    for index, (tokens, choice) in enumerate(zip(prompts, answer.choices, strict=True)):
        with torch.no_grad():
            expected = held[0](torch.tensor([tokens])).logits[0].log_softmax(-1)
        whole = [*tokens, *expected[-1:].argmax(-1).tolist()[:num_new]]
        scores = choice.logprobs
        assert (choice.index, choice.text) == (index, held[1].decode(whole))
        assert len(scores.tokens) == len(scores.token_logprobs) == len(scores.top_logprobs) == len(whole)
        assert scores.token_logprobs[0] is scores.top_logprobs[0] is None
        for place, token in enumerate(whole[1:]):
            assert scores.token_logprobs[place + 1] == pytest.approx(expected[place, token].item(), abs=1e-4)
            best = scores.top_logprobs[place + 1]
            assert max(best.values()) == pytest.approx(expected[place].max().item(), abs=1e-4)
            assert 1 <= len(best) <= num_top


def test_a_text_is_scored_as_its_tokens_are(held, client):
    asked: Any = {"model": NAME, "echo": True, "logprobs": 1, "max_tokens": 1}
    by_text, by_tokens = (
        client.completions.create(prompt=prompt, **asked).choices[0]
        for prompt in (PROMPT, held[1](PROMPT)["input_ids"])
    )
    assert by_text == by_tokens


@pytest.mark.extended
def test_requests_from_8_connections_at_once_get_the_answers_that_they_would_get_alone(held, url):
    prompts = [f"let x{number} = {'y' * (number % 7)}{number * number}" for number in range(10)]
    expected = {prompt: greedy(held, prompt, 4) for prompt in prompts}
    assert len(set(expected.values())) > 2

    def ask(number):
        connection, answers = connect(url), []
        for prompt in prompts[number:] + prompts[:number]:
            body = {"prompt": prompt, "max_tokens": 4, "temperature": 0}
            connection.request("POST", COMPLETION, json.dumps(body), JSON)
            answers.append((prompt, json.load(connection.getresponse())["choices"][0]["text"]))
        connection.close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for connection in pool.map(ask, range(8)) for answer in connection]
    assert len(answers) == 80
    assert all(text == expected[prompt] for prompt, text in answers)


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("path", [COMPLETION, CHAT])
def test_a_client_that_goes_away_ends_its_answer(held, url, write, path, is_stream):
    passes, expected = [], write()

    def note(module, args, output) -> None:
        passes.append(1)
        time.sleep(0.01)  # server and client are threads of this process: both need turns, on a busy machine too

    hook = held[0].register_forward_hook(note)
    connection = connect(url)
    connection.request("POST", path, json.dumps(ASKED[path] | {"max_tokens": LONG, "stream": is_stream}), JSON)
    deadline = time.monotonic() + 20
    while len(passes) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    if is_stream:
        connection.getresponse().close()
    connection.close()
    assert write() == expected
    hook.remove()
    assert len(passes) < LONG / 2


def test_a_failure_is_told_without_its_traceback_and_the_server_goes_on(held, write, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("a secret of the machine")

    with monkeypatch.context() as patch:
        patch.setattr(held[0], "generate", fail)
        with pytest.raises(APIStatusError) as caught:
            write()
    assert caught.value.status_code == 500
    assert "secret" not in caught.value.response.text
    assert caught.value.response.headers["Connection"] == "close"  # else the client's next request may meet a reset
    assert write()


def test_only_requests_with_the_token_are_served_and_health_is_open(held):
    with served(*held, token="s3cret") as url:
        for method, path in (("GET", "/v1/models"), ("POST", COMPLETION), ("POST", CHAT), ("GET", "/nothing")):
            for headers in ({}, {"Authorization": "Bearer s3cre"}):
                status, text = send(url, method, path, {"prompt": "x"}, **headers)
                assert (status, "give the server's token" in text) == (401, True), (path, headers)
        for sent in ("", "Bearer", "Bearer ", "Bearer s3cret!", "Basic s3cret", "s3cret", "Bearer \xe9"):
            assert send(url, "GET", "/v1/models", Authorization=sent)[0] == 401, sent
        for path in ("//health", "/health/", "/v1/../health"):
            assert send(url, "GET", path)[0] == 401, path
        assert send(url, "GET", "/health") == (200, '{"status":"ok"}')
        assert send(url, "GET", "/v1/models", Authorization="bearer s3cret", Host="models.example")[0] == 200
        with client_of(url, "s3cret") as client:
            assert client.models.list().data[0].id == NAME
            assert client.completions.create(model=NAME, prompt="x", max_tokens=1).choices
        with client_of(url, "wrong") as client, pytest.raises(AuthenticationError, match="give the server's token"):
            client.models.list()


def test_without_a_token_a_page_cannot_reach_the_server_by_a_name_of_its_own(url):
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000"):
        assert send(url, "GET", "/v1/models", Host=host)[0] == 200, host
    others = ("attacker.example", "localhost.attacker.example:8000", "127.0.0.1.attacker.example", "10.0.0.1", "[", "")
    for host in others:
        assert send(url, "GET", "/v1/models", Host=host)[0] == 400, host
        assert send(url, "POST", COMPLETION, {"prompt": "x", "max_tokens": 1}, Host=host)[0] == 400, host


def test_a_form_of_a_page_is_refused_as_it_is_no_json(url):
    for path in (COMPLETION, CHAT):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "", "text/plain; json"):
            form = {"prompt": "x", "messages": MESSAGES}
            assert send(url, "POST", path, form, **{"Content-Type": kind})[0] == 422, kind


def test_no_page_is_let_in_by_its_browser(url):
    connection = connect(url)
    for method, path in (("OPTIONS", COMPLETION), ("OPTIONS", "/v1/models"), ("GET", "/v1/models")):
        asked = {"Origin": "http://a.example", "Access-Control-Request-Method": "POST"}
        connection.request(method, path, headers=asked)
        response = connection.getresponse()
        response.read()
        assert response.getheader("Access-Control-Allow-Origin") is None
    connection.close()
