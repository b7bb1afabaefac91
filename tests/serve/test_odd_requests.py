"""What would not be answered as asked is refused, in a line, before anything is computed."""

import json
import re

import pytest
from openai import BadRequestError

from multipl_moe.serve import app

from .conftest import ASKED, CHAT, JSON, NAME, PROMPT, connect, send

_SCORED = {"echo": True, "logprobs": 1, "max_tokens": 0}


def test_scoring_refuses_more_than_fits(held, client, monkeypatch):
    monkeypatch.setattr(app, "MOST_SCORES", 5 * held[0].config.get_text_config().vocab_size)
    assert client.completions.create(model=NAME, prompt=PROMPT[:5], **_SCORED).choices
    with pytest.raises(BadRequestError, match="at most 5 tokens"):
        client.completions.create(model=NAME, prompt=PROMPT[:6], **_SCORED)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"temperature": "hot"}, "temperature: 'hot' is not int or float"),
        ({"temperature": -1}, "temperature: -1 is below 0"),
        ({"temperature": 1e308}, r"temperature: 1e\+308 is .* above 100"),
        ({"top_p": 0}, "top_p: 0 is not above 0"),
        ({"top_p": [1], "seed": 1.5}, "top_p: .* seed: "),
        ({"max_tokens": "3"}, "max_tokens: '3' is not int"),
        ({"max_tokens": True}, "max_tokens: True is not int"),
        ({"stop": {"a": 1}}, "stop: "),
        ({"stop": ["a", 1]}, "stop: give texts"),
    ],
)
@pytest.mark.parametrize("path", ASKED)
def test_values_of_other_types_are_refused_and_cost_the_next_request_nothing(url, path, asked, reason):
    connection, found = connect(url), []
    right = {"model": NAME, "max_tokens": 1} | ASKED[path]
    for one in (right | asked, right):
        connection.request("POST", path, json.dumps(one), JSON)
        response = connection.getresponse()
        found.append((response.status, response.read().decode()))
    connection.close()
    assert [status for status, _ in found] == [400, 200]
    assert re.search(reason, found[0][1])


@pytest.mark.parametrize("path", ASKED)
def test_a_temperature_that_logits_cannot_be_divided_by_takes_the_likeliest_token(url, path):
    asked = {"model": NAME, "max_tokens": 8} | ASKED[path]
    found = [send(url, "POST", path, asked | {"temperature": one}) for one in (0, 1e-320, 1e-39, 1e-5)]
    assert [status for status, _ in found] == [200] * 4
    greedy, *cold = (json.loads(answer)["choices"] for _, answer in found)
    assert cold == [greedy] * 3


def test_a_body_that_the_handlers_do_not_expect_is_refused_in_a_line(url):
    for body in ({"model": NAME, "messages": "x"}, {"model": NAME, "messages": [3]}):
        status, text = send(url, "POST", CHAT, body)
        assert (status in (400, 422), "error" in json.loads(text)) == (True, True), text
