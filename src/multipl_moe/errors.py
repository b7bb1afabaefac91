"""The exceptions that the package raises on purpose, on top of those of the judge: there `UserError` is the root."""

from multipl_judge.errors import ConfigError as ConfigError
from multipl_judge.errors import OutputError as OutputError
from multipl_judge.errors import UserError as UserError


class BaseModelError(UserError):
    """The base model is missing, broken, unsupported or already a mixture of experts."""


class CorpusError(UserError):
    """Sources or a corpus folder cannot be used as asked."""


class TasksUnfinishedError(CorpusError):
    """Tasks of a corpus build ended without finishing, through no fault of the input; what is done stays."""


class HeldError(OutputError):
    """Another process is making the output."""


class DiskError(OutputError):
    """The disk takes no more of an output that was begun: it is full or read-only; what is whole stays."""


class TrainingError(UserError):
    """Training went wrong: a step whose loss or gradient must not reach the weights."""


class Preempted(BaseException):
    """Stopped by a signal, which it names: a scheduler's SIGTERM, or SIGHUP, the end of a terminal.

    No Exception, as KeyboardInterrupt is none: no library may swallow it.
    """


class FrozenParameterError(Exception):
    """A parameter that had to stay frozen changed during training: a defect, never the user's fault."""
