"""The HTTP interface as OpenAI's own client sees it, and what it refuses."""

import json
from typing import Any

import pytest
from openai import APIStatusError, NotFoundError

from multipl_moe.fim_tokens import FimTokens

from .conftest import (
    CHAT_TEMPLATE,
    MAX_POSITIONS,
    NAME,
    client_of,
    connect,
    engine_of,
    greedy,
    save_model,
    send,
    served,
)

PROMPT = "fn main() {"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
SYSTEM: Any = [{"role": "system", "content": "hi"}]
CHATML_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def test_a_completion_is_what_the_model_writes_alone(engine, client):
    expected = greedy(engine.model, engine.tokenizer, PROMPT, 12)
    answer = client.completions.create(model=NAME, prompt=PROMPT, max_tokens=12, temperature=0)
    assert answer.choices[0].text == expected
    assert answer.choices[0].finish_reason == "length"
    assert (answer.model, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (NAME, len(PROMPT), 12)


def test_a_streamed_completion_comes_in_pieces_that_make_up_the_same_text(engine, client):
    expected = greedy(engine.model, engine.tokenizer, PROMPT, 12)
    events = list(client.completions.create(model=NAME, prompt=PROMPT, max_tokens=12, temperature=0, stream=True))
    pieces = [event.choices[0].text for event in events]
    assert "".join(pieces) == expected
    assert sum(map(bool, pieces)) > 1
    assert events[-1].choices[0].finish_reason == "length"
    assert events[-1].usage.completion_tokens == 12


@pytest.mark.parametrize("prompt", [PROMPT, ""])
def test_with_a_suffix_what_stands_between_is_written_streamed_or_not(tmp_path, prompt):
    engine = engine_of(save_model(tmp_path / "model"))
    fim = FimTokens(*(engine.tokenizer(sign)["input_ids"][0] for sign in "<|>"))
    engine.model.config.get_text_config().fim_token_ids = list(fim)
    expected = greedy(engine.model, engine.tokenizer, f"<{prompt}>}}|", 12)
    asked: Any = {"model": NAME, "prompt": prompt, "suffix": "}", "max_tokens": 12, "temperature": 0}
    with served(engine) as url, client_of(url) as client:
        answer = client.completions.create(**asked)
        events = list(client.completions.create(**asked, stream=True))
    assert answer.choices[0].text == "".join(event.choices[0].text for event in events) == expected
    assert expected != greedy(engine.model, engine.tokenizer, prompt or "<", 12)
    assert [told.usage and told.usage.prompt_tokens for told in (answer, events[-1])] == [len(prompt) + 4] * 2


def test_a_chat_is_put_into_the_template_streamed_or_not(engine, client):
    expected = greedy(engine.model, engine.tokenizer, "<user>Hello<answer>", 12)
    asked = {"model": NAME, "messages": MESSAGES, "max_completion_tokens": 12, "temperature": 0}
    answer = client.chat.completions.create(**asked)
    assert answer.choices[0].message.content == expected
    assert answer.choices[0].message.role == "assistant"
    parts: Any = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert client.chat.completions.create(**asked | {"messages": parts}).choices[0].message.content == expected
    events = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert events[0].choices[0].delta.role == "assistant"
    assert "".join(event.choices[0].delta.content or "" for event in events) == expected
    assert events[-1].choices[0].finish_reason == "length"
    assert events[-1].usage.total_tokens == len("<user>Hello<answer>") + 12


def test_a_request_that_names_no_model_gets_the_served_one_and_a_stream_ends_with_a_mark(url):
    body = {"prompt": PROMPT, "max_tokens": 2, "stream": True}
    status, text = send(url, "POST", COMPLETION, body)
    assert status == 200
    assert f'"model":"{NAME}"' in text.replace(" ", "")
    assert text.endswith("data: [DONE]\n\n")


def test_the_model_is_listed_under_its_name_and_health_is_told(url, client):
    assert [model.id for model in client.models.list()] == [NAME]
    assert client.models.retrieve(NAME).id == NAME
    assert send(url, "GET", "/health") == (200, '{"status":"ok"}')


@pytest.mark.parametrize("name", ["gpt-4", "", "../tiny", "/etc", "openai-community/gpt2", "tiny@main", "tiny:w.gguf"])
def test_another_model_is_not_found_and_nothing_is_loaded(client, monkeypatch, name):
    def refuse(*args, **kwargs):
        raise AssertionError("looked for a model")

    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", refuse)
    with pytest.raises(NotFoundError, match="is not served here; this server has 'tiny'") as caught:
        client.completions.create(model=name, prompt=PROMPT)
    assert caught.value.code == "model_not_found"
    with pytest.raises(NotFoundError):
        client.chat.completions.create(model=name, messages=MESSAGES)


def test_what_a_request_leaves_out_is_limited_by_the_room_there_is(client):
    prompt = "x" * (MAX_POSITIONS - 5)
    answer = client.completions.create(model=NAME, prompt=prompt)
    assert answer.usage.completion_tokens == 5


COMPLETION, CHAT = "/v1/completions", "/v1/chat/completions"
MALFORMED = [
    (COMPLETION, b"", "Invalid JSON"),
    (COMPLETION, b"{", "Invalid JSON"),
    (COMPLETION, b"\xff\xfe", "Invalid JSON"),
    (COMPLETION, b"[" * 10_000, "Invalid JSON"),
    (COMPLETION, b'{"prompt": "\\ud800"}', "Invalid JSON"),
    (COMPLETION, b'{"prompt": "x", "temperature": NaN}', "temperature"),
    (COMPLETION, [], "object"),
    (COMPLETION, None, "Invalid JSON"),
    (COMPLETION, {}, "prompt: Field required"),
    (COMPLETION, {"prompt": ""}, "prompt: "),
    (COMPLETION, {"prompt": ["a", "b"]}, "prompt: "),
    (COMPLETION, {"prompt": [1, 2]}, "prompt: "),
    (COMPLETION, {"prompt": "x", "model": 3}, "model: "),
    (COMPLETION, {"prompt": "x", "suffix": 3}, "suffix: "),
    (COMPLETION, {"prompt": "x", "suffix": "y"}, "suffix: this model's tokenizer has no tokens for fill in the middle"),
    (COMPLETION, {"prompt": "x", "echo": True}, "echo: "),
    (COMPLETION, {"prompt": "x", "logprobs": 1}, "logprobs: "),
    (COMPLETION, {"prompt": "x", "best_of": 2}, "best_of: "),
    (COMPLETION, {"prompt": "x", "generation_config": "{}"}, "generation_config: unknown"),
    (COMPLETION, {"prompt": "x", "max_token": 4}, "max_token: unknown, or not supported"),
    (COMPLETION, {"prompt": "x" * MAX_POSITIONS}, f"more than the {MAX_POSITIONS}"),
    (COMPLETION, {"prompt": "x", "max_tokens": MAX_POSITIONS, "stream": True}, f"more than the {MAX_POSITIONS}"),
    (COMPLETION, {"prompt": "x", "max_tokens": 10**30}, f"more than the {MAX_POSITIONS}"),
    (CHAT, {}, "messages: Field required"),
    (CHAT, {"messages": []}, "messages: "),
    (CHAT, {"messages": "hi"}, "messages: "),
    (CHAT, {"messages": [{"content": "hi"}]}, "messages.0.role: "),
    (CHAT, {"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role: "),
    (CHAT, {"messages": [{"role": "user"}]}, "messages.0.content: "),
    (CHAT, {"messages": [{"role": "user", "content": "hi", "name": "x"}]}, "messages.0.name: unknown"),
    (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
    (CHAT, {"messages": SYSTEM}, "the chat template refuses these messages: no system"),
    (CHAT, {"messages": SYSTEM, "stream": True}, "the chat template refuses these messages: no system"),
    (CHAT, {"messages": MESSAGES, "chat_template_kwargs": {}}, "chat_template_kwargs: unknown"),
    (CHAT, {"messages": MESSAGES, "tools": []}, "tools: unknown"),
    (CHAT, {"messages": MESSAGES, "max_completion_tokens": 0}, "max_completion_tokens: "),
] + [
    (path, base | {field: value}, f"{field}")
    for path, base in ((COMPLETION, {"prompt": "x"}), (CHAT, {"messages": MESSAGES}))
    for field, value in [
        ("stream", "yes"),
        ("max_tokens", -1),
        ("max_tokens", 0),
        ("max_tokens", "5"),
        ("max_tokens", 1.5),
        ("max_tokens", True),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.1),
        ("n", 2),
        ("seed", 2**64),
        ("stop", [""]),
        ("stop", 3),
        ("stop", ["x"] * 99),
        ("frequency_penalty", 1),
        ("presence_penalty", -1),
        ("stream_options", {"x": 1}),
    ]
]


@pytest.mark.parametrize(("path", "body", "message"), MALFORMED)
def test_a_malformed_request_is_refused_in_words(url, path, body, message):
    status, text = send(url, "POST", path, body)
    error = json.loads(text)["error"]
    assert status == 400, text
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


def test_the_client_understands_what_is_wrong(client):
    with pytest.raises(APIStatusError, match="temperature: Input should be less than or equal to 2") as caught:
        client.completions.create(model=NAME, prompt=PROMPT, temperature=3)
    assert caught.value.param == "temperature"
    with pytest.raises(APIStatusError) as caught:
        client.completions.create(model=NAME, prompt=PROMPT, max_tokens=MAX_POSITIONS)
    assert caught.value.code == "context_length_exceeded"


def test_a_body_that_no_prompt_can_need_is_not_read(url):
    status, text = send(url, "POST", COMPLETION, b"x" * (MAX_POSITIONS * 32 + 1))
    assert status == 413
    assert "shorten it" in json.loads(text)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/load_model"),
        ("POST", "/reset"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/systemone"),
        ("POST", "/v1/audio/transcriptions"),
        ("GET", "/docs"),
        ("GET", "/redoc"),
        ("GET", "/openapi.json"),
        ("GET", "/"),
        ("GET", "/v1/models/other"),
    ],
)
def test_nothing_else_is_there(url, method, path):
    status, text = send(url, method, path, {"model": "gpt2"})
    assert status == 404
    assert json.loads(text)["error"]["type"] == "invalid_request_error"


def test_another_method_is_refused(url):
    assert [send(url, "GET", path)[0] for path in (COMPLETION, CHAT)] == [405, 405]
    assert send(url, "DELETE", "/v1/models/tiny")[0] == 405


def test_a_client_that_leaves_before_its_request_is_complete_harms_nobody(url, client):
    connection = connect(url)
    connection.putrequest("POST", COMPLETION)
    connection.putheader("Content-Length", "1000")
    connection.putheader("Content-Type", "application/json")
    connection.endheaders()
    connection.send(b'{"prompt')
    connection.close()
    assert client.completions.create(model=NAME, prompt=PROMPT, max_tokens=1).choices


def test_without_a_chat_template_a_chat_is_refused(engine, url, client, monkeypatch):
    monkeypatch.setattr(engine.tokenizer, "chat_template", None)
    with pytest.raises(APIStatusError, match="no chat template; use /v1/completions") as caught:
        client.chat.completions.create(model=NAME, messages=MESSAGES)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("preset", [None, "paper"], ids=["dense", "paper"])
def test_a_dense_model_and_one_without_a_cache_are_served_too(tmp_path, preset):
    engine = engine_of(save_model(tmp_path / "model", preset))
    expected = greedy(engine.model, engine.tokenizer, PROMPT, 9)
    with served(engine) as url, client_of(url) as client:
        answer = client.completions.create(model=NAME, prompt=PROMPT, max_tokens=9, temperature=0)
        events = client.completions.create(model=NAME, prompt=PROMPT, max_tokens=9, temperature=0, stream=True)
        assert "".join(event.choices[0].text for event in events) == expected
    assert answer.choices[0].text == expected


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
@pytest.mark.parametrize("template", [CHAT_TEMPLATE, CHATML_TEMPLATE], ids=["plain", "chatml"])
def test_a_chat_with_a_family_that_transformers_would_parse_is_what_the_model_writes(tmp_path, family, template):
    engine = engine_of(save_model(tmp_path / "model", None, family))
    engine.tokenizer.chat_template = template
    prompt = engine.tokenizer.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    whole = greedy(engine.model, engine.tokenizer, prompt, 12)
    asked = {"model": NAME, "messages": MESSAGES, "max_tokens": 12, "temperature": 0}
    with served(engine) as url, client_of(url) as client:
        for stop, expected in ((None, whole), (whole[6:9], whole[: whole.index(whole[6:9])])):
            answer = client.chat.completions.create(**asked, stop=stop)
            events = client.chat.completions.create(**asked, stop=stop, stream=True)
            assert answer.choices[0].message.content == expected
            assert "".join(event.choices[0].delta.content or "" for event in events) == expected


@pytest.mark.parametrize("written", ["Use the tag `<tool_call>`", "<think>why</think>because"])
def test_text_that_looks_like_a_tool_call_or_reasoning_is_text(tmp_path, monkeypatch, written):
    engine = engine_of(save_model(tmp_path / "model", None, "qwen2"))
    engine.tokenizer.chat_template = CHATML_TEMPLATE

    def write(input_ids, *, streamer, **settings):
        streamer.put(input_ids)
        for token in engine.tokenizer(written, return_tensors="pt")["input_ids"][0]:
            streamer.put(token[None])
        streamer.end()

    monkeypatch.setattr(engine.model, "generate", write)
    with served(engine) as url, client_of(url) as client:
        answer = client.chat.completions.create(model=NAME, messages=MESSAGES)
        events = client.chat.completions.create(model=NAME, messages=MESSAGES, stream=True)
        assert answer.choices[0].message.content == written
        assert answer.choices[0].finish_reason == "stop"
        assert "".join(event.choices[0].delta.content or "" for event in events) == written
