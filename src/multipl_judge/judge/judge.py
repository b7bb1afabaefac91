"""Judging one program: compiled in the sandbox, run in a fresh one that does not hold its source, and classified.

Some outcomes may be the machine's doing and not the program's: out of time, though it hardly got a processor; killed,
though the judge did not do it. These are marked as doubtful, and whoever counts outcomes judges such a program again.
"""

import re
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

from multipl_judge.errors import ConfigError
from multipl_judge.judge.answers import answers_outcome, run_cases
from multipl_judge.judge.outcome import Judgement, Outcome
from multipl_judge.judge.sandbox import Finished, Sandbox
from multipl_judge.judge.toolbox import Commands, Toolbox
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.toolchain import Limits, Toolchain, is_file_name

_SHOWN_BYTES = 4096
# A program chooses what it prints: only so much of it is searched, and patterns only see so much at once.
_SEARCHED_BYTES = 64 * 2**10
_LINE_CHARACTERS = 16 * 2**10
_NONCE_BYTES = 64
_READABLE_BY_ALL = 0o644  # whatever the umask is: the sandbox's user is another where the judge runs as root
_OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|\bMemoryError\b|NoMemoryError|std::bad_alloc|[Cc]annot allocate memory|memory exhausted"
    r"|runtime: out of memory|memory allocation of \d+ bytes failed|out of memory allocating|insufficient memory"
)
_KILLED_PART = re.compile(r"Killed signal terminated program|terminated with signal 9|^signal: killed$", re.MULTILINE)
_NOT_EXECUTABLE = {126, 127}
_STOPPED = {"time": Outcome.timeout, "memory": Outcome.memory_limit, "output": Outcome.output_limit}


def judge(
    program: Program,
    sandbox: Sandbox,
    toolbox: Toolbox,
    limits: Limits | None = None,
) -> Judgement:
    """The outcome of one program.

    Args:
        sandbox: of the calling thread.
        toolbox: shared by all threads; makes what must be made once, outside of the program's time.
        limits: of the run, instead of those of the toolchain.

    Raises:
        UserError: the toolchain is missing, what it needs cannot be made, or its source file would have a path.
        SandboxError: the sandbox does not work.
    """
    commands = toolbox.commands(program, sandbox)
    toolchain = commands.toolchain
    with sandbox.new_folder() as folder:
        compiled = None
        if commands.compile:
            compiled = _compile(program, commands, commands.compile, folder, sandbox)
            outcome = _outcome_of_compilation(compiled)
            if outcome:
                doubtful = outcome == Outcome.harness_error or _compiler_was_killed(compiled)
                doubtful = doubtful or _is_doubtful(compiled)
                return _judgement(outcome, "compile", compiled, None, doubtful=doubtful)

        run = partial(
            sandbox.run,
            _in(sandbox.seen_as(folder), commands.run),
            limits=limits or toolchain.run_limits,
            folder=folder,
            read_only_binds=commands.binds(commands.run),
            environment=toolchain.environment,
        )
        outcome, finished = _run(program, commands, run, folder, sandbox)
        ended_badly = outcome in (Outcome.runtime_error, Outcome.wrong_answer)
        said_so = ended_badly and toolchain.uncompiled is not None and _says(finished, toolchain.uncompiled)
        asks = ended_badly and (not toolchain.unparsed or _says(finished, toolchain.unparsed))
        if said_so or (asks and commands.check and not _parses(program, commands, commands.check, sandbox)):
            return _judgement(Outcome.compile_error, "compile", finished, None)
    return _judgement(outcome, "run", compiled, finished, doubtful=_is_doubtful(finished))


def _run(
    program: Program, commands: Commands, run: "partial[Finished]", folder: Path, sandbox: Sandbox
) -> tuple[Outcome, Finished]:
    """Run what is to be run, by `run` but for cases, and say what its end and its words mean."""
    toolchain, stdin = commands.toolchain, b"" if commands.compile else _encoded(program)
    if program.files:
        _write(program.files, folder)
        finished = run(writable=True, forks=toolchain.forks)
        return _outcome_of_run(finished, toolchain, is_complete=_says(finished, toolchain.test_passed)), finished
    if program.tolerance is not None:
        finished = run(stdin=stdin)
        outcome, said = answers_outcome(program, finished.stdout)
        if outcome != Outcome.wrong_answer:
            outcome = _failure_of_run(finished) or outcome
        return outcome, replace(finished, stderr=finished.stderr + said.encode(errors="replace"))
    if program.cases:
        if not commands.compile:
            _write((("program", program.source),), folder)
            (folder / "program").chmod(_READABLE_BY_ALL)
        with sandbox.runs(*run.args, **run.keywords) as run_case:
            return run_cases(program.cases, run_case, _failure_of_run)
    finished = run(stdin=stdin, forks=toolchain.forks)
    return _outcome_of_run(finished, toolchain, is_complete=_ends_with(finished.stdout, program.nonce)), finished


def _compile(
    program: Program, commands: Commands, command: tuple[str, ...], folder: Path, sandbox: Sandbox
) -> Finished:
    """Run the compiler; the source is gone afterwards.

    Its name may come from the program, and it is written outside of the sandbox: it must not lead out of the folder.
    """
    if commands.source and not is_file_name(commands.source):
        raise ConfigError(
            f"{program.language}: the source file would be {commands.source!r}, which is no name of a file; mend "
            "source, or main, of the toolchain"
        )
    source = folder / commands.source if commands.source else None
    if source:
        source.write_bytes(_encoded(program))
    finished = sandbox.run(
        _in(sandbox.seen_as(folder), command),
        limits=commands.toolchain.compile_limits,
        folder=folder,
        writable=True,
        stdin=b"" if source else _encoded(program),
        read_only_binds=commands.binds(command),
        environment=commands.toolchain.environment,
    )
    if source:
        source.unlink(missing_ok=True)
    return finished


