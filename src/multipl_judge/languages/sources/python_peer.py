"""One end of two Python processes that speak through values: lines of JSON over pipes; it runs inside the sandbox."""

import json
import os
from typing import Any

from multipl_judge.languages.sources.python_values import OPERATIONS, Values

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
