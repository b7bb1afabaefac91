"""A request tells the server's domain gate which language it is about, in completions and in chat."""

from typing import Any

import pytest
from openai import BadRequestError

from .conftest import MESSAGES, NAME, PROMPT, greedy

NOT_KNOWN = "'pyhton' is not known; the gate opens for one, other"


def test_a_request_may_tell_the_language_to_a_domain_gate(held, client):
    def ask(language, **asked):
        asked = {"model": NAME, "prompt": PROMPT, "max_tokens": 8, "temperature": 0} | asked
        return client.completions.create(**asked, extra_body={"language": language}).choices[0]

    learnt, other = (greedy(held, PROMPT, 8, open_share=share) for share in (1.0, 0.0))
    assert ask("one").text == ask("One").text == learnt != other == ask("python").text
    scored = {"max_tokens": 0, "echo": True, "logprobs": 1}
    one, python = (ask(language, **scored).logprobs.token_logprobs for language in ("one", "python"))
    assert one != python
    named = f"# a.py\n{PROMPT}"
    assert ask(None, prompt=named).text == greedy(held, named, 8, open_share=0.0)
    assert ask("one", prompt=named).text == greedy(held, named, 8, open_share=1.0)
    told, alone = (ask(language, prompt=named, **scored).logprobs.token_logprobs for language in ("python", None))
    assert told != alone, "scores are those of the text as it stands"
    with pytest.raises(BadRequestError, match=NOT_KNOWN):
        ask("pyhton")


def test_a_chat_may_tell_it_too_streamed_or_not(held, client):
    asked: Any = {"model": NAME, "messages": MESSAGES, "max_completion_tokens": 8}
    said = {}
    for share, language in ((1.0, "one"), (0.0, "python")):
        told = asked | {"temperature": 0, "extra_body": {"language": language}}
        said[language] = greedy(held, "<user>Hello<answer>", 8, open_share=share)
        assert client.chat.completions.create(**told).choices[0].message.content == said[language]
        events = client.chat.completions.create(**told, stream=True)
        assert "".join(event.choices[0].delta.content or "" for event in events) == said[language]
    assert said["one"] != said["python"]
    with pytest.raises(BadRequestError, match=NOT_KNOWN):
        client.chat.completions.create(**asked, extra_body={"language": "pyhton"})
