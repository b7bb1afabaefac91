"""A run of completions over problems: in fixed batches, one after the other, resumed where it ended.

A batch is always made of the same requests, whatever is on disk already: a model's arithmetic depends in its last bits
on what it computes at the same time. A batch of which lines are missing is generated whole, and only those lines are
written.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from multipl_judge.problems.problem import Problem
from multipl_moe.codegen.completer import Completer, Completion, Request, SampleKey, request_of
from multipl_moe.codegen.samples import Origin, SamplesFile
from multipl_moe.errors import ConfigError
from multipl_moe.recipe.codegen import CodegenSection

Complete = Callable[[Sequence[Problem], Path, Callable[[int, int], None]], Mapping[SampleKey, Completion]]
"""Makes the samples of problems into a folder and tells of its progress: a model, an endpoint, or a file."""


def completed_by(completer: Completer, settings: CodegenSection) -> Complete:
    """`generate_samples` with this completer."""
    return lambda problems, folder, on_progress: generate_samples(problems, completer, settings, folder, on_progress)


def generate_samples(
    problems: Sequence[Problem],
    completer: Completer,
    settings: CodegenSection,
    folder: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[SampleKey, Completion]:
    """Complete every problem, going on with what `folder` holds already; it is created if need be.

    A later run may add sets or languages to those in the folder. `on_progress` is called with the number of samples
    that are done and their total, at first and after each batch.

    Returns:
        The samples of these problems, in the order of the problems.

    Raises:
        OutputError: the folder cannot be written, is in use, or its samples were made another way.
        ConfigError: there is no problem, or one is there twice.
        UserError: what the completer raises.
    """
    batches = plan_batches(problems, settings)
    origin = Origin(
        name=completer.name,
        model=completer.identity,
        settings=settings.model_dump(mode="json"),
        problems=digests_of(problems),
    )
    keys = [(problem.key, sample) for problem in problems for sample in range(settings.num_samples)]
    with SamplesFile(folder, origin) as file:
        num_done = sum(key in file.samples for key in keys)
        on_progress(num_done, len(keys))
        for batch in batches:
            if all(request.key in file.samples for request in batch):
                continue
            made = zip(batch, completer.complete(batch, settings), strict=True)
            new = [(request.key, text) for request, text in made if request.key not in file.samples]
            file.append(new)
            num_done += len(new)
            on_progress(num_done, len(keys))
        return {key: file.samples[key] for key in keys}


def plan_batches(problems: Sequence[Problem], settings: CodegenSection) -> list[list[Request]]:
    """The batches of a run: by set and language, and in each from short prompts to long ones, which saves padding.

    Raises:
        ConfigError: there is no problem, or one is there twice.
    """
    require_distinct(problems)
    batches: list[list[Request]] = []
    for group in _groups(problems).values():
        ordered = sorted(group, key=lambda problem: (len(problem.prompt), problem.key))
        requests = [
            request_of(problem, sample, settings.seed) for problem in ordered for sample in range(settings.num_samples)
        ]
        size = settings.batch_sequences
        batches += [requests[begin : begin + size] for begin in range(0, len(requests), size)]
    return batches


def _groups(problems: Sequence[Problem]) -> dict[str, list[Problem]]:
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        groups.setdefault(f"{problem.benchmark}/{problem.language}", []).append(problem)
    return groups


def require_distinct(problems: Sequence[Problem]) -> None:
    """Raise ConfigError when there is no problem, or one is there twice."""
    if not problems:
        raise ConfigError("problems: there is none to complete; choose another benchmark or language")
    if twice := [key for key, count in Counter(problem.key for problem in problems).items() if count > 1]:
        raise ConfigError(f"problems: {twice[0]} is there twice; give each problem of a set and language its own id")


def digests_of(problems: Sequence[Problem]) -> dict[str, str]:
    """For each set and language a digest of which problems there are and of all that decides their completions."""
    digests = {}
    for name, group in _groups(problems).items():
        parts = sorted([problem.key, problem.prompt, *problem.stop] for problem in group)
        digests[name] = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return digests
