"""The sampler of a practice: a server or a model, and what is taken out of a chat's answers."""

from multipl_moe.practice import sampler
from multipl_moe.practice.sampler import load_sampler
from tests.practice.made import recipe, task, task_set


def test_a_server_is_asked_for_a_batch_at_once_and_code_is_taken_out_of_its_answers(monkeypatch):
    made = {}
    monkeypatch.setattr(sampler, "EndpointCompleter", lambda *names, **ways: made.update(ways, names=names) or made)
    asked, server = task("f", form="mbxp"), {"endpoint": "http://x/v1", "endpoint_model": "m"}
    load_sampler(recipe(codegen__batch_sequences=50, chat=True, **server).practice, "unused", task_set(asked))
    assert made["names"] == tuple(server.values())
    assert made["concurrency"] == 50
    assert "return 3" in made["extract"](asked, f"```python\n{asked.prompt}    return 3\n```")
    load_sampler(recipe(**server).practice, "unused", task_set(asked))
    assert made["extract"] is None
