"""The application that the verbs belong to, its console, and how it ends: exit codes and one line for bad input."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from wrapt import when_imported

from multipl_moe.errors import ConfigError, Preempted, UserError
from multipl_moe.system.disk_errors import what_was_denied
from multipl_moe.system.launch import num_processes, preemptible
from multipl_moe.system.minute_lines import MinuteLines

_EXIT_USER_ERROR = 2
_EXIT_PREEMPTED = 75  # EX_TEMPFAIL, on which a scheduler can requeue
_EXIT_INTERRUPTED = 130
_VERBS_OF_SEVERAL_PROCESSES = {"train"}
_VERBS_TO_REQUEUE = {"compare", "corpus", "demo", "eval", "judge", "practice", "train", "upcycle"}
_AFTER_INTERRUPT = {
    **dict.fromkeys(("compare", "corpus", "demo", "practice"), "the same command goes on where it stopped"),
    "train": "the same command with --resume goes on from the last checkpoint",
    **dict.fromkeys(("eval", "judge"), "if its folder is there, the same command with --resume goes on"),
    "language": "what it wrote stays, and the same command tries it",
    "generate": "the text ends here",
}

app = typer.Typer(
    name="multipl-moe",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Teach an existing code LLM new programming languages without making it forget the ones it knows.\n\n"
    "Experts beside the model's frozen blocks learn, and a gate opens them in the new languages alone. They leave as a "
    "pack, without the base. Start with `multipl-moe demo`.",
)
console = Console(markup=False, highlight=False)  # paths, titles and errors of others are printed as they are
_errors = Console(stderr=True, markup=False, highlight=False)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from multipl_moe import __version__

        console.print(f"multipl-moe {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    elif num_processes() > 1 and context.invoked_subcommand not in _VERBS_OF_SEVERAL_PROCESSES:
        raise ConfigError(f"{context.invoked_subcommand}: works in one process; start it without torchrun")
    elif context.invoked_subcommand in _VERBS_TO_REQUEUE:
        context.with_resource(preemptible())


def main() -> None:
    """Run the command line: bad input is one line and exit code 2, Ctrl-C is 130, SIGTERM or SIGHUP to long work 75."""
    stopped = "interrupted"
    try:
        _print_in_any_encoding()
        _quieten_libraries()
        _run_no_code_of_models()
        code = app(prog_name="multipl-moe", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        hint = f"; see `{context.command_path} --help`" if context else ""
        code = _refuse(f"{error.format_message().rstrip('.')}{hint}")
    except (KeyboardInterrupt, typer.Abort):
        code = _EXIT_INTERRUPTED
    except Preempted as signal:
        code, stopped = _EXIT_PREEMPTED, f"stopped by {signal}"
    except ConfigError as error:
        code = _refuse(*error.problems)
    except UserError as error:
        code = _refuse(str(error))
    except Exception as error:
        if (denied := what_was_denied(error)) is None:
            raise
        code = _refuse(denied)
    if code in (_EXIT_INTERRUPTED, _EXIT_PREEMPTED):
        verb = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
        _errors.print(f"{stopped}; {_AFTER_INTERRUPT.get(verb, 'nothing was written')}", style="yellow")
    sys.exit(code)


@contextmanager
def progress_bar(title: str = "", unit: str = "") -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """A bar in the terminal, or a line a minute: what begins a step of another title, and what tells how much is done.

    With a `unit` it says how many of them are done a second.
    """
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.1f} {unit}/s" if unit and task.speed else "", style="progress.data.speed")

    def begin(title: str) -> None:
        progress.reset(task, description=title, total=None)
        lines.begin(title)

    def on_progress(done: int, total: int) -> None:
        progress.update(task, completed=done, total=total)
        lines.update(done, total)

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Speed(), TimeRemainingColumn()
    with (
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
        MinuteLines(console, title, unit=unit) as lines,
    ):
        task = progress.add_task(title, total=None)
        yield begin, on_progress


@contextmanager
def working(title: str) -> Iterator[Callable[[int, int], None]]:
    """What is being done, in the terminal or in a line a minute; yields what tells how much of how much is done."""
    with console.status(title), MinuteLines(console, title) as lines:
        yield lines.update


def _refuse(*problems: str) -> int:
    for problem in problems:
        line = " ".join(problem.split())  # transformers' messages, which some of ours quote, have several lines
        _errors.print(f"error: {line}", style="red", soft_wrap=True)
    return _EXIT_USER_ERROR


def _run_no_code_of_models() -> None:
    """Python files in a model's folder are never run: transformers would ask on standard input, and take a "y"."""

    @when_imported("transformers.dynamic_module_utils")
    def never_ask(module: Any) -> None:
        module.TIME_OUT_REMOTE_CODE = 0


def _print_in_any_encoding() -> None:
    """What the terminal's encoding lacks is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _quieten_libraries() -> None:
    warnings.filterwarnings("ignore")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_MININTERVAL", "60")  # a bar's lines in a log
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it warns of a kernel for CPUs that nothing here uses

    @when_imported("transformers.utils.logging")
    def quieten(module: ModuleType) -> None:
        module.set_verbosity_error()
        module.disable_progress_bar()
