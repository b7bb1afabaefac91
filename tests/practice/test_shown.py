"""How far practice is, as a log shows it."""

import io
from types import SimpleNamespace

from rich.console import Console

from multipl_moe.practice import shown
from multipl_moe.practice.one_round import RoundProgress
from multipl_moe.system import minute_lines
from tests.practice.made import LastLine


def test_how_long_a_round_still_takes_is_foreseen_from_what_this_start_answered(monkeypatch):
    now, told = [0.0], io.StringIO()
    monkeypatch.setattr(minute_lines, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(shown, "MinuteLines", LastLine)
    state = RoundProgress(2, total=100, resumed=20)
    with shown.shown_rounds(Console(file=told, width=200)) as on_progress:
        on_progress(state)
        for answered in (10, 20, 30):  # a batch a minute: of the 50 that are left five more
            now[0] += 60
            state.answered = answered
            on_progress(state)
    assert "round 2: none judged yet: 50 of 100, about 5 minutes more" in told.getvalue()
