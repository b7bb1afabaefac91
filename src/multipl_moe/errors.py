"""The exceptions that the package raises on purpose.

Everything a user can cause and mend derives from `UserError`; the command line turns it into one line and
exit code 2. Anything else is a defect and keeps its traceback.
"""


class MultiplMoeError(Exception):
    """Root of all exceptions raised by this package."""


class UserError(MultiplMoeError):
    """Bad input: the message says what is wrong, where, and what to do."""


class ConfigError(UserError, ValueError):
    """One or more values of a configuration are wrong; `problems` holds a line for each."""

    def __init__(self, problems: list[str] | str):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class BaseModelError(UserError):
    """The base model is missing, broken, unsupported or already a mixture of experts."""


class CorpusError(UserError):
    """Sources or a corpus folder cannot be used as asked."""


class TasksUnfinishedError(CorpusError):
    """Tasks of a corpus build ended without finishing, through no fault of the input; what is done stays."""


class OutputError(UserError):
    """The output cannot be written: it exists, or the disk has no room for it."""


class HeldError(OutputError):
    """Another process is making the output."""


class DiskError(OutputError):
    """The disk takes no more of an output that was begun: it is full or read-only; what is whole stays."""


class TrainingError(UserError):
    """Training went wrong: a step whose loss or gradient must not reach the weights."""


class Preempted(BaseException):
    """Stopped by SIGTERM, as schedulers do. No Exception, as KeyboardInterrupt is none: no library may swallow it."""


class FrozenParameterError(MultiplMoeError):
    """A parameter that had to stay frozen changed during training: a defect, never the user's fault."""
