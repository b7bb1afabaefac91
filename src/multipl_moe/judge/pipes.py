"""Standard input, output and error of a running process, served as they come and never beyond a cap."""

import os
import selectors
from subprocess import Popen

_CHUNK_BYTES = 64 * 2**10


class Pipes:
    """Feeds a process its input and collects what it prints, until it has ended.

    The end of the process is seen on its pid descriptor and not by the end of its output: a program may close its
    output and go on, or leave it to a daemon.
    """

    def __init__(self, process: Popen[bytes], stdin: bytes, max_bytes: int):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._unsent = memoryview(stdin)
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._collected = {self._stdout: bytearray(), self._stderr: bytearray()}
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        for pipe in self._collected:
            self._selector.register(pipe, selectors.EVENT_READ)
        if stdin:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        else:
            self._stdin.close()
        self._end = os.pidfd_open(process.pid)
        self._selector.register(self._end, selectors.EVENT_READ)
        self.ended = False

    @property
    def overflowed(self) -> bool:
        """Whether the process printed more than the cap."""
        return self._num_bytes > self._max_bytes

    @property
    def stdout(self) -> bytes:
        """What was printed on standard output, up to the cap."""
        return bytes(self._collected[self._stdout])

    @property
    def stderr(self) -> bytes:
        """What was printed on standard error, up to the cap."""
        return bytes(self._collected[self._stderr])

    def wait(self, timeout_s: float) -> None:
        """Move what can be moved now; return after that, or after `timeout_s` if nothing happens."""
        for key, _ in self._selector.select(max(timeout_s, 0)):
            if key.fileobj is self._stdin:
                self._send()
            elif key.fd == self._end:
                self.ended = True
            else:
                self._receive(key.fileobj)

    def close(self) -> None:
        """Collect what is left in the pipes, of which nobody may hold the other end now, and close them."""
        for pipe in self._collected:
            while not pipe.closed and not self.overflowed and self._receive(pipe):
                pass
        self._selector.close()
        os.close(self._end)
        for pipe in (self._stdin, *self._collected):
            pipe.close()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _receive(self, pipe) -> bool:
        """Read once; False when there is nothing to read."""
        try:
            chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._selector.unregister(pipe)
            pipe.close()
            return False
        room = max(self._max_bytes - self._num_bytes, 0)
        self._num_bytes += len(chunk)
        self._collected[pipe] += chunk[:room]
        return True
