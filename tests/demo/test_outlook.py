"""What is told of the time that is left, on machines whose speed changes while they train."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multipl_moe.demo import outlook as module
from multipl_moe.demo.outlook import Outlook
from multipl_moe.demo.plan import DemoPlan, plan_demo
from multipl_moe.demo.recipe import DEMO_RECIPE
from multipl_moe.recipe.recipe import load_recipe
from multipl_moe.system.minute_lines import minutes_of

_STEP, _STEPS_PER_LOG = 1024, 5
_RECIPE = load_recipe(None, DEMO_RECIPE)


def _told(speeds: list[float], planned: float) -> tuple[list[str], DemoPlan]:
    """The lines of a demo that was planned for one speed and trains at these, one for each log."""
    plan = plan_demo(_RECIPE, tokens_per_s=planned, used_s=100)
    lines: list[str] = []
    outlook: Any = Outlook(plan, _STEP, lines.append)
    clock, step = 0.0, 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.time, "perf_counter", lambda: clock)
        outlook.on_train_begin(None, SimpleNamespace(global_step=0), None)
        for speed in speeds:
            step, clock = step + _STEPS_PER_LOG, clock + _STEPS_PER_LOG * _STEP / speed
            outlook.on_log(None, SimpleNamespace(global_step=step), None)
    return lines, plan


@settings(max_examples=50)
@given(speed=st.floats(20, 5000), count=st.integers(1, 19))
def test_a_machine_as_fast_as_was_told_is_told_nothing_more(speed: float, count: int):
    assert _told([speed] * count, speed)[0] == []


@pytest.mark.parametrize("speed", [40, 390])
def test_a_speed_that_halves_midway_is_told_once(speed: float):
    lines, plan = _told([speed] * 9 + [speed / 2] * 9, speed)
    left = minutes_of(plan.left_s(10 * _STEPS_PER_LOG * _STEP, speed / 2))
    assert lines == [f"{speed / 2:,.0f} tokens/s now: about {left} more until all is done"]
