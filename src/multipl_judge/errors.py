"""The exceptions that the judge raises on purpose; those of multipl_moe build on them.

Everything a user can cause and mend derives from `UserError`; the command line turns it into one line and
exit code 2. Anything else is a defect and keeps its traceback.
"""


class UserError(Exception):
    """Bad input: the message says what is wrong, where, and what to do."""


class ConfigError(UserError, ValueError):
    """One or more values of a configuration are wrong; `problems` holds a line for each."""

    def __init__(self, problems: list[str] | str):
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class OutputError(UserError):
    """The output cannot be written: it exists, or the disk has no room for it."""
