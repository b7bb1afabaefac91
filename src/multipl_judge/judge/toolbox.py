"""The toolchains of this machine, found by running them in the sandbox, and the exact commands for one program."""

import glob
import os
import pwd
import re
import shutil
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from multipl_judge.errors import ConfigError, UserError
from multipl_judge.judge.caches import cache_path, is_made, make
from multipl_judge.judge.sandbox import Finished, Sandbox, SandboxError
from multipl_judge.languages.program import Nonce, Program
from multipl_judge.languages.source_text import masked
from multipl_judge.languages.toolchain import Cache, Extra, Limits, Toolchain
from multipl_judge.languages.toolchains import TOOLCHAINS

_MIB = 2**20
_PROBE_LIMITS = Limits(cpu_s=60, memory_bytes=1024 * _MIB)
_CACHE_LIMITS = Limits(
    cpu_s=1800, memory_bytes=4096 * _MIB, file_bytes=1024 * _MIB, scratch_bytes=4096 * _MIB, output_bytes=16 * _MIB
)
_SIGHTINGS_WORTH_A_CACHE = 3
_PLACEHOLDER = re.compile(r"\{([\w:]+)\}")
_PREAMBLE = "{preamble}"
_SYSTEM = (Path("/usr"), Path("/bin"), Path("/lib"))
_SHOWN_CHARACTERS = 300
_READ_BYTES = 4096

_Command = tuple[str, ...]
_Values = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Installed:
    """A toolchain as it is on this machine.

    Attributes:
        language: its key in the table.
        toolchain: its entry in the table.
        executables: name to path, of those that are there.
        version: the first line of what it says of itself.
        binds: folders outside /usr that it needs.
    """

    language: str
    toolchain: Toolchain
    executables: Mapping[str, str]
    version: str
    binds: tuple[Path, ...]

    def run(self, command: _Command, sandbox: Sandbox) -> Finished:
        """Run a short command of this toolchain, which only asks something."""
        return sandbox.run(
            _expand(command, self.executables),
            limits=_PROBE_LIMITS,
            read_only_binds=self.binds,
            environment=self.toolchain.environment,
        )

    def has(self, extra: Extra, sandbox: Sandbox) -> bool:
        """Whether something beyond the language's own library is there.

        Raises:
            SandboxError: the search did not end by itself, which says nothing.
        """
        if extra.path and not _path_of(extra):
            return False
        if extra.probe is None:
            return True
        exit_code = self.run(extra.probe, sandbox).exit_code
        if exit_code is None:
            raise SandboxError(f"{self.language}: {' '.join(extra.probe)} did not end by itself")
        return exit_code == 0

    def fill(self, cache: Cache, folder: Path, sandbox: Sandbox) -> None:
        """Run a cache's commands in its folder.

        Raises:
            ConfigError: one of them fails; the message names the packages.
        """
        for command in cache.commands:
            finished = sandbox.run(
                _expand(command, {"folder": sandbox.seen_as(folder)}),
                limits=_CACHE_LIMITS,
                folder=folder,
                writable=True,
                read_only_binds=self.binds,
                environment=self.toolchain.environment,
            )
            if finished.exit_code != 0:
                said = (finished.stdout + finished.stderr).rstrip()[-_READ_BYTES:]
                said = said.decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
                extras = [package for extra in self.toolchain.extras.values() for package in extra.packages]
                packages = " ".join(dict.fromkeys([*self.toolchain.packages, *extras]))
                raise ConfigError(
                    f"{self.language}: cannot prepare {cache.name} (Debian: apt install {packages}): "
                    f"{said or f'stopped by the limit of {finished.stopped_by}'}"
                )


