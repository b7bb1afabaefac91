"""What the judge must know of a language's toolchain, and what its commands may use.

Commands hold placeholders. Inside an argument: names of executables (`{compiler}`), `{folder}` (where a program is
made and run), `{source}` (its file), `{main}` (its main class), `{paths}` (":PATH" of each extra that it wants) and
`{cache:NAME}` (folder of a cache). Instead of any number of arguments: `{options}` (those of the program), `{extras}`
(those of its extras) and `{warm}` (those of the caches that only save time).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from multipl_judge.languages.program import Nonce

_MIB = 2**20
_STACK_BYTES = 8 * _MIB
_ADDRESS_ROOM = 4


def is_file_name(text: str) -> bool:
    """Whether a text names a file of a folder, whatever the folder is: no path leads out of it."""
    return text not in ("", ".", "..") and not {"/", "\0"} & set(text)


@dataclass(frozen=True)
class Limits:
    """Limits of one command and of all processes that it starts.

    Attributes:
        cpu_s: seconds of processor time of all processes together; a program that sleeps uses them up, too, and one
            that others keep waiting ends after ten times as many by the wall clock.
        memory_bytes: of all processes together, with files in memory and sockets; the watcher ends them when they hold
            more.
        processes: processes and threads at one time.
        file_bytes: size of one file.
        scratch_bytes: size of each folder in memory that can be written (/scratch, /tmp, /dev/shm), and of all files
            in a writable host folder.
        output_bytes: standard output and standard error together.
        open_files: descriptors of each process.
    """

    cpu_s: float
    memory_bytes: int
    processes: int = 64
    file_bytes: int = 64 * _MIB
    scratch_bytes: int = 128 * _MIB
    output_bytes: int = _MIB
    open_files: int = 256

    def prlimit_arguments(self, *, own_user: bool = True) -> list[str]:
        """Arguments of `prlimit` for what the kernel enforces on each process by itself.

        Writable private memory may be larger than `memory_bytes`: runtimes reserve what they never touch (Java, Go and
        the stacks of threads), and a program that does touch it shall meet the watcher, which knows the reason. The
        stack is fixed, so that verdicts on deep recursion do not depend on the shell that started the judge.

        Args:
            own_user: whether the command's user runs nothing else. The kernel counts all processes and threads of a
                user; where others count too, their number is not limited, or no command could start.
        """
        arguments = [
            f"--data={_ADDRESS_ROOM * self.memory_bytes}",
            f"--fsize={self.file_bytes}",
            f"--nofile={self.open_files}",
            f"--stack={_STACK_BYTES}",
            "--core=0",
        ]
        return [*arguments, f"--nproc={self.processes}"] if own_user else arguments


_COMPILE_LIMITS = Limits(cpu_s=60, memory_bytes=2048 * _MIB)
_RUN_LIMITS = Limits(cpu_s=10, memory_bytes=1024 * _MIB)


@dataclass(frozen=True)
class Extra:
    """Something beyond the language's own library that some programs want.

    Attributes:
        packages: Debian packages that bring it.
        path: a glob pattern; the extra is there if some path matches, and the last of them by name is used.
        probe: a command that succeeds if the extra is there, for what has no path of its own.
        arguments: more arguments of the compiler.
    """

    packages: tuple[str, ...]
    path: str | None = None
    probe: tuple[str, ...] | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cache:
    """A folder that commands fill.

    Attributes:
        name: of the folder, for people.
        commands: run in order, with the placeholders of a toolchain's commands; `{folder}` is the one to fill.
        files: name to text, written before the commands run.
        required: whether programs cannot do without it; else it only saves time.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    required: bool = True


@dataclass(frozen=True)
class Reference:
    """A small program whose outcome is known, to see that a toolchain works.

    Attributes:
        text: the program, with the words BODY, FIRST and SECOND where the following and the nonce's numbers go.
        right, wrong, early: bodies: one that passes, one that fails a test, one that ends the program with success
            before its tests.
    """

    text: str
    right: str
    wrong: str
    early: str

    def source(self, body: str, nonce: Nonce) -> str:
        """The whole program with one of the bodies."""
        text = self.text.replace("BODY", body)
        return text.replace("FIRST", str(nonce.first)).replace("SECOND", str(nonce.second))


_NO_REFERENCE = Reference("", "", "", "")


@dataclass(frozen=True)
class Toolchain:
    """One language's toolchain.

    Attributes:
        executables: name to candidates, glob patterns by preference; the first that runs in the sandbox is used.
        version: command that prints the version, one line of which counts.
        run: command of a program; an interpreter reads the program from its standard input, so that no file with the
            tests lies beside a running program.
        script: for an interpreter, command of a program in the file `{folder}/program`, whose standard input is free.
        test: command that runs the tests of an exercise, whose files lie in `{folder}` as in its track.
        test_passed: pattern, searched line by line in the output of `test`: it tells that tests ran and all passed.
        packages: Debian packages that bring the toolchain.
        folders: those outside of /usr that it reads, where they are there.
        failed_assertion: pattern, searched in the last lines of what a program printed that ended badly: it tells that
            a test failed, and not the program.
        crashed: pattern, searched there too: it tells that the program failed, though it says that a test did.
        uncompiled: pattern, searched there too: it tells that an interpreter could not parse or compile the program.
        reference: a program to try the toolchain with; its text is empty where only `script` or `test` is used.
        compile: command that makes the program in the current folder; None for an interpreter.
        check: for an interpreter, a command that reads a program from standard input and fails if it does not parse.
        unparsed: pattern, searched there too: only where it is found may a program not parse, and `check` is asked.
        source: name of the source file, without folders, or None where the compiler reads standard input: a program
            whose language can include files while it is compiled could else keep the text of its own tests.
        main: patterns whose first group is the name of the main class: the last match of the first that matches.
        environment: variables, besides those of the sandbox.
        compile_limits, run_limits: of the two stages.
        extras: by name.
        caches: by name; those with `{preamble}` in a file are made for each beginning of programs that comes often.
        warm: by name of a cache, the arguments that use it.
        forks: whether a running program may make processes. One that may, and holds its own tests, can try answers.
        preamble: gives the beginning of a source text that can be compiled once for all programs that share it.
    """

    executables: Mapping[str, tuple[str, ...]]
    version: tuple[str, ...]
    run: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    failed_assertion: str = ""
    reference: Reference = _NO_REFERENCE
    script: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None
    test_passed: str = ""
    crashed: str | None = None
    uncompiled: str | None = None
    compile: tuple[str, ...] | None = None
    check: tuple[str, ...] | None = None
    unparsed: str = ""
    source: str | None = None
    main: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    compile_limits: Limits = _COMPILE_LIMITS
    run_limits: Limits = _RUN_LIMITS
    extras: Mapping[str, Extra] = field(default_factory=dict[str, Extra])
    caches: Mapping[str, Cache] = field(default_factory=dict[str, Cache])
    warm: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    forks: bool = True
    preamble: Callable[[str], str] | None = None

    @property
    def answers_input(self) -> bool:
        """Whether its programs can read a standard input of their own."""
        return bool(self.script or (self.compile and self.run))
