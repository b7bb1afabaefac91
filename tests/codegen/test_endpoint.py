"""An endpoint gives what its model writes; whatever goes wrong is told in one line."""

import contextlib
import http.server
import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from multipl_judge.problems.problem import cut_at_stop
from multipl_moe.checkpoints.loading import load_model
from multipl_moe.codegen.completer import Completion, Finish, chat_prompt, request_of
from multipl_moe.codegen.endpoint import EndpointCompleter
from multipl_moe.codegen.local import LocalCompleter
from multipl_moe.errors import ConfigError
from multipl_moe.generate.text import load_tokenizer
from tests.codegen.problems import problem, settings
from tests.serve.conftest import load_served, save_model, served

POSED = [problem(number, prompt) for number, prompt in enumerate(["fn main() {", "def f():\n    ", "x"])]


class Stub(http.server.BaseHTTPRequestHandler):
    """Answers with what the test gives and remembers what it was asked."""

    def do_POST(self):
        server: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((self.path, body, self.headers["Authorization"]))
        status, answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        with contextlib.suppress(ConnectionError):  # once one request is refused the client hangs up on the others
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def stub():
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.asked, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def completer_of(stub, **options):
    values: dict[str, Any] = {"max_retries": 0} | options
    return EndpointCompleter(f"http://127.0.0.1:{stub.server_port}/v1", "m", **values)


def requests_of(posed):
    return [request_of(p, 0, 0) for p in posed]


def text_answer(text, reason="stop", kind="text_completion", **choice):
    choice = {"index": 0, "finish_reason": reason, "text": text} | choice
    return 200, {"id": "1", "object": kind, "created": 0, "model": "m", "choices": [choice]}


def refusal(message, status=400, **error):
    return status, {"error": {"message": message, **error}}


def test_our_own_server_gives_what_its_model_writes_here(tmp_path):
    folder = save_model(tmp_path / "model", "causal")
    suppressed = load_model(folder).generation_config.suppress_tokens
    with served(*load_served(folder)) as url:
        made = EndpointCompleter(url, "tiny").complete(requests_of(POSED), settings())
        stop = next(character for character in made[0].text[4:] if character not in made[0].text[:4])
        stopped = [problem(0, POSED[0].prompt, stop=(stop,))]
        cut = EndpointCompleter(url, "tiny").complete(requests_of(stopped), settings())
    model = load_model(folder)
    head: Any = model.get_output_embeddings()
    head.register_forward_hook(
        lambda module, args, logits: logits.index_fill(-1, logits.new_tensor(suppressed).long(), float("-inf"))
    )
    local = LocalCompleter("tiny", model, load_tokenizer(folder)).complete(requests_of(POSED), settings())
    assert made == local
    assert cut == [Completion(cut_at_stop(made[0].text, [stop]), Finish.stop)]


def test_what_is_asked_follows_the_settings(stub):
    stub.answers = [text_answer("  return\nx\ny", "length")]
    posed = problem(0, "p", stop=("\nx", "B", "C", "D", "E"))
    made = completer_of(stub, token="secret").complete(requests_of([posed]), settings(temperature=0.5, top_p=0.9))
    ((path, asked, token),) = stub.asked
    assert (path, token) == ("/v1/completions", "Bearer secret")
    seed = request_of(posed, 0, 0).seed % 2**31
    assert asked == {
        "model": "m",
        "prompt": "p",
        "max_tokens": 24,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": seed,
        "stop": ["\nx", "B", "C", "D"],
    }
    assert made == [Completion("  return", Finish.stop)]


def test_chat_answers_go_through_the_extraction(stub):
    message = {"role": "assistant", "content": "Sure!\n```\nfn x\n```"}
    stub.answers = [text_answer("", kind="chat.completion", message=message)]
    posed = [problem(0, "fn main() {\n", stop=("\n}",))]
    completer = completer_of(stub, extract=lambda posed, answer: f"{posed.id}:{answer[:5]}\n}}")
    expected = Completion("p/0:Sure!\n}", Finish.stop, message["content"])
    requests = [replace(request, help="Look.\n\n") for request in requests_of(posed)]
    assert completer.complete(requests, settings()) == [expected]
    path, asked, _ = stub.asked[0]
    assert path == "/v1/chat/completions"
    assert "stop" not in asked
    assert asked["messages"] == [{"role": "user", "content": f"Look.\n\n{chat_prompt(posed[0])}"}]


def test_every_request_is_asked_once_and_a_busy_server_again(stub):
    stub.answers = [refusal("busy", 429), text_answer("same")]
    made = completer_of(stub, concurrency=2, max_retries=1).complete(requests_of(POSED), settings())
    assert made == [Completion("same", Finish.stop)] * 3
    prompts = [asked["prompt"] for _, asked, _ in stub.asked]
    assert len(prompts) == 4
    assert set(prompts) == {p.prompt for p in POSED}


_VLLM = (
    "This model's maximum context length is 50 tokens. However, you requested 64 tokens (40 in the messages, 24 in the "
    "completion). Please reduce the length of the messages or completion."
)


