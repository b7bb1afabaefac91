"""Where the cache lies; that of several who want the same of it one makes it is tried in judge/test_caches.py."""

from pathlib import Path

import pytest

from multipl_judge.cache_folder import cache_folder, cache_lock
from multipl_judge.errors import OutputError


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MULTIPL_MOE_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("MULTIPL_MOE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "multipl-moe"


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    message = r"caches: .*file cannot be written .*; set MULTIPL_MOE_CACHE"
    with pytest.raises(OutputError, match=message), cache_lock(tmp_path / "file" / "base"):
        pass