@dataclass(frozen=True)
class Commands:
    """What it takes to judge one program.

    Attributes:
        toolchain: of its language.
        compile, check, run: commands as in the toolchain, complete but for `{folder}`.
        source: name of the source file, or None for standard input.
        folders: of the toolchain, outside of /usr.
        caches: folders of the caches that any of the commands uses.
    """

    toolchain: Toolchain
    compile: _Command | None
    check: _Command | None
    run: _Command
    source: str | None
    folders: tuple[Path, ...]
    caches: tuple[Path, ...]

    def binds(self, command: _Command) -> tuple[Path, ...]:
        """What the sandbox must show for one of the commands, read only; each folder below a private one takes time."""
        named = [folder for folder in self.caches if any(str(folder) in word for word in command)]
        return (*self.folders, *named)


class Toolbox:
    """Finds toolchains and makes their caches, each once; its methods may be called by several threads.

    Args:
        toolchains: the table to use.
    """

    def __init__(self, toolchains: Mapping[str, Toolchain] = TOOLCHAINS):
        self._toolchains = toolchains
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._installed: dict[str, Installed] = {}
        self._lacks: dict[tuple[str, str], str | None] = {}
        self._sightings: Counter[Path] = Counter()
        self._hopeless: set[Path] = set()

    def installed(self, language: str, sandbox: Sandbox) -> Installed:
        """The toolchain of a language.

        Raises:
            ConfigError: the language is unknown, or its toolchain is missing; the message names the packages.
            SandboxError: the sandbox does not work.
        """
        if language not in self._toolchains:
            raise ConfigError(f"language {language!r} has no toolchain; known are {', '.join(self._toolchains)}")
        with self._locks[language]:
            if language not in self._installed:
                self._installed[language] = _look_for(language, self._toolchains[language], sandbox)
            return self._installed[language]

    def lack_of(self, language: str, name: str, sandbox: Sandbox) -> str | None:
        """Why programs of a language cannot have an extra that they want, with the remedy; None if they can.

        Raises:
            ConfigError: the toolchain is missing, or its table does not know the extra.
            SandboxError: the sandbox does not work.
        """
        installed = self.installed(language, sandbox)
        extra = installed.toolchain.extras.get(name)
        if extra is None:
            raise ConfigError(f"{language}: a program wants {name!r}, which the table of toolchains does not know")
        with self._locks[language]:
            if (language, name) not in self._lacks:
                self._lacks[language, name] = self._prepare(extra, name, installed, sandbox)
            return self._lacks[language, name]

    def _prepare(self, extra: Extra, name: str, installed: Installed, sandbox: Sandbox) -> str | None:
        """Look for an extra, and make the caches that it needs; see `lack_of`."""
        if not installed.has(extra, sandbox):
            packages = " ".join(extra.packages)
            return f"{installed.language}: {name} not found; install it (Debian: apt install {packages})"
        try:
            self._caches(installed, Program(installed.language, "", Nonce(0, 0)), [extra], sandbox)
        except ConfigError as error:
            return str(error)
        return None

    def commands(self, program: Program, sandbox: Sandbox) -> Commands:
        """What compiles and runs a program; caches that it needs are made now, which may take a minute.

        It gets the extras that it wants and that are here. It may want one for a word in a comment, or for what its
        author need not have used: without it, it fails by itself if it must. Preflight tells what is missing.

        Raises:
            UserError: the toolchain is missing, its table does not know an extra, or a cache cannot be made.
            SandboxError: the sandbox does not work.
        """
        installed = self.installed(program.language, sandbox)
        toolchain = installed.toolchain
        here = [name for name in program.wants if self.lack_of(program.language, name, sandbox) is None]
        extras = [toolchain.extras[name] for name in here]
        values: dict[str, str | tuple[str, ...]] = {
            **installed.executables,
            "main": _main_class(toolchain.main, program),
            "options": program.options,
            "paths": "".join(f":{path}" for path in map(_path_of, extras) if path),
        }
        folders = self._caches(installed, program, extras, sandbox)
        values |= {f"cache:{name}": str(folder) for name, folder in folders.items()}
        values["warm"] = tuple(word for name in folders for word in _expand(toolchain.warm.get(name, ()), values))
        values["extras"] = tuple(word for extra in extras for word in _expand(extra.arguments, values))
        values["source"] = source = _expand((toolchain.source or "",), values)[0]
        return Commands(
            toolchain,
            compile=_expand(toolchain.compile, values) if toolchain.compile and not program.files else None,
            check=_expand(toolchain.check, values) if toolchain.check else None,
            run=_expand(_run_command(program, toolchain), values),
            source=source or None,
            folders=installed.binds,
            caches=tuple(folders.values()),
        )

    def _caches(self, installed: Installed, program: Program, extras: list[Extra], sandbox: Sandbox) -> dict[str, Path]:
        """Folders of the caches that a program needs or that save time."""
        toolchain = installed.toolchain
        named = _placeholders(toolchain.compile, toolchain.run, *(extra.arguments for extra in extras))
        folders = {
            name: self._cache(installed, cache, program, sandbox)
            for name, cache in toolchain.caches.items()
            if f"cache:{name}" in named or name in toolchain.warm
        }
        return {name: folder for name, folder in folders.items() if folder}

    def _cache(self, installed: Installed, cache: Cache, program: Program, sandbox: Sandbox) -> Path | None:
        """The folder of one cache; None where it is not worth while, or cannot be made but is not required."""
        toolchain = installed.toolchain
        of_preamble = any(_PREAMBLE in text for text in cache.files.values())
        preamble = toolchain.preamble(program.source) if of_preamble and toolchain.preamble else ""
        if of_preamble and not preamble:
            return None
        values: _Values = {**installed.executables, "options": program.options}
        cache = replace(
            cache,
            commands=tuple(_expand(command, values) for command in cache.commands),
            files={name: text.replace(_PREAMBLE, preamble) for name, text in cache.files.items()},
        )
        paths = {name: _path_of(extra) or "" for name, extra in toolchain.extras.items()}
        facts = {"version": installed.version, **paths}
        folder = cache_path(cache, facts, for_others=sandbox.unsafe and sandbox.uid is not None)
        with self._locks[program.language]:
            self._sightings[folder] += 1
            is_rare = of_preamble and self._sightings[folder] < _SIGHTINGS_WORTH_A_CACHE
            if not is_made(folder) and (is_rare or folder in self._hopeless):
                return None
            try:
                make(cache, folder, lambda staging: installed.fill(cache, staging, sandbox))
            except UserError:
                if cache.required:
                    raise
                self._hopeless.add(folder)
                return None
        return folder


