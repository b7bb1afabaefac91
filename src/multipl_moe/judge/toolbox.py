"""All toolchains of one process, and the exact commands for one program."""

import re
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from multipl_moe.errors import ConfigError, UserError
from multipl_moe.judge.caches import is_made, make, place_of
from multipl_moe.judge.installed import Installed, expand, look_for, path_of, placeholders
from multipl_moe.judge.program import Program
from multipl_moe.judge.sandbox import Sandbox
from multipl_moe.languages.limits import Limits
from multipl_moe.languages.nonce import Nonce
from multipl_moe.languages.toolchain import Cache, Extra, Toolchain
from multipl_moe.languages.toolchains import TOOLCHAINS

_MIB = 2**20
_CACHE_LIMITS = Limits(
    wall_s=1800, memory_bytes=4096 * _MIB, file_bytes=1024 * _MIB, scratch_bytes=4096 * _MIB, output_bytes=16 * _MIB
)
_SIGHTINGS_WORTH_A_CACHE = 3
_PREAMBLE = "{preamble}"
_SHOWN_CHARACTERS = 300


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
    compile: tuple[str, ...] | None
    check: tuple[str, ...] | None
    run: tuple[str, ...]
    source: str | None
    folders: tuple[Path, ...]
    caches: tuple[Path, ...]

    def binds(self, command: tuple[str, ...]) -> tuple[Path, ...]:
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
            ConfigError: the language is unknown, or its toolchain is missing.
            SandboxError: the sandbox does not work.
        """
        if language not in self._toolchains:
            raise ConfigError(f"language {language!r} has no toolchain; known are {', '.join(self._toolchains)}")
        with self._locks[language]:
            if language not in self._installed:
                self._installed[language] = look_for(language, self._toolchains[language], sandbox)
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
                self._lacks[language, name] = self._look_for(extra, name, installed, sandbox)
            return self._lacks[language, name]

    def _look_for(self, extra: Extra, name: str, installed: Installed, sandbox: Sandbox) -> str | None:
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
            "main": _main_class(toolchain.main, program.source),
            "options": program.options,
            "paths": "".join(f":{path}" for path in map(path_of, extras) if path),
        }
        folders = self._caches(installed, program, extras, sandbox)
        values |= {f"cache:{name}": str(folder) for name, folder in folders.items()}
        values["warm"] = tuple(word for name in folders for word in expand(toolchain.warm.get(name, ()), values))
        values["extras"] = tuple(word for extra in extras for word in expand(extra.arguments, values))
        values["source"] = expand((toolchain.source or "",), values)[0]
        return Commands(
            toolchain,
            compile=expand(toolchain.compile, values) if toolchain.compile else None,
            check=expand(toolchain.check, values) if toolchain.check else None,
            run=expand(toolchain.run, values),
            source=str(values["source"]) or None,
            folders=installed.binds,
            caches=tuple(folders.values()),
        )

    def _caches(self, installed: Installed, program: Program, extras: list[Extra], sandbox: Sandbox) -> dict[str, Path]:
        """Folders of the caches that a program needs or that save time."""
        toolchain = installed.toolchain
        named = placeholders(toolchain.compile, toolchain.run, *(extra.arguments for extra in extras))
        folders: dict[str, Path] = {}
        for name, cache in toolchain.caches.items():
            if f"cache:{name}" in named or name in toolchain.warm:
                folder = self._cache(installed, cache, program, sandbox)
                if folder:
                    folders[name] = folder
        return folders

    def _cache(self, installed: Installed, cache: Cache, program: Program, sandbox: Sandbox) -> Path | None:
        """The folder of one cache; None where it is not worth while, or cannot be made but is not required."""
        toolchain = installed.toolchain
        of_preamble = any(_PREAMBLE in text for text in cache.files.values())
        preamble = toolchain.preamble(program.source) if of_preamble and toolchain.preamble else ""
        if of_preamble and not preamble:
            return None
        values: dict[str, str | tuple[str, ...]] = {**installed.executables, "options": program.options}
        cache = replace(
            cache,
            commands=tuple(expand(command, values) for command in cache.commands),
            files={name: text.replace(_PREAMBLE, preamble) for name, text in cache.files.items()},
        )
        paths = {name: path_of(extra) or "" for name, extra in toolchain.extras.items()}
        facts = {"version": installed.version, **paths}
        folder = place_of(cache, facts, for_others=sandbox.unsafe and sandbox.uid is not None)
        with self._locks[program.language]:
            self._sightings[folder] += 1
            is_rare = of_preamble and self._sightings[folder] < _SIGHTINGS_WORTH_A_CACHE
            if not is_made(folder) and (is_rare or folder in self._hopeless):
                return None
            try:
                make(cache, folder, lambda staging: _fill(installed, cache, staging, sandbox))
            except UserError:
                if cache.required:
                    raise
                self._hopeless.add(folder)
                return None
        return folder


def _fill(installed: Installed, cache: Cache, folder: Path, sandbox: Sandbox) -> None:
    """Run a cache's commands."""
    for command in cache.commands:
        finished = sandbox.run(
            expand(command, {"folder": sandbox.seen_as(folder)}),
            limits=_CACHE_LIMITS,
            folder=folder,
            writable=True,
            read_only_binds=installed.binds,
            environment=installed.toolchain.environment,
        )
        if finished.exit_code != 0:
            said = (finished.stdout + finished.stderr).decode(errors="replace").strip()[-_SHOWN_CHARACTERS:]
            reason = said or f"stopped by the limit of {finished.stopped_by}"
            toolchain = installed.toolchain
            extras = [package for extra in toolchain.extras.values() for package in extra.packages]
            packages = " ".join(dict.fromkeys([*toolchain.packages, *extras]))
            raise ConfigError(
                f"{installed.language}: cannot prepare {cache.name} (Debian: apt install {packages}): {reason}"
            )


def _main_class(patterns: tuple[str, ...], source: str) -> str:
    """Name of the class that is run: the first group of the first pattern that matches."""
    matches = (re.search(pattern, source, re.MULTILINE) for pattern in patterns)
    return next((match[1] for match in matches if match), "Main")
