"""What would not be answered as asked is refused, in a line, before anything is computed."""

import pytest
from openai import BadRequestError, UnprocessableEntityError

from multipl_moe.serve import app

from .conftest import NAME

PROMPT = "fn main() {"
_SCORED = {"echo": True, "logprobs": 1, "max_tokens": 0}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"max_tokens": 0}, "no tokens leave no answer"),
        ({"stop": ["a", ""]}, "an empty stop string"),
        ({"prompt": [[1.0]]}, "the ids of tokens"),
        ({"prompt": []}, "it has 0 tokens"),
        (_SCORED | {"n": 3}, "one answer"),
        (_SCORED | {"stream": True}, "one answer"),
    ],
)
def test_what_would_not_be_answered_as_asked_is_refused(client, asked, reason):
    with pytest.raises(BadRequestError, match=reason):
        client.completions.create(**({"model": NAME, "prompt": PROMPT} | asked))


def test_scoring_refuses_unknown_fields_and_more_than_fits(held, client, monkeypatch):
    with pytest.raises(UnprocessableEntityError, match="surprise"):
        client.completions.create(model=NAME, prompt=PROMPT, **_SCORED, extra_body={"surprise": 1})
    monkeypatch.setattr(app, "MOST_SCORES", 5 * held[0].config.get_text_config().vocab_size)
    assert client.completions.create(model=NAME, prompt=PROMPT[:5], **_SCORED).choices
    with pytest.raises(BadRequestError, match="at most 5 tokens"):
        client.completions.create(model=NAME, prompt=PROMPT[:6], **_SCORED)
