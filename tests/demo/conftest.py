"""A machine whose speed is known, as to measure it anew for each demo that is begun takes half a second."""

import pytest

from tests.fixtures import known_speed


@pytest.fixture(autouse=True, scope="package")
def _known_speed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("multipl_moe.train.machine.measure_speed", known_speed)
        yield
