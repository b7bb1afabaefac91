"""A base on disk."""

from pathlib import Path

import pytest

from tests.upcycle.conftest import save_base


@pytest.fixture
def base(tmp_path) -> Path:
    return save_base(tmp_path / "base")
