"""`multipl-moe judge`."""

import io
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from multipl_moe.cli.app import console, progress_bar
from multipl_moe.cli.options import (
    RecipeFile,
    Settings,
    Unsafe,
    Workers,
    entered_run,
    recipe_from_flags,
    refuse_where,
    removed_if_refused,
)

if TYPE_CHECKING:
    from multipl_moe.eval.judged_rows import Rows

_STDIN = Path("-")
_Output = Annotated[Path, typer.Argument(help="Folder to create, for verdicts.jsonl and metrics.json.")]
_File = Annotated[Path, typer.Argument(help="File of rows (.jsonl, .jsonl.gz), or - for standard input.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Continue where an interrupted run on the same rows ended.")]


def judge(
    file: _File,
    output: _Output,
    workers: Workers = None,
    unsafe_no_sandbox: Unsafe = False,
    resume: _Resume = False,
    recipe: RecipeFile = None,
    settings: Settings = None,
) -> None:
    """Judge programs that you have: rows of JSON in, the same rows with their outcome out.

    A row has `language`, `program` and `cases` (a list of {"input": "21\\n", "output": "42\\n"}), or `language`,
    `prompt`, `completion` and `tests`. OUTPUT/verdicts.jsonl holds the rows in the order in which they were judged;
    equal programs run once.

    Example: `multipl-moe judge samples.jsonl runs/judged --workers 8`
    """
    from multipl_judge.languages.own import add_languages
    from multipl_moe.eval.eval_set import EvalOptions
    from multipl_moe.eval.judged_rows import PARTS_FOLDER, VERDICTS_FILE, RowJudge
    from multipl_moe.runs.folder import open_run, write_json
    from multipl_moe.system.versions import environment

    chosen = recipe_from_flags(recipe, settings, {"programs.workers": workers})
    executor, parts = chosen.corpus.executor, f"{PARTS_FOLDER}/*/{VERDICTS_FILE}"
    in_parts = executor.parts > 1 or executor.kind != "local"
    refuse_where((in_parts and file == _STDIN, "corpus.executor: parts are only of a file; - is read once"))
    add_languages(chosen.own_languages)
    entered = entered_run(output, resume, "metrics.json", chosen.verdict_changes, VERDICTS_FILE, parts)
    kept = removed_if_refused(output, VERDICTS_FILE, parts)
    in_parts = in_parts and not (output / VERDICTS_FILE).is_file()
    with entered, kept, progress_bar(unit="parts" if in_parts else "programs") as (on_step, on_progress):
        options = EvalOptions(unsafe=unsafe_no_sandbox, on_step=on_step, on_progress=on_progress)
        rows = RowJudge(output, EvalOptions(unsafe=unsafe_no_sandbox) if in_parts else options, chosen.programs)
        if file != _STDIN:
            on_step("reading the rows and trying their toolchains")
            rows.check(_read(file))
        open_run(output, chosen)
        goes_on, started = any(output.glob(parts)), time.monotonic()
        if in_parts:
            from multipl_moe.eval.judged_parts import judge_in_parts

            judge_in_parts(file, output, chosen, options)
        on_step("running programs")
        rows.judge(_read(file))
        refuse_where((not rows.summary["rows"], "file: it has no row to judge"))
        num_new = rows.summary["rows"] if in_parts else rows.num_new
        rate = None if goes_on else num_new / (time.monotonic() - started)
        write_json(output / "metrics.json", {**rows.summary, "environment": environment()})
    _show(rows.summary, rate, output / VERDICTS_FILE)


def _read(file: Path) -> "Rows":
    from multipl_judge.problems.rows import read_row_lines, read_rows

    if file != _STDIN:
        return read_rows([file])
    return read_row_lines(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"), "standard input")


def _show(summary: dict[str, Any], rate: float | None, file: Path) -> None:
    for language, outcomes in summary["outcomes"].items():
        told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.items())
        console.print(f"{language}: {told}", soft_wrap=True)
    counts = f"{summary['rows']:,} rows, {summary['programs']:,} different programs"
    counts += "" if rate is None else f", {rate:.1f} a second"
    console.print(f"{counts}: {file}", soft_wrap=True)
