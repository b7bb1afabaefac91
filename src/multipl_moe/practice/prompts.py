"""What a model is asked: a task, with help above it that what is kept of the answer does not have."""

from collections.abc import Sequence
from dataclasses import replace

from multipl_moe.languages.harnesses import HARNESSES
from multipl_moe.problems.problem import Problem, commented

_MESSAGE_CHARACTERS = 300  # at either end: compilers begin with what is wrong, interpreters end with it


def asked(
    task: Problem, *, solution: str | None = None, examples: Sequence[str] = (), failed: tuple[str, str] | None = None
) -> Problem:
    """The task with worked examples, a solution in Python and an answer that failed above its prompt.

    Args:
        task: as it is judged.
        solution: in Python.
        examples: whole functions or programs in the task's language.
        failed: an answer, and what the judge printed of it.
    """
    notes = [] if solution is None else [f"In Python:\n{solution}"]
    if failed is not None:
        answer, message = failed[0], failed[1].strip()
        if len(message) > 2 * _MESSAGE_CHARACTERS:
            message = f"{message[:_MESSAGE_CHARACTERS]}\n...\n{message[-_MESSAGE_CHARACTERS:]}"
        notes.append(f"This is wrong:\n{task.prompt}{answer}\n\n{message}\n\nMended:")
    above = [*(example.strip("\n") + "\n" for example in examples)]
    above += [commented(note, HARNESSES[task.language].comment) for note in notes]
    return replace(task, prompt="".join(f"{part}\n" for part in above) + task.prompt)
