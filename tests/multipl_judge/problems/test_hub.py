import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from multipl_judge.errors import ConfigError
from multipl_judge.problems import hub
from multipl_judge.problems.hub import cached_files_only, hub_answers, hub_file


def test_without_the_hub_the_message_says_how_to_use_a_local_copy(monkeypatch):
    def unreachable(*arguments, **named):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    for answers, told in ((True, r"cannot be downloaded \(no connection\)"), (False, "the hub does not answer")):
        monkeypatch.setattr(hub, "hub_answers", lambda answers=answers: answers)
        with pytest.raises(ConfigError, match=f"{told}; use a local one: mbxp:PATH"):
            hub_file("mxeval/mbxp", "x.jsonl", "mbxp")


def test_a_hub_that_does_not_answer_is_not_asked_for_files(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **named: str(tmp_path / "b.jsonl"))
    monkeypatch.setattr(hub, "hub_answers", lambda: False)
    assert hub_file("a/set", "b.jsonl", "mbxp") == tmp_path / "b.jsonl"


def test_only_the_cache_is_asked_where_that_is_asked_for(monkeypatch, tmp_path):
    cached = {"b.jsonl": str(tmp_path / "b.jsonl")}
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", None)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repository, name, repo_type: cached.get(name))
    with cached_files_only():
        assert hub_file("a/set", "b.jsonl", "mbxp") == tmp_path / "b.jsonl"
        with pytest.raises(ConfigError, match="no copy here; use a local one: mbxp:PATH"):
            hub_file("a/set", "c.jsonl", "mbxp")


def test_a_hub_that_is_not_there_does_not_answer(monkeypatch):
    class Nowhere:
        def head(self, address, timeout):
            assert timeout < 10
            raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "get_session", Nowhere)
    assert not hub_answers()