def is_found(toolchain: Toolchain) -> bool:
    """Whether its executables lie where they may, tried or not."""
    return all(map(_existing, toolchain.executables.values()))


def _look_for(language: str, toolchain: Toolchain, sandbox: Sandbox) -> Installed:
    """The first candidates that work in the sandbox."""
    candidates = {name: _existing(patterns) for name, patterns in toolchain.executables.items()}
    present = {name: paths[0] for name, paths in candidates.items() if paths}
    commands = (toolchain.compile, toolchain.run, toolchain.check, toolchain.script, toolchain.test, toolchain.version)
    first = next(iter(candidates))
    absent = [name for name in candidates if name in {first, *_placeholders(*commands)} - present.keys()]
    install = f"install it (Debian: apt install {' '.join(toolchain.packages)})" if toolchain.packages else "install it"
    if absent:
        looked = " and ".join(_looked_for(name, toolchain.executables[name]) for name in absent)
        raise ConfigError(f"{language}: toolchain not found; looked for {looked}; {install}")
    faults: list[str] = []
    for path in candidates[first]:
        executables = {**present, first: path}
        installed = Installed(language, toolchain, executables, "", _binds(executables.values(), toolchain.folders))
        finished = installed.run(toolchain.version, sandbox)
        if finished.exit_code == 0:
            told = _lines((finished.stdout + finished.stderr)[:_READ_BYTES])
            return replace(installed, version=told[0] if told else "tells no version")
        faults.append(f"{path} is there, but its `version` command {_end_of(finished)}")
    folders = "folders outside /usr that it reads: toolchain.folders"
    raise ConfigError(f"{language}: {faults[0]} ({folders}); mend it, or {install}")


