"""Long work where output is no terminal but a log: plain lines that say how far it is, and how long the rest takes."""

import math
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_TICK_S, _EVERY_S, _AT_ONCE_S = 10.0, 60.0, 1.0


class MinuteLines:
    """A context manager that prints a line once two parts tell the pace of work, and then one a minute, from a thread.

    In a terminal it prints nothing: there a bar shows the same.

    Args:
        title: what is done; may be set anew.
        unit, scale: what the rate counts, and how many of them each of what is done is; without a unit none is told.
    """

    def __init__(self, console: "Console", title: str = "", *, unit: str = "", scale: float = 1.0) -> None:
        self._console, self._unit, self._scale = console, unit, scale
        self._ended = threading.Event()
        self.begin(title)

    def begin(self, title: str, done: int = 0) -> None:
        """Something else begins, so much of which is done already."""
        self.title, self._total, self._told_at = title, 0, time.monotonic()
        self._marks = [(self._told_at, done)]  # the beginning, the first part done and the last one
        self._is_foreseen = False

    def update(self, done: int, total: int) -> None:
        """So much of all of it is done. What is told within a second of the beginning was done before it."""
        self._total, now = total, time.monotonic()
        if done > self._marks[-1][1]:
            is_known = len(self._marks) == 1 and now - self._marks[0][0] < _AT_ONCE_S
            self._marks = [(now, done)] if is_known else [*self._marks[:2], (now, done)]

    def line(self) -> str:
        """What there is to tell now. The first part of the work, which prepares the rest, counts only while alone."""
        marks = self._marks  # another thread makes new ones
        now, (begin, first), (last, done) = time.monotonic(), marks[0], marks[-1]
        if done == first:
            return f"{self.title}: {_minutes(max(int((now - begin) / 60), 1))} so far"
        since, before = marks[0 if len(marks) == 2 else 1]
        per_s = (done - before) / max(last - since, 1e-9)
        left = (self._total - done) / per_s - (now - last)
        more = f", about {minutes_of(left)} more" if done < self._total else ""
        rate = self._scale * per_s
        told = f", {rate:,.{0 if rate >= 10 else 1}f} {self._unit}/s" if self._unit else ""
        return f"{self.title}: {done:,} of {self._total:,}{told}{more}"

    def __enter__(self) -> "MinuteLines":
        if not (self._console.is_interactive or self._console.quiet):
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(_TICK_S):
            is_news = len(self._marks) > 2 and not self._is_foreseen
            if is_news or time.monotonic() - self._told_at >= _EVERY_S:
                self._told_at, self._is_foreseen = time.monotonic(), len(self._marks) > 2
                self._console.print(self.line(), highlight=False, soft_wrap=True)


def minutes_of(seconds: float) -> str:
    """Whole minutes in words, rounded up."""
    return _minutes(whole_minutes(seconds))


def _minutes(number: int) -> str:
    return "1 minute" if number == 1 else f"{number:,} minutes"


def whole_minutes(seconds: float) -> int:
    """Minutes, rounded up, one at least."""
    return max(math.ceil(seconds / 60), 1)