def _parses(program: Program, commands: Commands, command: tuple[str, ...], sandbox: Sandbox) -> bool:
    """Whether an interpreter accepts the program as such; it says so within the compiler's limits or not at all."""
    toolchain = commands.toolchain
    finished = sandbox.run(
        command,
        limits=replace(toolchain.compile_limits, output_bytes=toolchain.run_limits.output_bytes),
        stdin=_encoded(program),
        read_only_binds=commands.binds(command),
        environment=toolchain.environment,
    )
    return finished.stopped_by is not None or finished.exit_code == 0


def _outcome_of_compilation(finished: Finished) -> Outcome | None:
    """What a failed compilation means, None if there is a program to run."""
    if finished.stopped_by:
        outcome = _STOPPED[finished.stopped_by]
        return Outcome.compile_timeout if outcome == Outcome.timeout else outcome
    if finished.exit_code == 0:
        return None
    if finished.exit_code in _NOT_EXECUTABLE:
        return Outcome.harness_error
    out_of_memory = _ran_out_of_memory(finished) or _compiler_was_killed(finished)
    return Outcome.memory_limit if out_of_memory else Outcome.compile_error


def _outcome_of_run(finished: Finished, toolchain: Toolchain, *, is_complete: bool) -> Outcome:
    """What the end of a program with tests means; to pass it must end well, and tell that all of them ran."""
    failure = _failure_of_run(finished)
    if failure is None:
        return Outcome.passed if is_complete else Outcome.tests_not_completed
    is_crash = toolchain.crashed is not None and _says(finished, toolchain.crashed)
    says_wrong = not is_crash and bool(toolchain.failed_assertion) and _says(finished, toolchain.failed_assertion)
    return Outcome.wrong_answer if failure == Outcome.runtime_error and says_wrong else failure


def _ends_with(stdout: bytes, nonce: Nonce) -> bool:
    """Whether the last line is the nonce, printed once."""
    expected = nonce.text.encode()
    return stdout.rstrip()[-_NONCE_BYTES:].splitlines()[-1:] == [expected] and stdout.count(expected) == 1


def _says(finished: Finished, pattern: str) -> bool:
    """Whether a line of the end of either output matches; blank lines do not count, and none is read twice."""
    lines = {*_end_of(finished.stdout).split("\n"), *_end_of(finished.stderr).split("\n")} - {""}
    return any(re.search(pattern, line[:_LINE_CHARACTERS]) for line in lines)


def _end_of(output: bytes) -> str:
    return output[-_SEARCHED_BYTES:].decode(errors="replace")


def _write(files: tuple[tuple[str, str], ...], folder: Path) -> None:
    for name, text in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")


def _failure_of_run(finished: Finished) -> Outcome | None:
    """What the end of a program means by itself; None where it ended well."""
    if finished.stopped_by:
        return _STOPPED[finished.stopped_by]
    if finished.exit_code == 0:
        return None
    out_of_memory = _ran_out_of_memory(finished) or _was_killed(finished)
    return Outcome.memory_limit if out_of_memory else Outcome.runtime_error


def _ran_out_of_memory(finished: Finished) -> bool:
    """Whether the program, or its compiler, met a limit of memory before the judge saw it."""
    return _OUT_OF_MEMORY.search(_end_of(finished.stderr)) is not None


def _was_killed(finished: Finished) -> bool:
    """Whether somebody else than the judge killed the command.

    That is the kernel where the machine has no memory left. If it happens again to a program that has the machine to
    itself, it is the program that needs more than there is; so this counts as memory.
    """
    return finished.stopped_by is None and finished.signal == signal.SIGKILL


def _compiler_was_killed(finished: Finished) -> bool:
    """Whether this happened to a compiler, or to a part of one, of which the compiler tells."""
    return _was_killed(finished) or _KILLED_PART.search(_end_of(finished.stderr)) is not None


def _is_doubtful(finished: Finished) -> bool:
    """Whether a busy machine may have caused the end: killed, or kept from using its time."""
    return finished.starved or _was_killed(finished)


def _judgement(
    outcome: Outcome, stage: str, compiled: Finished | None, finished: Finished | None, *, doubtful: bool = False
) -> Judgement:
    stages = [part for part in (compiled, finished) if part]
    return Judgement(
        outcome,
        stage,
        output=_tail(stages[-1]),
        compile_s=compiled.wall_s if compiled else 0.0,
        run_s=finished.wall_s if finished else 0.0,
        peak_bytes=max(part.peak_bytes for part in stages),
        doubtful=doubtful,
    )


def _encoded(program: Program) -> bytes:
    return program.source.encode(errors="surrogateescape")


def _in(folder: str, command: tuple[str, ...]) -> list[str]:
    return [word.replace("{folder}", folder) for word in command]


def _tail(finished: Finished) -> str:
    """The end of the output; bytes that are no text are shown as what they are."""
    between = b"\n" if finished.stdout and finished.stderr else b""
    output = finished.stdout[-_SHOWN_BYTES:] + between + finished.stderr[-_SHOWN_BYTES:]
    return output[-_SHOWN_BYTES:].decode(errors="replace").replace("\0", "\\0")