def _looked_for(name: str, patterns: tuple[str, ...]) -> str:
    """What was looked for of an executable; a name alone would be a file of the current folder."""
    bare = next((pattern for pattern in patterns if "/" not in pattern), None)
    hint = f" (give a path, such as {shutil.which(bare) or f'/usr/bin/{bare}'}; PATH is not searched)" if bare else ""
    return f"{name}: {', '.join(patterns)}{hint}"


def _end_of(finished: Finished) -> str:
    """How a command failed, with the last line that it told."""
    ended = f"ended with exit code {finished.exit_code}"
    if finished.exit_code is None:
        ended = f"was ended by {f'the limit of {finished.stopped_by}' if finished.stopped_by else 'a signal'}"
    told = _lines((finished.stdout + finished.stderr)[-_READ_BYTES:])
    return f"{ended}: {told[-1][-_SHOWN_CHARACTERS:] if told else 'it said nothing'}"


def _lines(output: bytes) -> list[str]:
    return [line.strip() for line in output.decode(errors="replace").split("\n") if line.strip()]


def _run_command(program: Program, toolchain: Toolchain) -> _Command:
    """What runs a program: tests in files and standard input have commands of their own."""
    if program.files:
        return toolchain.test or ()
    takes_file = program.cases and program.tolerance is None
    return toolchain.script if takes_file and toolchain.script else toolchain.run


def _path_of(extra: Extra) -> str | None:
    """Where an extra is, None if it has no path or is not there."""
    found = _matches(extra.path) if extra.path else []
    return found[-1] if found else None


def _placeholders(*commands: _Command | None) -> set[str]:
    return {name for command in commands for word in command or () for name in _PLACEHOLDER.findall(word)}


def _expand(command: _Command, values: _Values) -> _Command:
    """A command with its placeholders replaced; those without a value stay."""
    words: list[str] = []
    for word in command:
        whole = _PLACEHOLDER.fullmatch(word)
        value = values.get(whole[1]) if whole else None
        if isinstance(value, tuple):
            words += value
        else:
            words.append(_PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), word))
    return tuple(words)


def _existing(patterns: tuple[str, ...]) -> list[str]:
    """Executables that match, links followed: what a link in the home of a user points to may be out of reach."""
    return [str(Path(path).resolve()) for pattern in patterns for path in reversed(_matches(pattern))]


def _matches(pattern: str) -> list[str]:
    found = glob.glob(os.path.expanduser(pattern))  # noqa: PTH111, PTH207 (Path raises where a pattern is none)
    return sorted(filter(os.path.exists, found))


def _binds(executables: Iterable[str], folders: Iterable[str]) -> tuple[Path, ...]:
    """What programs must see of toolchains that are not part of the system."""
    paths = [Path(path) for path in executables]
    homes = [_home_of(path) for path in paths if not any(path.is_relative_to(system) for system in _SYSTEM)]
    return (*homes, *(Path(folder) for folder in folders if Path(folder).is_dir()))


def _home_of(executable: Path) -> Path:
    """The folder of a toolchain, lib and the rest beside its bin; never the whole of anyone's home or of its .local,
    nor what that lies in."""
    folder = executable.parent
    homes = [Path.home().resolve(), *(Path(entry.pw_dir).resolve() for entry in pwd.getpwall())]
    private = [path for home in homes for path in (home, home / ".local")]
    candidates = [folder.parent, folder] if folder.name == "bin" else [folder]
    open_to_all = (one for one in candidates if not any(path.is_relative_to(one) for path in private))
    return next(open_to_all, executable)


def _main_class(patterns: tuple[str, ...], program: Program) -> str:
    """Name of the class that is run: the first group of where the first pattern that matches does so last.

    The harness stands at the end of a program. Of Java comments and literals do not count.
    """
    source = masked(program.source, "java") if program.language == "java" else program.source
    matches = ([*re.finditer(pattern, source, re.MULTILINE)][-1:] for pattern in patterns)
    return next((found[0][1] for found in matches if found), "Main")
