"""Tests and completion of a Python program, each in a process of its own; it runs inside the sandbox.

The process that reads the program forks. One becomes a fresh interpreter with the completion and nothing else in it.
The other keeps tests and nonce, and calls the completion; nobody of its user may read its memory. The judge waits for
the first, which leaves with the exit code of the second.
"""

import binascii
import builtins
import contextlib
import json
import marshal
import os
import sys
from types import CodeType
from typing import Any

from multipl_judge.languages.sources.python_values import LENIENT, OPERATIONS, Remote, Values, require_no_method

_FUNCTIONS = ("builtins.function", "builtins.type")
_SET_DUMPABLE = 4
# What no call can change.
_FIXED = {type(None), bool, int, float, str, bytes, complex}


class ToldError(Exception):
    """The traceback of the other process."""


class Peer(Values):
    """One end: asks, and answers.

    Args:
        receive, send: descriptors of pipes.
    """

    def __init__(self, receive: int, send: int):
        super().__init__()
        self._receive, self._send = os.fdopen(receive, "rb"), os.fdopen(send, "wb")

    def write(self, message: Any) -> None:
        """Send a line."""
        self._send.write(json.dumps(message).encode() + b"\n")
        self._send.flush()

    def read(self) -> Any:
        """The next line; raises EOFError where the other end is gone."""
        line = self._receive.readline()
        if not line:
            raise EOFError
        return json.loads(line)

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the other end do something; meanwhile it may ask, too."""
        more = {"named": self.packed(named)} if named else {}
        self.write({"do": operation, **self.more(), "with": self.packed(list(arguments)), **more})
        while True:
            message = self.read()
            if "do" not in message:
                return self.result(message, arguments)
            self.write(self.answer(message))

    def more(self) -> dict[str, Any]:
        """What else a request says."""
        return {}

    def answer(self, message: Any) -> dict[str, Any]:
        """Do what the other end asks for; what that changes in the arguments goes back, too."""
        try:
            arguments = self.unpacked(message["with"])
            named = self.unpacked(message["named"]) if "named" in message else {}
            before = None if _FIXED.issuperset(map(type, arguments[1:])) else self.packed(arguments)
            value = self.operate(message["do"], arguments, named)
            if before is None:
                return {"value": self.packed(value)}
            same = [index for index, one in enumerate(arguments) if one is value and type(one) in (list, dict, set)]
            answer = {"same": same[0]} if same else {"value": self.packed(value)}
            after = self.packed(arguments)
            return answer if before == after else {**answer, "changed": after}
        except (Exception, SystemExit) as error:
            return {"raise": self._packed_error(error)}

    def operate(self, operation: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Do one thing that the other end asks for."""
        return OPERATIONS[operation](*arguments, **named)

    def result(self, message: Any, arguments: tuple[Any, ...]) -> Any:
        """What an answer says."""
        if "raise" in message:
            raise self._unpacked_error(message["raise"])
        if "changed" in message:
            self._change(list(arguments), self.unpacked(message["changed"]))
        return arguments[message["same"]] if "same" in message else self.unpacked(message["value"])

    def told(self, error: BaseException) -> str:
        """The traceback of an exception, without the frames of this file's."""
        import traceback

        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals is globals():
            frames = frames.tb_next
        return "".join(traceback.format_exception(type(error), error, frames))

    def _packed_error(self, error: BaseException) -> dict[str, Any]:
        kinds = [[kind.__module__, kind.__qualname__] for kind in type(error).__mro__]
        try:
            arguments = self.packed(error.args)
        except Exception:
            arguments = self.packed((str(error),))
        return {"kinds": kinds, "arguments": arguments, "text": self.told(error)}

    def _unpacked_error(self, packed: Any) -> BaseException:
        kind = self.nearest_error(packed["kinds"])
        error = kind.__new__(kind, *self.unpacked(packed["arguments"]))
        error.__cause__ = ToldError(f"\n{packed['text']}")
        return error

    def _change(self, old: Any, new: Any) -> None:
        """Make lists, sets, dictionaries and objects what the other end made of its copies of them."""
        seen, todo = set[int](), [(old, new)]
        while todo:
            old, new = todo.pop()
            if type(old) is not type(new) or id(old) in seen:
                continue
            seen.add(id(old))
            if isinstance(old, list | tuple):
                todo += zip(old, new, strict=False)
            if isinstance(old, list):
                old[:] = [self._stays(before, after) for before, after in zip(old, new, strict=False)] + new[len(old) :]
            elif isinstance(old, set):
                old.clear()
                old.update(new)
            elif isinstance(old, dict):
                todo += [(old[key], new[key]) for key in old.keys() & new.keys()]
                kept = {key: self._stays(old[key], value) if key in old else value for key, value in new.items()}
                old.clear()
                old.update(kept)
            elif self._is_copied(old):
                todo.append((vars(old), vars(new)))

    def _stays(self, before: Any, after: Any) -> Any:
        """The object that was there, where it was changed in place; else the new one."""
        is_container = isinstance(before, list | set | dict) or self._is_copied(before)
        return before if is_container and type(before) is type(after) else after

    def _is_copied(self, thing: Any) -> bool:
        """Whether the other end had a copy of an object: of one whose class both know, never of a module."""
        return hasattr(thing, "__dict__") and self.is_known(type(thing))