_NEWER_VLLM = (
    "Requested token count exceeds the model's maximum context length of 50 tokens. You requested a total of 64 "
    "tokens: 40 tokens from the input messages and 24 tokens for the completion."
)
_LLAMA_CPP = "the request exceeds the available context size"


@pytest.mark.parametrize(("message", "left"), [(_VLLM, 10), (_NEWER_VLLM, 10), (_LLAMA_CPP, 6)])
def test_a_server_with_little_room_is_asked_for_what_is_left(stub, message, left):
    stub.answers = [refusal(message), text_answer("  return", "length")]
    made = completer_of(stub).complete(requests_of(POSED[:1]), settings())
    assert made == [Completion("  return", Finish.length)]
    assert [asked["max_tokens"] for _, asked, _ in stub.asked] == [24, left]


def test_a_prompt_that_leaves_no_room_has_an_empty_completion_and_is_not_asked_for_again(stub):
    stub.answers = [refusal(_VLLM.replace("40 in", "60 in")), text_answer("x")]
    made = completer_of(stub, concurrency=1).complete(requests_of(POSED[:2]), settings())
    assert {(completion.text, completion.finish) for completion in made} == {("", "length"), ("x", "stop")}
    assert len(stub.asked) == 2
    stub.answers = [refusal("too many", code="context_length_exceeded")]
    assert completer_of(stub).complete(requests_of(POSED[:1]), settings()) == [Completion("", Finish.length)]


def test_a_batch_that_is_refused_whole_is_told_and_a_fault_of_the_second_try_too(stub):
    stub.answers = [refusal("maximum context length")]
    with pytest.raises(ConfigError, match=r"all 3 requests .* set codegen\.max_new_tokens below 24, or"):
        completer_of(stub).complete(requests_of(POSED), settings())
    assert sorted(asked["max_tokens"] for _, asked, _ in stub.asked) == [6, 6, 6, 24, 24, 24]
    stub.answers = [refusal("maximum context length"), refusal("because")]
    with pytest.raises(ConfigError, match="because"):
        completer_of(stub).complete(requests_of(POSED[:1]), settings())


def test_a_prompt_that_is_refused_for_itself_fails_alone(stub, caplog):
    stub.answers = [refusal("content filter"), text_answer("x")]
    completer = completer_of(stub, concurrency=1)
    made = completer.complete(requests_of(POSED), settings())
    assert [completion.text for completion in made] == ["", "x", "x"]
    assert "content filter" in caplog.text
    assert "1 of 3" in caplog.text
    stub.answers = [refusal("content filter")]
    assert [one.text for one in completer.complete(requests_of(POSED), settings())] == [""] * 3
    assert len(stub.asked) == 6


@pytest.mark.parametrize("extract", [None, lambda problem, text: text])
def test_a_first_batch_that_is_refused_whole_fails_where_the_server_answers_something_harmless(stub, extract):
    message = {"role": "assistant", "content": "y"}
    stub.answers = [refusal("content filter"), refusal("content filter"), text_answer("y", message=message)]
    completer = completer_of(stub, concurrency=1, extract=extract)
    assert completer.complete(requests_of(POSED[:2]), settings()) == [Completion("", Finish.stop)] * 2
    asked = str(stub.asked[2][1])
    assert not any(posed.prompt in asked for posed in POSED[:2])


@pytest.mark.parametrize("second", [400, 500])
def test_a_first_problem_that_is_refused_as_the_harmless_prompt_is_tells_the_refusal(stub, second):
    stub.answers = [refusal("no such parameter"), refusal("no such parameter", second)]
    with pytest.raises(ConfigError, match="no such parameter"):
        completer_of(stub).complete(requests_of(POSED[:1]), settings())
    assert len(stub.asked) == 2


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "set OPENAI_API_KEY"), (404, "no model m"), (400, "refuses"), (500, "server's log")],
)
def test_refusals_are_told_in_one_line(stub, status, message):
    stub.answers = [refusal("because\nof this", status)]
    with pytest.raises(ConfigError, match=message) as told:
        completer_of(stub).complete(requests_of(POSED), settings())
    assert "because" in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("answer", [b"no JSON", [1, 2], {"choices": [None]}, {"choices": [{"text": 5}]}])
def test_a_server_of_something_else_is_told(stub, answer):
    stub.answers = [(200, answer)]
    for extract in (None, lambda problem, text: text):
        with pytest.raises(ConfigError, match="answers something else than OpenAI's interface"):
            completer_of(stub, extract=extract).complete(requests_of(POSED), settings())


def test_a_token_that_no_header_can_hold_is_refused_and_a_server_that_is_not_there_is_told(stub):
    with pytest.raises(ConfigError, match="OPENAI_API_KEY: it must have visible ASCII"):
        completer_of(stub, token="geh\xe9")
    with http.server.HTTPServer(("127.0.0.1", 0), Stub) as server:
        gone = completer_of(server)
    with pytest.raises(ConfigError, match="cannot be reached"):
        gone.complete(requests_of(POSED), settings())
