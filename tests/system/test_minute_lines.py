"""What a log shows of long work: how far, how fast, how long still."""

import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from multipl_moe.system import minute_lines
from multipl_moe.system.minute_lines import MinuteLines

_CLOCK = "multipl_moe.system.minute_lines.time.monotonic"


@given(first_s=st.floats(1, 500), step_s=st.floats(0.1, 500), total=st.integers(3, 60), share=st.floats(0.05, 0.95))
def test_what_is_left_is_right_once_two_steps_are_done(first_s: float, step_s: float, total: int, share: float):
    """Steps of one length, but for the first: what is left is what comes, whatever the first took."""
    done, clock = max(int(share * total), 2), [0.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_CLOCK, lambda: clock[0])
        lines = MinuteLines(Console(quiet=True), "training, steps", unit="tokens", scale=100)
        assert lines.line() == "training, steps: 1 minute so far"
        for step in range(1, done + 1):
            clock[0] += first_s if step == 1 else step_s
            lines.update(step, total)
        told = lines.line()
        lines.update(total, total)
        assert "more" not in lines.line(), "what comes after all of it, such as repairs of answers, is not foreseen"
    minutes = max(-(-(total - done) * step_s // 60), 1)
    assert told.startswith(f"training, steps: {done} of {total}, ")
    assert abs(int(told.split("about ")[1].split()[0].replace(",", "")) - minutes) <= 1
    rate = float(told.split(" tokens/s")[0].rsplit(", ", 1)[1].replace(",", ""))
    assert rate == pytest.approx(100 / step_s, abs=0.5001 if rate >= 10 else 0.0501)


def test_a_log_gets_a_line_when_the_pace_is_known_and_then_one_a_minute_and_a_terminal_none(monkeypatch):
    monkeypatch.setattr(minute_lines, "_TICK_S", 0.01)
    monkeypatch.setattr(minute_lines, "_EVERY_S", 0.3)
    monkeypatch.setattr(minute_lines, "_AT_ONCE_S", 0.0)
    log, screen = io.StringIO(), io.StringIO()
    terminal = MinuteLines(Console(file=screen, force_terminal=True), "writing")
    with MinuteLines(Console(file=log), "writing") as lines, terminal:
        for each in (lines, terminal):
            each.update(1, 4)
        time.sleep(0.1)
        assert not log.getvalue(), "the first part says little"
        for each in (lines, terminal):
            each.update(2, 4)
        time.sleep(0.5)
    shown = log.getvalue()
    assert shown.count("writing: 2 of 4, about 1 minute more\n") == 2
    time.sleep(0.4)
    assert (log.getvalue(), screen.getvalue()) == (shown, "")


@pytest.mark.parametrize(("seconds", "told"), [(0, "1 minute"), (119, "1 minute"), (120, "2 minutes")])
def test_what_has_passed_is_no_more_than_it_was_and_what_was_done_before_is_no_pace(monkeypatch, seconds, told):
    clock = [7.0]
    monkeypatch.setattr(_CLOCK, lambda: clock[0])
    lines = MinuteLines(Console(quiet=True), "reading")
    lines.update(10, 16)
    clock[0] += seconds
    assert lines.line() == f"reading: {told} so far"
