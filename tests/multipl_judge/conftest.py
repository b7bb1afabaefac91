"""The toolchains, which all tests of the judge share: to look for them takes seconds."""

import pytest

from multipl_judge.judge.toolbox import Toolbox


@pytest.fixture(scope="session")
def toolbox() -> Toolbox:
    """All toolchains; that one is missing is a failure of the test that needs it."""
    return Toolbox()
