"""How far practice is, for people: a bar in a terminal, a line a minute in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from multipl_moe.practice.one_round import RoundProgress
from multipl_moe.system.minute_lines import MinuteLines


@contextmanager
def shown_rounds(console: Console) -> Iterator[Callable[[RoundProgress], None]]:
    """Show rounds while they last: first answers, how long the rest takes, and how many answers pass."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    quiet = not console.is_terminal
    with (
        Progress(*columns, console=console, transient=True, disable=quiet) as bar,
        MinuteLines(console, "answers") as lines,
    ):
        shown = bar.add_task("answers", total=None)

        def on_progress(state: RoundProgress) -> None:
            lines.title, done = f"round {state.round}: {state}", state.resumed + state.answered
            bar.update(shown, description=lines.title, completed=done, total=state.total)
            if state.answered == 0:
                lines.begin(lines.title, done)
            lines.update(done, state.total)

        yield on_progress