class Server(Peer):
    """The end with the completion."""

    def __init__(self, receive: int, send: int):
        super().__init__(receive, send)
        self._main = vars(sys.modules["__main__"])
        del self._main["harness"]
        self._class_names: list[str] = []
        self._events: Any = None

    def serve(self) -> None:
        """Run the completion, then do what the tests ask for, until they have ended."""
        request = self.read()
        self._class_names = request["classes"]
        try:
            exec(compile(request["code"], "<program>", "exec", dont_inherit=True), self._main)
        except Exception as error:
            sys.stderr.write(self.told(error))
            raise SystemExit(1) from None
        self.write({})
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                self.write(self.answer(self.read()))

    def class_named(self, name: str) -> type | None:
        """A class of the main module that both ends have."""
        return self._main.get(name) if name in self._class_names else None

    def answer(self, message: Any) -> dict[str, Any]:
        """Also gives back what is printed meanwhile, where the tests want to have it."""
        if not message["capture"]:
            answer = super().answer(message)
            sys.stdout.flush()
            return answer
        import io

        with contextlib.redirect_stdout(io.StringIO()) as printed:
            answer = super().answer(message)
        return {**answer, "printed": printed.getvalue()}

    def operate(self, operation: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        """Also gives names of the main module."""
        if operation == "names":
            return {name: self._main[name] for name in arguments if name in self._main}
        if operation == "await":
            import asyncio

            self._events = self._events or asyncio.new_event_loop()
            return self._events.run_until_complete(arguments[0])
        return super().operate(operation, arguments, named)


class Tests(Peer):
    """The end with the tests.

    Args:
        names: of the main module, in which they run.
        is_strict: whether an object that only the other end knows ends the program where it is compared.
    """

    def __init__(self, receive: int, send: int, names: dict[str, Any], *, is_strict: bool):
        super().__init__(receive, send)
        self._stdout = sys.stdout
        self._is_strict = is_strict
        self._classes = {
            name: kind for name, kind in names.items() if isinstance(kind, type) and kind.__module__ == "__main__"
        }

    def class_named(self, name: str) -> type | None:
        """A class of the main module that both ends have."""
        return self._classes.get(name)

    def write(self, message: Any) -> None:
        """Send a line, or leave where the other end is gone: no test may catch that."""
        try:
            super().write(message)
        except BrokenPipeError:
            os._exit(1)

    def read(self) -> Any:
        """The next line; leaves where the other end is gone."""
        try:
            return super().read()
        except EOFError:
            os._exit(1)

    def start(self, code: str) -> None:
        """Let the other end run the completion."""
        self.write({"code": code, "classes": list(self._classes)})
        self.read()

    def ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """Let the other end do something, but judge no result."""
        if operation in LENIENT and self._is_strict:
            return self._compared(operation, *arguments)
        try:
            return super().ask(operation, *arguments, **named)
        except (StopIteration, GeneratorExit) as error:
            if operation == "next":
                raise
            raise RuntimeError(f"the function raised {type(error).__name__}") from error

    def _compared(self, operation: str, thing: Remote, other: Any = None) -> bool:
        if operation == "truth" and thing.harness_about in _FUNCTIONS:
            return True
        if operation in ("eq", "ne") and thing is other:
            return operation == "eq"
        said = f"a result is of {thing.harness_about}, whose comparisons the completion brings itself: "
        os.write(2, f"{said}tests that compare it prove nothing\n".encode(errors="replace"))
        os._exit(0)

    def more(self) -> dict[str, Any]:
        """Whether the tests have put something in the place of standard output."""
        return {"capture": sys.stdout is not self._stdout}

    def result(self, message: Any, arguments: tuple[Any, ...]) -> Any:
        """What an answer says, and what was printed."""
        if "printed" in message:
            sys.stdout.write(message["printed"])
        return super().result(message, arguments)

    def operate(self, operation: str, arguments: list[Any], named: dict[str, Any]) -> Any:
        """What a completion may do with what the tests gave it."""
        allowed = operation in ("call", "next", "iter", "len", "getitem", "contains")
        if operation in ("getattr", "setattr"):
            allowed = type(arguments[0]).__module__ == "__main__" and not arguments[1].startswith("_")
        if operation == "setattr":
            require_no_method(type(arguments[0]), *arguments[1:])
        if not allowed:
            raise AttributeError(f"{operation}: not of what belongs to the tests")
        try:
            return super().operate(operation, arguments, named)
        except AssertionError as error:  # a test's, in what it gave to the completion, which might catch it
            os.write(2, self.told(error).encode(errors="replace"))
            os._exit(1)


def run_tests(
    names: dict[str, Any],
    built: CodeType,
    code: str,
    opening: str,
    tests: str,
    entry_point: str,
    nonce: tuple[int, int],
) -> None:
    """Run tests against a completion in another process, and print the nonce after the last of them.

    Args:
        names: of the main module.
        built: this file, compiled.
        code: the whole text with the completion.
        opening: its beginning that is the prompt's alone; it runs at both ends.
        tests: what tests the completion.
        entry_point: name of the function under test, "" if it is not known.
        nonce: its two numbers.
    """
    _forbid_reading()
    requests, replies = os.pipe(), os.pipe()
    process = os.fork()
    if process != 0:
        _become_server(built, requests[0], replies[1], process)
    os.close(requests[0])
    os.close(replies[1])
    sys.path[:] = [folder for folder in sys.path if folder]
    for name in [name for name in names if name.startswith("harness")]:
        del names[name]
    exec(compile(opening, "<prompt>", "exec", dont_inherit=True), names)
    peer = Tests(replies[0], requests[1], names, is_strict=bool(entry_point))
    compiled = compile(tests, "<tests>", "exec", dont_inherit=True)
    wanted = set(_names_in(compiled)) - ({*names, *vars(builtins)} - {entry_point})
    stdout = sys.stdout
    peer.start(code)
    names.update({name: value for name, value in peer.ask("names", *wanted).items() if name in wanted})
    exec(compiled, names)
    stdout.write(f"\nnonce {nonce[0] ^ nonce[1]}\n")
    stdout.flush()


def serve(receive: int, send: int, tests_process: int) -> None:
    """Be the end with the completion, and in the end leave with the exit code of the tests."""
    Server(receive, send).serve()
    status = os.waitpid(tests_process, 0)[1]
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


def _become_server(built: CodeType, receive: int, send: int, tests_process: int) -> None:
    """Replace this process by an interpreter that knows nothing of the tests."""
    os.set_inheritable(receive, True)
    os.set_inheritable(send, True)
    encoded = binascii.b2a_base64(marshal.dumps(built), newline=False)
    text = (
        f"harness = {{'__name__': 'harness'}}\n"
        f"exec(__import__('marshal').loads(__import__('binascii').a2b_base64({encoded})), harness)\n"
        f"harness['serve']({receive}, {send}, {tests_process})\n"
    )
    os.execv(sys.executable, [sys.executable, "-s", "-B", "-c", text])


def _forbid_reading() -> None:
    """Let no process of the same user read the memory of this one; a Python without ctypes cannot."""
    try:
        import ctypes
    except ImportError:
        return
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _names_in(code: CodeType) -> list[str]:
    inner = [name for part in code.co_consts if isinstance(part, CodeType) for name in _names_in(part)]
    return [*code.co_names, *inner]
