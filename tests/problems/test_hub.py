import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from multipl_moe.errors import ConfigError
from multipl_moe.problems.hub import hub_file


def test_without_the_hub_the_message_says_how_to_use_a_local_copy(monkeypatch):
    def unreachable(*arguments, **named):
        raise LocalEntryNotFoundError("no connection")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(ConfigError, match="use a local copy: mbxp:PATH"):
        hub_file("mxeval/mbxp", "x.jsonl", "mbxp")


def test_the_file_of_the_dataset_is_what_is_downloaded(monkeypatch, tmp_path):
    asked = []

    def download(repository, name, repo_type):
        asked.append((repository, name, repo_type))
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert hub_file("a/b", "c.parquet", "mbpp") == tmp_path / "c.parquet"
    assert asked == [("a/b", "c.parquet", "dataset")]
