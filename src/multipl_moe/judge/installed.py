"""Finding a toolchain on this machine, by running it in the sandbox."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from multipl_moe.errors import ConfigError
from multipl_moe.judge.sandbox import Finished, Sandbox, SandboxError
from multipl_moe.languages.limits import Limits
from multipl_moe.languages.toolchain import Extra, Toolchain

_PLACEHOLDER = re.compile(r"\{([\w:]+)\}")
_PROBE_LIMITS = Limits(wall_s=60, memory_bytes=2**30)
_SYSTEM = (Path("/usr"), Path("/bin"), Path("/lib"))

Values = Mapping[str, str | tuple[str, ...]]


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

    def run(self, command: tuple[str, ...], sandbox: Sandbox) -> Finished:
        """Run a short command of this toolchain, which only asks something."""
        return sandbox.run(
            expand(command, self.executables),
            limits=_PROBE_LIMITS,
            read_only_binds=self.binds,
            environment=self.toolchain.environment,
        )

    def has(self, extra: Extra, sandbox: Sandbox) -> bool:
        """Whether something beyond the language's own library is there.

        Raises:
            SandboxError: the search did not end by itself, which says nothing.
        """
        if extra.path and not path_of(extra):
            return False
        if extra.probe is None:
            return True
        exit_code = self.run(extra.probe, sandbox).exit_code
        if exit_code is None:
            raise SandboxError(f"{self.language}: {' '.join(extra.probe)} did not end by itself")
        return exit_code == 0


def look_for(language: str, toolchain: Toolchain, sandbox: Sandbox) -> Installed:
    """The first candidates that work in the sandbox.

    Raises:
        ConfigError: there are none; the message names the packages.
    """
    candidates = {name: _existing(patterns) for name, patterns in toolchain.executables.items()}
    present = {name: paths[0] for name, paths in candidates.items() if paths}
    needed = placeholders(toolchain.compile, toolchain.run, toolchain.check) & candidates.keys()
    first = next(iter(candidates))
    for path in candidates[first] if needed <= present.keys() else []:
        executables = {**present, first: path}
        installed = Installed(language, toolchain, executables, "", _binds(executables.values()))
        finished = installed.run(toolchain.version, sandbox)
        if finished.exit_code == 0:
            version = (finished.stdout + finished.stderr).decode(errors="replace").splitlines()[0].strip()
            return replace(installed, version=version)
    packages = " ".join(toolchain.packages)
    raise ConfigError(f"{language}: toolchain not found; install it (Debian: apt install {packages})")


def path_of(extra: Extra) -> str | None:
    """Where an extra is, None if it has no path or is not there."""
    found = _matches(extra.path) if extra.path else []
    return found[-1] if found else None


def placeholders(*commands: tuple[str, ...] | None) -> set[str]:
    """Names of all placeholders in some commands."""
    return {name for command in commands for word in command or () for name in _PLACEHOLDER.findall(word)}


def expand(command: tuple[str, ...], values: Values) -> tuple[str, ...]:
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
    """Paths that match a pattern, in order of names."""
    path = Path(pattern).expanduser()
    return sorted(map(str, Path(path.anchor).glob(str(path.relative_to(path.anchor)))))


def _binds(executables: Iterable[str]) -> tuple[Path, ...]:
    """The folders of toolchains that are not part of the system: bin, lib and the rest lie in one folder."""
    paths = [Path(path) for path in executables]
    return tuple(path.parent.parent for path in paths if not any(path.is_relative_to(system) for system in _SYSTEM))
