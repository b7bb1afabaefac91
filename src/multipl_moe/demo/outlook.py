"""How long a demo still takes, told while it trains."""

import time
from collections.abc import Callable

from transformers import TrainerCallback

from multipl_moe.demo.plan import DemoPlan
from multipl_moe.system.minute_lines import minutes_of

_NEWS, _NEWS_SECONDS = 0.25, 60


class Outlook(TrainerCallback):
    """Tells how long all of a demo still takes, whenever that is a quarter, and a minute, off what was told last.

    At first that is the plan.
    """

    def __init__(self, plan: DemoPlan, tokens_per_step: int, tell: Callable[[str], None]) -> None:
        self._plan, self._tokens_per_step, self._tell = plan, tokens_per_step, tell

    def on_train_begin(self, args, state, control, **kwargs):
        """Begin from what the plan says."""
        now = time.perf_counter()
        self._mark = now, state.global_step
        self._end = now + self._plan.left_s(state.global_step * self._tokens_per_step, self._plan.tokens_per_s)

    def on_log(self, args, state, control, **kwargs):
        """Compare the speed since the last time with what was told."""
        now, (since, step) = time.perf_counter(), self._mark
        if state.global_step == step:
            return
        rate = (state.global_step - step) * self._tokens_per_step / (now - since)
        left = self._plan.left_s(state.global_step * self._tokens_per_step, rate)
        told = max(self._end - now, 0)
        if abs(left - told) > max(_NEWS * told, _NEWS_SECONDS):
            self._tell(f"{rate:,.0f} tokens/s now: about {minutes_of(left)} more until all is done")
            self._end = now + left
        self._mark = now, state.global_step
