"""An engine as a process of this one: started, waited for, stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import httpx

from multipl_moe.errors import ConfigError
from multipl_moe.serve.engines import KEY_OF

_POLL_S = 0.2
_STOP_S = 10.0


@dataclass
class RunningEngine:
    """An engine that answered, at an address; `code` is its exit code once `has_ended` found it ended."""

    url: str
    process: "subprocess.Popen[bytes]"
    code: int | None = None

    def has_ended(self) -> bool:
        """Whether it ended by itself; not to be asked any more once this process was told to stop, as it may be too."""
        self.code = self.process.poll()
        return self.code is not None


@contextmanager
def engine_running(
    command: Sequence[str], port: int, key: Mapping[str, str], on_wait: Callable[[float], None] = lambda seconds: None
) -> Iterator[RunningEngine]:
    """The engine once it answers on /health; at the end it is stopped, with all that it started.

    Args:
        command: that starts it on this machine and `port`.
        port: a free one.
        key: by its variable, what the engine shall ask for, as any page or user of this machine can reach the port;
            keys that are there for other servers are not passed on.
        on_wait: told the seconds that it has taken so far.

    Raises:
        ConfigError: it cannot be started, or ended before it answered; at the end, if `has_ended` said that it ended.
    """
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    others = {name: value for name, value in os.environ.items() if name not in KEY_OF.values()}
    with _signals_interrupt(), _stopped_at_end(command, {**others, **key}) as process:
        while not _answers(url):
            if (code := process.poll()) is not None:
                raise ConfigError(f"--engine: {command[0]} ended with {code} before it answered; it says why above")
            on_wait(time.monotonic() - began)
            time.sleep(_POLL_S)
        running = RunningEngine(url, process)
        yield running
        if running.code is not None:
            raise ConfigError(f"--engine: {command[0]} ended with {running.code} while it served; it says why above")


@contextmanager
def _stopped_at_end(command: Sequence[str], environment: Mapping[str, str]) -> "Iterator[subprocess.Popen[bytes]]":
    try:
        process = subprocess.Popen(command, start_new_session=True, env=environment)
    except OSError as error:
        raise ConfigError(f"--engine: {command[0]} cannot be started ({error}); install it again") from None
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started, too
        process.wait()


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
