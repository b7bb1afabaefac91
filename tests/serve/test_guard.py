"""With a token nothing but health is open; without one only this machine's own names are served."""

import json

import pytest
from openai import AuthenticationError

from .conftest import NAME, client_of, send, served

PATHS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/tiny"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/nothing"),
    ("GET", "//health"),
    ("GET", "/health/"),
    ("POST", "/v1/../health"),
]


@pytest.fixture(scope="module")
def guarded(engine):
    with served(engine, token="s3cret") as url:
        yield url


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        *((*path, sent) for path in PATHS for sent in (None, "Bearer s3cre")),
        *(
            ("GET", "/v1/models", sent)
            for sent in ("", "Bearer", "Bearer ", "Bearer s3cret!", "Basic s3cret", "s3cret", "Bearer \xe9")
        ),
    ],
)
def test_a_request_without_the_token_is_refused(guarded, method, path, sent):
    headers = {} if sent is None else {"Authorization": sent}
    status, text = send(guarded, method, path, {"prompt": "x"}, **headers)
    assert status == 401
    assert json.loads(text)["error"]["code"] == "invalid_api_key"


def test_the_client_with_the_token_is_served(guarded):
    with client_of(guarded, "s3cret") as client:
        assert client.models.list().data[0].id == NAME
        assert client.completions.create(model=NAME, prompt="x", max_tokens=1).choices
    with client_of(guarded, "wrong") as client, pytest.raises(AuthenticationError, match="give the server's token"):
        client.models.list()


TOKEN = {"Authorization": "bearer s3cret"}  # the name of the scheme has no case


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/health", {}),
        ("/v1/models", TOKEN),
        ("/v1/models", TOKEN | {"Host": "models.example"}),
        ("/v1/models", TOKEN | {"Origin": "https://chat.example"}),
    ],
)
def test_health_is_open_and_with_the_token_any_name_and_any_page_is_served(guarded, path, headers):
    assert send(guarded, "GET", path, **headers)[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("127.1.2.3", 200),
        ("[::1]:8000", 200),
        ("attacker.example", 403),
        ("localhost.attacker.example:8000", 403),
        ("127.0.0.1.attacker.example", 403),
        ("10.0.0.1", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_without_a_token_a_page_cannot_reach_the_server_by_a_name_of_its_own(url, host, status):
    assert send(url, "GET", "/v1/models", Host=host)[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://[::1]:8443", 200),
        ("https://attacker.example", 403),
        ("https://localhost.attacker.example", 403),
        ("http://10.0.0.1:8000", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
def test_without_a_token_a_page_of_another_machine_is_refused(url, origin, status):
    assert send(url, "POST", "/v1/completions", {"prompt": "x", "max_tokens": 1}, Origin=origin)[0] == status
    assert send(url, "GET", "/v1/models", Origin=origin)[0] == status


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "text/plain; json"])
def test_a_form_of_a_page_is_refused_as_it_is_no_json(url, path, kind):
    assert send(url, "POST", path, {}, **{"Content-Type": "Application/JSON; charset=utf-8"})[0] == 400
    status, text = send(url, "POST", path, {"prompt": "x"}, **{"Content-Type": kind})
    assert status == 415
    assert "Content-Type: application/json" in json.loads(text)["error"]["message"]
